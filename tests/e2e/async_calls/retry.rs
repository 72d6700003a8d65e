//! Calls that fail are run again, at the right times.

use std::time::{Duration, Instant};

use ringway_tests::eventually;
use ringway_tests::server::{Answer, Vice};

use super::stage::{QUICK, Stage};

#[test]
fn a_function_that_fails_twice_is_called_three_times_with_growing_waits() {
    let stage = Stage::with(&[], &QUICK);
    stage
        .provider
        .script_times("/function/one", 2, Vice::Answer(Answer::status(500)));
    let began = Instant::now();
    let id = stage.enqueue("/async-function/one/x?y", &[], b"body");
    let mut times = Vec::new();
    for n in 1..=3 {
        eventually("the next attempt", Duration::from_secs(10), || {
            (stage.calls().len() >= n).then_some(())
        });
        times.push(began.elapsed());
    }
    let job = stage.await_state(&id, "done");
    assert_eq!(
        (&job["attempts"], &job["lastStatus"]),
        (&3.into(), &200.into())
    );
    // 100 ms, then 200 ms, each with up to a quarter more; the rest is patience for the machine.
    let waits = [times[1] - times[0], times[2] - times[1]];
    assert!(waits[0] >= Duration::from_millis(85), "{waits:?}");
    assert!(waits[1] >= Duration::from_millis(185), "{waits:?}");
    assert!(waits[1] <= Duration::from_millis(2_000), "{waits:?}");
    for call in stage.calls() {
        assert_eq!((call.body.as_slice(), call.query()), (&b"body"[..], "y"));
        assert_eq!(call.header("x-job-id"), Some(id.as_str()));
    }
}

#[test]
fn retry_after_is_honoured() {
    let stage = Stage::with(&[], &QUICK);
    let busy = Answer::status(503).header("Retry-After", "2");
    stage
        .provider
        .script_times("/function/one", 1, Vice::Answer(busy));
    let began = Instant::now();
    let id = stage.enqueue("/async-function/one", &[], b"");
    let job = stage.await_state(&id, "waiting");
    assert!(job["nextAttemptAt"].is_string(), "{job}");
    stage.await_state(&id, "done");
    assert!(
        began.elapsed() >= Duration::from_millis(1_950),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn other_statuses_are_final_and_codes_can_be_chosen() {
    let chosen = [("com.openfaas.retry.codes", "418"), QUICK[1], QUICK[2]];
    let stage = Stage::with(&[], &chosen);
    stage
        .provider
        .script_times("/function/one", 1, Vice::Answer(Answer::status(418)));
    let id = stage.enqueue("/async-function/one", &[], b"");
    assert_eq!(stage.await_state(&id, "done")["attempts"], 2);
    stage
        .provider
        .script_times("/function/one", 1, Vice::Answer(Answer::status(500)));
    let id = stage.enqueue("/async-function/one", &[], b"");
    let job = stage.await_state(&id, "done");
    assert_eq!(
        (&job["attempts"], &job["lastStatus"]),
        (&1.into(), &500.into())
    );
}

#[test]
fn errors_of_the_infrastructure_are_tried_again_and_crowding_is_no_attempt() {
    let stage = Stage::with(&[], &QUICK);
    let crowded = Answer::status(429).header("X-OpenFaaS-Internal", "of-watchdog");
    stage
        .provider
        .script_times("/function/one", 4, Vice::Answer(crowded));
    stage.provider.script_times("/function/one", 2, Vice::Close);
    let id = stage.enqueue("/async-function/one", &[], b"");
    let job = stage.await_state(&id, "done");
    assert_eq!(job["attempts"], 3, "{job}");
    assert_eq!(stage.calls().len(), 7);
}

#[test]
fn at_most_as_many_run_at_once_as_the_annotation_says() {
    let stage = Stage::with(&[], &[("com.ringway.async-concurrency", "2")]);
    stage.provider.script("/function/one", Vice::Hold);
    for _ in 0..6 {
        stage.enqueue("/async-function/one", &[], b"");
    }
    let inflight = "ringway_async_inflight{function_name=\"one.openfaas-fn\"}";
    eventually("two calls", Duration::from_secs(10), || {
        (stage.gateway.metric(inflight) == Some(2.0)).then_some(())
    });
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(stage.calls().len(), 2);
    stage.provider.behave();
    eventually("all calls", Duration::from_secs(10), || {
        (stage.calls().len() == 6).then_some(())
    });
}

#[test]
fn an_attempt_that_takes_too_long_is_ended() {
    let stage = Stage::with(&[("RINGWAY_ASYNC_TIMEOUT", "300ms")], &QUICK);
    stage
        .provider
        .script_times("/function/one", 1, Vice::Late(Duration::from_secs(20)));
    let id = stage.enqueue("/async-function/one", &[], b"");
    let job = stage.await_state(&id, "done");
    assert_eq!(job["attempts"], 2, "{job}");
}
