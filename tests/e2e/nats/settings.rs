//! How NATS is told who this is, and what it is called there.

use std::process::{Command, Stdio};

use ringway_tests::{Nats, binary};

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
        let stage = Stage::on(Some(nats), settings, &[]);
        let id = stage.enqueue("/async-function/one", &[], b"x");
        stage.await_state(&id, "done");
    }
}

#[test]
fn who_is_not_let_in_says_so() {
    let mut nats = Nats::absent(&["--auth", "s3cret"]);
    nats.launch();
    let stage = Stage::on(Some(nats), &[], &[]);
    let reply = stage.post("/async-function/one", &[], b"x");
    assert_eq!(reply.status, 503);
    assert!(
        reply.text().to_lowercase().contains("authorization"),
        "{}",
        reply.text()
    );
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
