//! Dead letters: kept, listed, replayed, purged.

use std::time::Duration;

use ringway_tests::eventually;
use ringway_tests::server::{Answer, Vice};
use serde_json::Value;

use super::stage::{QUICK, Receiver, Stage};

fn dead(stage: &Stage) -> Vec<String> {
    let reply = stage
        .gateway
        .call("GET", "/system/async-calls?state=dead", b"");
    let page: Value = serde_json::from_slice(&reply.body).unwrap();
    let calls = page["calls"].as_array().unwrap().iter();
    calls
        .map(|c| c["jobId"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_call_that_always_fails_is_kept_and_its_callback_gets_the_last_reply() {
    let settings = [("RINGWAY_CALLBACK_ALLOW", "127.0.0.1/32")];
    let mut stage = Stage::with(&settings, &QUICK);
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
    assert_eq!(stage.gateway.metric("ringway_async_dead"), Some(1.0));
    // Kept over a restart, and replayed with its body.
    stage.gateway.restart();
    assert_eq!(dead(&stage), [id.as_str()]);
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
    // At least: the first one may not have been written down when the gateway was killed.
    eventually("the second delivery", Duration::from_secs(20), || {
        (receiver.server.seen().len() >= 2).then_some(())
    });
}

/// A dead call is replayed while its first reply is on its way to a slow receiver.
pub(crate) fn replays_during_a_delivery(stage: &Stage) {
    for answer in [200, 503] {
        let receiver = Receiver::new();
        receiver.answers_late(Answer::status(answer), Duration::from_secs(1));
        stage
            .provider
            .script("/function/one", Vice::Answer(Answer::text(503, "broken")));
        let url = receiver.url("/cb");
        let id = stage.enqueue("/async-function/one", &[("X-Callback-Url", &url)], b"x");
        stage.await_state(&id, "dead");
        assert_eq!(receiver.first().body, b"broken");
        receiver.answers(Answer::status(200));
        stage.provider.behave();
        let late = Vice::Late(Duration::from_secs(2));
        stage.provider.script_times("/function/one", 1, late);
        let replay = format!("/system/async-calls/{id}/replay");
        assert_eq!(stage.gateway.call("POST", &replay, b"").status, 202);
        stage.await_state(&id, "done");
        stage.await_callback(&id, "delivered");
        // The second reply came. The first one is taken back here, and comes again in NATS, where
        // it is a message of its own: whole in either case.
        let (mut old, mut new) = (0, 0);
        for seen in receiver.server.seen() {
            match seen.header("x-function-status") {
                Some("503") if seen.body == b"broken" => old += 1,
                Some("200") if seen.body.starts_with(b"POST /function/one") => new += 1,
                _ => panic!("{seen:?}"),
            }
        }
        assert_eq!(new, 1);
        assert!(old == 1 || stage.nats.is_some() && answer == 503, "{old}");
        stage
            .gateway
            .await_metric("ringway_async_callbacks_pending", 0.0);
    }
}

#[test]
fn a_call_that_is_replayed_during_a_delivery_has_its_next_reply_delivered_too() {
    let settings = [("RINGWAY_CALLBACK_ALLOW", "127.0.0.1/32")];
    let once = [("com.openfaas.retry.attempts", "1")];
    replays_during_a_delivery(&Stage::with(&settings, &once));
}

#[test]
fn all_of_them_are_replayed_or_purged_at_once() {
    let stage = Stage::with(&[], &[("com.openfaas.retry.attempts", "1")]);
    stage
        .provider
        .script("/function/one", Vice::Answer(Answer::status(500)));
    let ids: Vec<String> = (0..3)
        .map(|_| stage.enqueue("/async-function/one", &[], b"x"))
        .collect();
    for id in &ids {
        stage.await_state(id, "dead");
    }
    let one = format!("/system/async-calls/{}", ids[0]);
    assert_eq!(stage.gateway.call("DELETE", &one, b"").status, 200);
    assert_eq!(stage.gateway.call("DELETE", &one, b"").status, 404);
    stage.provider.behave();
    let reply = stage
        .gateway
        .call("POST", "/system/async-calls/replay?function=one", b"");
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (202, "{\"replayed\":2}")
    );
    for id in &ids[1..] {
        stage.await_state(id, "done");
    }
    stage
        .provider
        .script("/function/one", Vice::Answer(Answer::status(500)));
    let id = stage.enqueue("/async-function/one", &[], b"x");
    stage.await_state(&id, "dead");
    assert_eq!(
        stage
            .gateway
            .call("DELETE", "/system/async-calls", b"")
            .status,
        400
    );
    let reply = stage
        .gateway
        .call("DELETE", "/system/async-calls?state=dead", b"");
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (200, "{\"purged\":1}")
    );
    assert!(dead(&stage).is_empty());
}
