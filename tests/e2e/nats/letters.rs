//! Dead letters, callbacks and lists in NATS.

use std::time::Duration;

use ringway_tests::eventually;
use ringway_tests::server::{Answer, Vice};
use serde_json::Value;

use crate::async_calls::callback::a_slow_receiver_holds_up_nobody;
use crate::async_calls::dead::replays_during_a_delivery;
use crate::async_calls::stage::{QUICK, Receiver, Stage};

fn list(stage: &Stage, query: &str) -> Value {
    let target = format!("/system/async-calls{query}");
    let reply = stage.gateway.call("GET", &target, b"");
    assert_eq!(reply.status, 200, "{}", reply.text());
    serde_json::from_slice(&reply.body).unwrap()
}

fn ids(page: &Value) -> Vec<String> {
    let calls = page["calls"].as_array().unwrap().iter();
    calls
        .map(|call| call["jobId"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_call_that_always_fails_is_kept_and_replayed() {
    let settings = [("RINGWAY_CALLBACK_ALLOW", "127.0.0.1/32")];
    let mut stage = Stage::on_nats(&settings, &QUICK);
    let receiver = Receiver::new();
    stage
        .provider
        .script("/function/one", Vice::Answer(Answer::text(500, "broken")));
    let url = receiver.url("/cb");
    let id = stage.enqueue("/async-function/one", &[("X-Callback-Url", &url)], b"body");
    let job = stage.await_state(&id, "dead");
    assert_eq!(
        (&job["attempts"], &job["lastStatus"]),
        (&3.into(), &500.into())
    );
    let seen = receiver.first();
    assert_eq!(
        (seen.header("x-function-status"), seen.body.as_slice()),
        (Some("500"), &b"broken"[..])
    );
    assert_eq!(seen.header("x-retry"), Some("2"));
    stage.await_callback(&id, "delivered");
    stage.gateway.await_metric("ringway_async_dead", 1.0);
    stage.gateway.restart();
    assert_eq!(ids(&list(&stage, "?state=dead")), [id.as_str()]);
    stage.provider.behave();
    stage.provider.server().forget();
    let replay = format!("/system/async-calls/{id}/replay");
    assert_eq!(stage.gateway.call("POST", &replay, b"").status, 202);
    let job = stage.await_state(&id, "done");
    assert_eq!(
        (&job["attempts"], &job["lastStatus"]),
        (&1.into(), &200.into())
    );
    assert_eq!(stage.calls()[0].body, b"body");
    assert_eq!(stage.gateway.call("POST", &replay, b"").status, 409);
    eventually("the second delivery", Duration::from_secs(20), || {
        (receiver.server.seen().len() >= 2).then_some(())
    });
    assert!(ids(&list(&stage, "?state=dead")).is_empty());
}

#[test]
fn a_call_that_is_replayed_during_a_delivery_has_its_next_reply_delivered_too() {
    let settings = [("RINGWAY_CALLBACK_ALLOW", "127.0.0.1/32")];
    let once = [("com.openfaas.retry.attempts", "1")];
    replays_during_a_delivery(&Stage::on_nats(&settings, &once));
}

#[test]
fn all_of_them_are_replayed_or_purged_at_once() {
    let stage = Stage::on_nats(&[], &[("com.openfaas.retry.attempts", "1")]);
    stage
        .provider
        .script("/function/one", Vice::Answer(Answer::status(500)));
    let all: Vec<String> = (0..3)
        .map(|_| stage.enqueue("/async-function/one", &[], b"x"))
        .collect();
    for id in &all {
        stage.await_state(id, "dead");
    }
    let one = format!("/system/async-calls/{}", all[0]);
    assert_eq!(stage.gateway.call("DELETE", &one, b"").status, 200);
    assert_eq!(stage.gateway.call("DELETE", &one, b"").status, 404);
    stage.provider.behave();
    let target = "/system/async-calls/replay?function=one";
    let reply = stage.gateway.call("POST", target, b"");
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (202, "{\"replayed\":2}")
    );
    for id in &all[1..] {
        stage.await_state(id, "done");
    }
    stage
        .provider
        .script("/function/one", Vice::Answer(Answer::status(500)));
    let id = stage.enqueue("/async-function/one", &[], b"x");
    stage.await_state(&id, "dead");
    let target = "/system/async-calls?state=dead";
    let reply = stage.gateway.call("DELETE", target, b"");
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (200, "{\"purged\":1}")
    );
    assert!(ids(&list(&stage, "?state=dead")).is_empty());
    let target = format!("/async-function/{id}");
    assert_eq!(stage.gateway.call("GET", &target, b"").status, 404);
}

#[test]
fn lists_go_on_where_they_ended() {
    let stage = Stage::on_nats(&[], &[]);
    let mut all: Vec<String> = (0..5)
        .map(|_| stage.enqueue("/async-function/one", &[], b""))
        .collect();
    for id in &all {
        stage.await_state(id, "done");
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = list(&stage, &format!("?state=done&function=one&limit=2{after}"));
        seen.extend(ids(&page));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    all.sort_unstable();
    seen.sort_unstable();
    assert_eq!(seen, all);
    assert!(ids(&list(&stage, "?state=queued")).is_empty());
    assert!(ids(&list(&stage, "?function=two")).is_empty());
}

#[test]
fn a_receiver_that_is_down_gets_it_later_even_after_a_crash() {
    // What the crash takes in the midst of a delivery is delivered again after the second.
    let settings = [
        ("RINGWAY_CALLBACK_ALLOW", "127.0.0.1/32"),
        ("RINGWAY_NATS_ACK_WAIT", "5s"),
    ];
    let mut stage = Stage::on_nats(&settings, &[]);
    let receiver = Receiver::new();
    let url = receiver.url("/");
    receiver.server.close();
    let id = stage.enqueue("/async-function/one", &[("X-Callback-Url", &url)], b"x");
    stage.await_state(&id, "done");
    stage.await_callback(&id, "pending");
    eventually("two attempts", Duration::from_secs(10), || {
        (stage.job(&id)["callback"]["attempts"].as_u64() >= Some(2)).then_some(())
    });
    stage.gateway.restart();
    receiver.server.open();
    assert!(receiver.first().body.starts_with(b"POST /function/one"));
    stage.await_callback(&id, "delivered");
    assert_eq!(stage.calls().len(), 1, "the function is not called again");
}

#[test]
fn a_receiver_that_never_answers_holds_up_nobody() {
    let settings = [("RINGWAY_CALLBACK_ALLOW", "127.0.0.1/32")];
    let stage = Stage::on_nats(&settings, &[]);
    let readiness = ringway_tests::provider::Readiness::AtOnce;
    stage.provider.add("two", readiness);
    a_slow_receiver_holds_up_nobody(&stage);
}

#[test]
fn a_receiver_that_is_not_allowed_is_refused() {
    let stage = Stage::on_nats(&[], &[]);
    let receiver = Receiver::new();
    let url = format!("http://localhost:{}/", receiver.server.address().port());
    let id = stage.enqueue("/async-function/one", &[("X-Callback-Url", &url)], b"x");
    let callback = stage.await_callback(&id, "refused");
    assert!(
        callback["lastError"].as_str().unwrap().contains("loopback"),
        "{callback}"
    );
    assert!(receiver.server.seen().is_empty());
}
