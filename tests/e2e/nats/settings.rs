//! How NATS is told who this is, and what it is called there.

use std::process::{Command, Stdio};
use std::time::Duration;

use ringway_tests::{Nats, binary, eventually};

use crate::async_calls::stage::Stage;

#[test]
fn a_user_and_a_token_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let secret = secret.to_str().unwrap();
    for (arguments, settings) in [
        (
            &["--user", "u", "--pass", "s3cret"][..],
            &[
                ("RINGWAY_NATS_USER", "u"),
                ("RINGWAY_NATS_PASSWORD_FILE", secret),
            ][..],
        ),
        (
            &["--auth", "s3cret"],
            &[("RINGWAY_NATS_TOKEN_FILE", secret)],
        ),
    ] {
        let mut nats = Nats::absent(arguments);
        nats.launch();
        let stage = Stage::served(nats, settings, &[]);
        let id = stage.enqueue("/async-function/one", &[], b"x");
        stage.await_state(&id, "done");
    }
}

/// The files of this folder are for tests alone.
fn tls(name: &str) -> String {
    format!("{}/e2e/nats/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn nats_is_spoken_to_over_tls_with_certificates_of_both_sides() {
    let [ca, certificate, key] = ["ca.pem", "server.pem", "server.key"].map(tls);
    let [own, own_key] = ["client.pem", "client.key"].map(tls);
    let mut nats = Nats::absent(&[
        "--tls",
        "--tlscert",
        &certificate,
        "--tlskey",
        &key,
        "--tlscacert",
        &ca,
        "--tlsverify",
    ]);
    nats.launch();
    let settings = [
        ("RINGWAY_NATS_CA_FILE", ca.as_str()),
        ("RINGWAY_NATS_CERT_FILE", own.as_str()),
        ("RINGWAY_NATS_KEY_FILE", own_key.as_str()),
    ];
    let stage = Stage::served(nats, &settings, &[]);
    let id = stage.enqueue("/async-function/one", &[], b"x");
    stage.await_state(&id, "done");
}

#[test]
fn nothing_is_said_without_tls_where_it_is_required() {
    let mut nats = Nats::absent(&[]);
    nats.launch();
    let stage = Stage::on(Some(nats), &[("RINGWAY_NATS_TLS", "true")], &[]);
    let reply = stage.post("/async-function/one", &[], b"x");
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("is not reached"), "{}", reply.text());
}

#[test]
fn an_nkey_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (seed, config) = (folder.path().join("seed"), folder.path().join("config"));
    std::fs::write(&seed, SEED).unwrap();
    let user = format!("authorization {{ users: [ {{ nkey: {USER} }} ] }}\n");
    std::fs::write(&config, user).unwrap();
    let mut nats = Nats::absent(&["--config", config.to_str().unwrap()]);
    nats.launch();
    let settings = [("RINGWAY_NATS_NKEY_FILE", seed.to_str().unwrap())];
    let stage = Stage::served(nats, &settings, &[]);
    let id = stage.enqueue("/async-function/one", &[], b"x");
    stage.await_state(&id, "done");
}

/// A pair for this test alone.
const SEED: &str = "SUAMHJZH7JKE43PXOR4W7MFUXJJWH2JENTCGEVKZ5MCQXNBLJ3GOPQZOKE";
const USER: &str = "UDYYIDE4GDZIQQM3OWMB26W5MYNYUNNQOGTFFHAS43GLYTFMX3KTTKDG";

#[test]
fn who_is_not_let_in_says_so() {
    let mut nats = Nats::absent(&["--auth", "s3cret"]);
    nats.launch();
    let stage = Stage::on(Some(nats), &[], &[]);
    eventually("what NATS says", Duration::from_secs(10), || {
        let reply = stage.post("/async-function/one", &[], b"x");
        assert_eq!(reply.status, 503);
        let text = reply.text().to_lowercase();
        text.contains("authorization").then_some(())
    });
}

#[test]
fn channels_are_queues_of_their_own() {
    let stage = Stage::on_nats(&[("faas_nats_channel", "mine")], &[]);
    let message = r#"{"Function":"one","Path":"/x"}"#;
    let nats = stage.nats.as_ref().unwrap();
    nats.publish("faas-request", message.as_bytes());
    nats.publish("mine", message.as_bytes());
    stage.await_calls(1);
    let id = stage.enqueue("/async-function/one", &[], b"");
    stage.await_state(&id, "done");
    assert_eq!(stage.calls().len(), 2);
}

#[test]
fn a_worker_without_nats_says_what_it_needs() {
    let output = Command::new(binary())
        .arg("queue-worker")
        .env_remove("faas_nats_address")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("faas_nats_address"), "{text}");
}
