//! NATS that is not there, or not any more.

use std::time::Duration;

use ringway_tests::server::Vice;
use ringway_tests::{Nats, eventually};

use crate::async_calls::stage::Stage;

#[test]
fn without_nats_calls_are_503_until_it_comes() {
    let mut stage = Stage::on(Some(Nats::absent(&[])), &[], &[]);
    let reply = stage.post("/async-function/one", &[], b"x");
    assert_eq!(reply.status, 503, "{reply:?}");
    assert!(
        reply.text().contains("NATS at 127.0.0.1"),
        "{}",
        reply.text()
    );
    assert_eq!(reply.header("retry-after"), Some("5"));
    assert_eq!(stage.gateway.metric("ringway_async_available"), Some(0.0));
    assert_eq!(
        stage.gateway.call("POST", "/function/one", b"x").status,
        200
    );
    stage.nats.as_mut().unwrap().launch();
    let id = eventually("the queue", Duration::from_secs(20), || {
        let reply = stage.post("/async-function/one", &[], b"x");
        (reply.status == 202).then(|| reply.header("x-job-id").unwrap().to_owned())
    });
    stage.await_state(&id, "done");
    // And away again.
    stage.nats.as_mut().unwrap().kill();
    eventually("503", Duration::from_secs(10), || {
        (stage.post("/async-function/one", &[], b"x").status == 503).then_some(())
    });
    let target = format!("/async-function/{id}");
    assert_eq!(stage.gateway.call("GET", &target, b"").status, 503);
}

#[test]
fn calls_that_are_queued_when_nats_is_killed_are_executed() {
    let settings = [("RINGWAY_NATS_ACK_WAIT", "2s")];
    let mut stage = Stage::on_nats(&settings, &[("com.ringway.async-concurrency", "2")]);
    stage.provider.script("/function/one", Vice::Hold);
    let ids: Vec<String> = (0..20)
        .map(|n| stage.enqueue(&format!("/async-function/one/{n}"), &[], b"body"))
        .collect();
    stage.await_calls(2);
    let nats = stage.nats.as_mut().unwrap();
    nats.kill();
    // Two of them end while there is nobody to tell it to.
    stage.provider.behave();
    std::thread::sleep(Duration::from_millis(500));
    stage.nats.as_mut().unwrap().launch();
    eventually("the queue", Duration::from_secs(20), || {
        let target = format!("/async-function/{}", ids[0]);
        (stage.gateway.call("GET", &target, b"").status == 200).then_some(())
    });
    for id in &ids {
        stage.await_state(id, "done");
    }
    let calls = stage.calls();
    for n in 0..20 {
        let path = format!("/function/one.openfaas-fn/{n}");
        let count = calls.iter().filter(|call| call.path() == path).count();
        assert!((1..=2).contains(&count), "{path}: {count}");
    }
}

#[test]
fn streams_that_were_lost_are_made_again() {
    let mut stage = Stage::on_nats(&[], &[]);
    let id = stage.enqueue("/async-function/one", &[], b"x");
    stage.await_state(&id, "done");
    let nats = stage.nats.as_mut().unwrap();
    nats.kill();
    nats.forget();
    nats.launch();
    let id = eventually("the queue", Duration::from_secs(30), || {
        let reply = stage.post("/async-function/one", &[], b"x");
        (reply.status == 202).then(|| reply.header("x-job-id").unwrap().to_owned())
    });
    // The stream of the calls may be there before the one of their records.
    eventually("the call", Duration::from_secs(20), || {
        let reply = stage
            .gateway
            .call("GET", &format!("/async-function/{id}"), b"");
        reply.text().contains("\"state\":\"done\"").then_some(())
    });
}
