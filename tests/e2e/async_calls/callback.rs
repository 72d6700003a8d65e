//! Replies are delivered, sooner or later.

use std::time::Duration;

use ringway_tests::eventually;
use ringway_tests::server::{Answer, Vice};

use super::stage::{Receiver, Stage};

#[test]
fn the_receiver_gets_the_reply_and_what_was_called() {
    let stage = Stage::new();
    let receiver = Receiver::new();
    let answer = Answer::text(201, "made")
        .header("X-Own", "1")
        .header("X-Own", "2");
    stage.provider.script("/function/one", Vice::Answer(answer));
    let url = receiver.url("/cb/%2F?a=b");
    let headers = [("X-Callback-Url", url.as_str()), ("X-Call-Id", "label")];
    let id = stage.enqueue("/async-function/one", &headers, b"x");
    let seen = receiver.first();
    assert_eq!(seen.line(), "POST /cb/%2F?a=b");
    assert_eq!(seen.body, b"made");
    for (name, value) in [
        ("x-call-id", "label"),
        ("x-job-id", id.as_str()),
        ("x-function-name", "one"),
        ("x-function-status", "201"),
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", "4"),
    ] {
        assert_eq!(seen.values(name), [value], "{name}");
    }
    assert_eq!(seen.values("x-own"), ["1", "2"]);
    let seconds: f64 = seen.header("x-duration-seconds").unwrap().parse().unwrap();
    assert!((0.0..20.0).contains(&seconds));
    let callback = stage.await_callback(&id, "delivered");
    assert_eq!(
        (&callback["attempts"], &callback["lastStatus"]),
        (&1.into(), &200.into())
    );
    assert_eq!(
        stage
            .gateway
            .metric("ringway_async_callbacks_total{outcome=\"delivered\"}"),
        Some(1.0)
    );
}

#[test]
fn large_replies_arrive_whole() {
    let stage = Stage::new();
    let receiver = Receiver::new();
    let body: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 253) as u8).collect();
    let answer = Answer::status(200).body(body.clone());
    stage.provider.script("/function/one", Vice::Answer(answer));
    let url = receiver.url("/");
    stage.enqueue("/async-function/one", &[("X-Callback-Url", &url)], b"");
    assert!(receiver.first().body == body);
}

#[test]
fn a_receiver_that_is_down_gets_it_later_even_after_a_crash() {
    let mut stage = Stage::new();
    let receiver = Receiver::new();
    let url = receiver.url("/");
    receiver.server.close();
    let id = stage.enqueue("/async-function/one", &[("X-Callback-Url", &url)], b"x");
    stage.await_state(&id, "done");
    let callback = stage.await_callback(&id, "pending");
    eventually("two attempts", Duration::from_secs(10), || {
        (stage.job(&id)["callback"]["attempts"].as_u64() >= Some(2)).then_some(())
    });
    assert!(
        callback["url"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1")
    );
    stage.gateway.restart();
    receiver.server.open();
    let seen = receiver.first();
    assert!(seen.body.starts_with(b"POST /function/one"));
    stage.await_callback(&id, "delivered");
    assert_eq!(stage.calls().len(), 1, "the function is not called again");
}

#[test]
fn a_receiver_that_fails_is_asked_again_and_one_that_refuses_is_not() {
    let stage = Stage::new();
    let receiver = Receiver::new();
    let url = receiver.url("/");
    receiver.answers(Answer::status(503));
    let id = stage.enqueue("/async-function/one", &[("X-Callback-Url", &url)], b"x");
    let callback = stage.await_callback(&id, "pending");
    assert!(
        callback["nextAttemptAt"].is_string() || callback["attempts"] == 0,
        "{callback}"
    );
    eventually("an attempt", Duration::from_secs(10), || {
        (!receiver.server.seen().is_empty()).then_some(())
    });
    receiver.answers(Answer::status(204));
    stage.await_callback(&id, "delivered");
    receiver.answers(Answer::status(400));
    let id = stage.enqueue("/async-function/one", &[("X-Callback-Url", &url)], b"x");
    let callback = stage.await_callback(&id, "failed");
    assert_eq!(
        (&callback["attempts"], &callback["lastStatus"]),
        (&1.into(), &400.into())
    );
}

/// A receiver that never answers, and one that does.
pub(crate) fn a_slow_receiver_holds_up_nobody(stage: &Stage) {
    let (slow, quick) = (Receiver::new(), Receiver::new());
    slow.answers_late(Answer::status(200), Duration::from_secs(600));
    let slow = slow.url("/");
    let ids: Vec<String> = (0..100)
        .map(|_| stage.enqueue("/async-function/one", &[("X-Callback-Url", &slow)], b"x"))
        .collect();
    for id in &ids {
        stage.await_state(id, "done");
    }
    for function in ["one", "two"] {
        let (target, url) = (format!("/async-function/{function}"), quick.url("/"));
        let id = stage.enqueue(&target, &[("X-Callback-Url", &url)], b"x");
        stage.await_callback(&id, "delivered");
    }
    assert_eq!(quick.server.seen().len(), 2);
}

#[test]
fn a_receiver_that_never_answers_holds_up_nobody() {
    let stage = Stage::new();
    let readiness = ringway_tests::provider::Readiness::AtOnce;
    stage.provider.add("two", readiness);
    a_slow_receiver_holds_up_nobody(&stage);
}

#[test]
fn the_patience_ends() {
    let settings = [
        ("RINGWAY_CALLBACK_ALLOW", "127.0.0.1/32"),
        ("RINGWAY_CALLBACK_PATIENCE", "1s"),
    ];
    let stage = Stage::with(&settings, &[]);
    let receiver = Receiver::new();
    receiver.answers(Answer::status(503));
    let url = receiver.url("/");
    let id = stage.enqueue("/async-function/one", &[("X-Callback-Url", &url)], b"x");
    let callback = stage.await_callback(&id, "failed");
    assert_eq!(callback["lastStatus"], 503);
}

#[test]
fn redirects_are_followed_with_the_body() {
    let stage = Stage::new();
    let (first, last) = (Receiver::new(), Receiver::new());
    first.answers(Answer::status(302).header("Location", &last.url("/there")));
    let url = first.url("/");
    let id = stage.enqueue("/async-function/one", &[("X-Callback-Url", &url)], b"x");
    let seen = last.first();
    assert_eq!(seen.line(), "POST /there");
    assert!(!seen.body.is_empty());
    stage.await_callback(&id, "delivered");
}
