//! Cancelling calls, whoever runs them.

use std::time::Duration;

use ringway_tests::server::{Answer, Stream, Vice};
use ringway_tests::{QueueWorker, eventually};

use crate::async_calls::stage::Stage;

#[test]
fn a_queued_call_that_is_cancelled_is_never_executed() {
    let stage = Stage::on_nats(&[], &[("com.ringway.async-concurrency", "1")]);
    stage
        .provider
        .script("/function/one.openfaas-fn/first", Vice::Hold);
    let first = stage.enqueue("/async-function/one/first", &[], b"");
    stage.await_state(&first, "running");
    let second = stage.enqueue("/async-function/one/second", &[], b"");
    let target = format!("/async-function/{second}");
    assert_eq!(stage.gateway.call("DELETE", &target, b"").status, 202);
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
fn a_call_that_another_process_runs_is_cut() {
    let settings = [("RINGWAY_ASYNC_WORKER", "false")];
    let stage = Stage::on_nats(&settings, &[]);
    let worker = QueueWorker::start(stage.nats.as_ref().unwrap(), &stage.gateway, &[]);
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
    let target = format!("/async-function/{id}");
    assert_eq!(stage.gateway.call("DELETE", &target, b"").status, 202);
    eventually(
        "the function's connection to be cut",
        Duration::from_secs(10),
        || {
            let _ = stream.send("x");
            stream.is_left().then_some(())
        },
    );
    assert_eq!(stage.job(&id)["state"], "cancelled");
    eventually("the worker to be idle", Duration::from_secs(10), || {
        (worker.running() == 0).then_some(())
    });
}

#[test]
fn nobody_else_is_known() {
    let stage = Stage::on_nats(&[], &[]);
    let target = format!("/async-function/{}", "0".repeat(32));
    assert_eq!(stage.gateway.call("DELETE", &target, b"").status, 404);
    assert_eq!(stage.gateway.call("GET", &target, b"").status, 404);
}
