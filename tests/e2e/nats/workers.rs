//! Workers in processes of their own.

use std::time::Duration;

use ringway_tests::server::{Answer, Vice};
use ringway_tests::{Gateway, QueueWorker, eventually};

use crate::async_calls::stage::{QUICK, Stage};

const APART: [(&str, &str); 2] = [
    ("RINGWAY_ASYNC_WORKER", "false"),
    ("RINGWAY_NATS_ACK_WAIT", "1s"),
];

#[test]
fn the_gateway_leaves_calls_to_them() {
    let stage = Stage::on_nats(&APART, &QUICK);
    let id = stage.enqueue("/async-function/one", &[("X-Call-Id", "c")], b"x");
    stage
        .provider
        .script_times("/function/one", 1, Vice::Answer(Answer::status(500)));
    stage.gateway.await_metric(
        "ringway_async_pending{function_name=\"one.openfaas-fn\"}",
        1.0,
    );
    assert_eq!(stage.job(&id)["state"], "queued");
    assert!(stage.calls().is_empty());
    let nats = stage.nats.as_ref().unwrap();
    let mut worker = QueueWorker::start(nats, &stage.gateway, &APART[1..]);
    // By the annotations of the function, which the worker has from the message.
    let job = stage.await_state(&id, "done");
    assert_eq!(job["attempts"], 2);
    let page = worker.metrics_text();
    let series = "ringway_async_processed_total{function_name=\"one.openfaas-fn\",code=\"200\"} 1";
    assert!(page.contains(series), "{page}");
    assert_eq!(worker.terminate(), Some(0));
}

#[test]
fn two_gateways_share_one_queue() {
    let stage = Stage::on_nats(&APART, &[("com.openfaas.retry.attempts", "1")]);
    let place = stage.nats.as_ref().unwrap().settings();
    let settings: Vec<(&str, &str)> = place
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let other = Gateway::behind(&stage.provider, &settings);
    stage
        .provider
        .script("/function/one", Vice::Answer(Answer::text(500, "broken")));
    let headers = [("X-Store-Result", "true")];
    let id = stage.enqueue("/async-function/one", &headers, b"body");
    stage.await_state(&id, "dead");
    let target = format!("/async-function/{id}");
    let dead = "/system/async-calls?state=dead";
    for gateway in [&stage.gateway, &other] {
        assert!(
            gateway
                .call("GET", &target, b"")
                .text()
                .contains("\"dead\"")
        );
        assert!(gateway.call("GET", dead, b"").text().contains(&id));
        let result = gateway.call("GET", &format!("{target}/result"), b"");
        assert_eq!((result.status, result.text().as_str()), (200, "broken"));
    }
    // What runs in one of them is replayed and cut by way of the other.
    stage.provider.script("/function/one", Vice::Hold);
    let replay = format!("/system/async-calls/{id}/replay");
    assert_eq!(stage.gateway.call("POST", &replay, b"").status, 202);
    stage.await_state(&id, "running");
    assert_eq!(stage.gateway.call("DELETE", &target, b"").status, 202);
    let inflight = "gateway_function_invocation_inflight{function_name=\"one.openfaas-fn\"}";
    other.await_metric(inflight, 0.0);
    assert!(
        other
            .call("GET", &target, b"")
            .text()
            .contains("\"cancelled\"")
    );
}

#[test]
fn what_a_killed_worker_ran_is_run_by_another() {
    let stage = Stage::on_nats(&APART, &[]);
    let nats = stage.nats.as_ref().unwrap();
    let mut first = QueueWorker::start(nats, &stage.gateway, &APART[1..]);
    let _second = QueueWorker::start(nats, &stage.gateway, &APART[1..]);
    stage.provider.script("/function/one", Vice::Hold);
    let ids: Vec<String> = (0..30)
        .map(|n| stage.enqueue(&format!("/async-function/one/{n}"), &[], b"body"))
        .collect();
    stage.await_calls(30);
    eventually("calls in the first worker", Duration::from_secs(10), || {
        (first.running() > 0).then_some(())
    });
    first.kill();
    stage.provider.behave();
    for id in &ids {
        stage.await_state(id, "done");
    }
    let calls = stage.calls();
    for n in 0..30 {
        let path = format!("/function/one.openfaas-fn/{n}");
        assert!(calls.iter().any(|call| call.path() == path), "{path}");
    }
}

#[test]
fn no_call_is_lost_to_a_gateway_that_is_away() {
    let mut stage = Stage::on_nats(&APART, &[("com.openfaas.retry.attempts", "1")]);
    let ids: Vec<String> = (0..100)
        .map(|_| stage.enqueue("/async-function/one", &[], b"x"))
        .collect();
    stage.gateway.kill();
    let nats = stage.nats.as_ref().unwrap();
    let worker = QueueWorker::start(nats, &stage.gateway, &APART[1..]);
    eventually("a word of it", Duration::from_secs(10), || {
        worker.log().contains("takes no connections").then_some(())
    });
    std::thread::sleep(Duration::from_secs(2));
    stage.gateway.restart();
    for id in &ids {
        let job = stage.await_state(id, "done");
        assert_eq!(
            (&job["attempts"], &job["lastStatus"]),
            (&1.into(), &200.into())
        );
    }
    assert_eq!(stage.calls().len(), 100);
    let log = worker.log();
    let told = |what: &str| log.matches(what).count();
    assert_eq!(told("takes no connections"), 1, "{log}");
    assert_eq!(told("takes connections again"), 1, "{log}");
    assert_eq!(told("is run again"), 0, "{log}");
}

#[test]
fn a_worker_that_is_asked_to_end_finishes_what_runs_and_begins_no_more() {
    let stage = Stage::on_nats(&APART, &[("com.ringway.async-concurrency", "1")]);
    let nats = stage.nats.as_ref().unwrap();
    let mut worker = QueueWorker::start(nats, &stage.gateway, &APART[1..]);
    stage
        .provider
        .script_times("/function/one", 1, Vice::Late(Duration::from_secs(1)));
    let first = stage.enqueue("/async-function/one/first", &[], b"");
    let second = stage.enqueue("/async-function/one/second", &[], b"");
    stage.await_state(&first, "running");
    assert_eq!(worker.terminate(), Some(0));
    assert_eq!(stage.job(&first)["state"], "done");
    assert_eq!(stage.calls().len(), 1);
    let _other = QueueWorker::start(nats, &stage.gateway, &APART[1..]);
    stage.await_state(&second, "done");
}

#[test]
fn a_call_that_does_not_end_in_time_is_given_back() {
    // A silence of a minute: only if it is given back is it run soon.
    let stage = Stage::on_nats(&APART[..1], &[]);
    let nats = stage.nats.as_ref().unwrap();
    let settings = [("write_timeout", "1s"), ("RINGWAY_NATS_ACK_WAIT", "60s")];
    let mut worker = QueueWorker::start(nats, &stage.gateway, &settings);
    stage.provider.script("/function/one", Vice::Hold);
    let id = stage.enqueue("/async-function/one", &[], b"");
    stage.await_calls(1);
    assert_eq!(worker.terminate(), Some(0));
    stage.provider.behave();
    let _other = QueueWorker::start(nats, &stage.gateway, &settings[1..]);
    stage.await_state(&id, "done");
}
