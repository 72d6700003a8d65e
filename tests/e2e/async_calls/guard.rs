//! Receivers that nobody may reach through the gateway.

use ringway_tests::Dns;
use ringway_tests::server::Answer;

use super::stage::{Receiver, Stage};

#[test]
fn a_refused_address_is_refused_at_once_when_it_is_written_in_the_url() {
    let stage = Stage::with(&[], &[]);
    let receiver = Receiver::new();
    let port = receiver.server.address().port();
    for host in [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "169.254.169.254",
    ] {
        let url = format!("http://{host}:{port}/");
        let reply = stage.post("/async-function/one", &[("X-Callback-Url", &url)], b"");
        assert_eq!(reply.status, 400, "{host}: {reply:?}");
        assert!(reply.text().contains("refused"), "{reply:?}");
    }
    assert_eq!(receiver.server.accepted(), 0);
}

#[test]
fn a_name_that_leads_to_a_refused_address_is_refused_at_the_connect() {
    let stage = Stage::with(&[], &[]);
    let receiver = Receiver::new();
    let url = format!("http://localhost:{}/", receiver.server.address().port());
    let id = stage.enqueue("/async-function/one", &[("X-Callback-Url", &url)], b"");
    let callback = stage.await_callback(&id, "refused");
    let why = callback["lastError"].as_str().unwrap();
    assert!(
        why.contains("localhost") && why.contains("loopback"),
        "{why}"
    );
    assert_eq!(receiver.server.accepted(), 0);
    assert!(stage.gateway.log().contains("may not be delivered"));
}

#[test]
fn what_a_name_server_says_is_checked_at_every_connect() {
    let dns = Dns::start();
    dns.set("hook.test", &[[169, 254, 169, 254].into()], 1);
    let stage = Stage::with(&[("RINGWAY_DNS", &dns.address().to_string())], &[]);
    let url = "http://hook.test/latest/meta-data";
    let id = stage.enqueue("/async-function/one", &[("X-Callback-Url", url)], b"");
    let callback = stage.await_callback(&id, "refused");
    let why = callback["lastError"].as_str().unwrap();
    assert!(why.contains("metadata"), "{why}");
}

#[test]
fn a_redirect_to_a_refused_address_is_refused() {
    let stage = Stage::with(&[("RINGWAY_CALLBACK_ALLOW", "127.0.0.1/32")], &[]);
    let (allowed, other) = (Receiver::new(), Receiver::new());
    let port = other.server.address().port();
    for place in [
        format!("http://127.0.0.2:{port}/"),
        format!("http://[::1]:{port}/"),
        "http://169.254.169.254/".to_owned(),
    ] {
        allowed.answers(Answer::status(307).header("Location", &place));
        let url = allowed.url("/");
        let id = stage.enqueue("/async-function/one", &[("X-Callback-Url", &url)], b"");
        let callback = stage.await_callback(&id, "refused");
        let why = callback["lastError"].as_str().unwrap();
        assert!(why.contains("refused"), "{why}");
    }
    assert_eq!(other.server.accepted(), 0);
}

#[test]
fn private_networks_and_strangers_are_refused_by_option() {
    let stage = Stage::with(&[("RINGWAY_CALLBACK_PRIVATE", "false")], &[]);
    let reply = stage.post(
        "/async-function/one",
        &[("X-Callback-Url", "http://10.0.0.1/")],
        b"",
    );
    assert_eq!(reply.status, 400, "{reply:?}");
    let stage = Stage::with(
        &[
            ("RINGWAY_CALLBACK_ALLOW", "localhost"),
            ("RINGWAY_CALLBACK_ONLY_ALLOWED", "true"),
        ],
        &[],
    );
    let reply = stage.post(
        "/async-function/one",
        &[("X-Callback-Url", "http://93.184.216.34/")],
        b"",
    );
    assert_eq!(reply.status, 400, "{reply:?}");
    let receiver = Receiver::new();
    let url = format!("http://localhost:{}/", receiver.server.address().port());
    stage.enqueue("/async-function/one", &[("X-Callback-Url", &url)], b"");
    receiver.first();
}
