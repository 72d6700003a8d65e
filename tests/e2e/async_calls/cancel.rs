//! Cancelling calls.

use std::time::Duration;

use ringway_tests::eventually;
use ringway_tests::server::{Answer, Stream, Vice};

use super::stage::Stage;

#[test]
fn a_queued_call_that_is_cancelled_is_never_executed() {
    let stage = Stage::with(&[], &[("com.ringway.async-concurrency", "1")]);
    stage
        .provider
        .script("/function/one.openfaas-fn/first", Vice::Hold);
    let first = stage.enqueue("/async-function/one/first", &[], b"");
    stage.await_state(&first, "running");
    let second = stage.enqueue("/async-function/one/second", &[], b"");
    let target = format!("/async-function/{second}");
    let reply = stage.gateway.call("DELETE", &target, b"");
    assert_eq!((reply.status, reply.body.len()), (202, 0));
    assert_eq!(stage.job(&second)["state"], "cancelled");
    assert_eq!(stage.gateway.call("DELETE", &target, b"").status, 409);
    let third = stage.enqueue("/async-function/one/third", &[], b"");
    stage.provider.behave();
    stage.await_state(&first, "done");
    stage.await_state(&third, "done");
    let lines: Vec<String> = stage.calls().iter().map(|call| call.line()).collect();
    assert!(
        !lines.iter().any(|line| line.contains("second")),
        "{lines:?}"
    );
}

#[test]
fn a_running_call_that_is_cancelled_is_cut() {
    let stage = Stage::new();
    let stream = Stream::default();
    let head = Answer::status(200);
    stage
        .provider
        .script("/function/one", Vice::Stream(head, stream.clone()));
    let id = stage.enqueue("/async-function/one", &[], b"");
    stage.await_state(&id, "running");
    eventually("the stream", Duration::from_secs(10), || {
        stream.send("x").then_some(())
    });
    let reply = stage
        .gateway
        .call("DELETE", &format!("/async-function/{id}"), b"");
    assert_eq!(reply.status, 202);
    assert_eq!(stage.job(&id)["state"], "cancelled");
    eventually(
        "the function's connection to be cut",
        Duration::from_secs(10),
        || {
            // The data plane hears of a client that left while it writes to it.
            let _ = stream.send("x");
            stream.is_left().then_some(())
        },
    );
    assert_eq!(stage.job(&id)["state"], "cancelled");
}

#[test]
fn a_call_whose_function_has_not_answered_is_cut_too() {
    let stage = Stage::new();
    stage.provider.script("/function/one", Vice::Hold);
    let id = stage.enqueue("/async-function/one", &[], b"");
    stage.await_state(&id, "running");
    let inflight = "gateway_function_invocation_inflight{function_name=\"one.openfaas-fn\"}";
    let await_inflight = |count: f64| {
        eventually("the calls in flight", Duration::from_secs(10), || {
            (stage.gateway.metric(inflight) == Some(count)).then_some(())
        });
    };
    await_inflight(1.0);
    let reply = stage
        .gateway
        .call("DELETE", &format!("/async-function/{id}"), b"");
    assert_eq!(reply.status, 202);
    await_inflight(0.0);
}

#[test]
fn nobody_else_is_known() {
    let stage = Stage::new();
    let target = format!("/async-function/{}", "0".repeat(32));
    assert_eq!(stage.gateway.call("DELETE", &target, b"").status, 404);
    assert_eq!(stage.gateway.call("GET", &target, b"").status, 404);
}
