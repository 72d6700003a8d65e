//! What a crash and an orderly end leave.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use ringway_tests::server::Vice;

use super::stage::Stage;

#[test]
fn a_call_that_runs_when_the_gateway_is_killed_is_run_again() {
    let mut stage = Stage::new();
    stage.provider.script("/function/one", Vice::Hold);
    let running = stage.enqueue("/async-function/one/a", &[], b"body");
    stage.await_state(&running, "running");
    stage.await_calls(1);
    stage.gateway.kill();
    stage.provider.behave();
    stage.gateway.restart();
    let job = stage.await_state(&running, "done");
    assert_eq!(job["lastStatus"], 200);
    let calls = stage.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[1].body, b"body");
}

#[test]
fn an_orderly_end_lets_running_calls_finish_and_begins_none() {
    let mut stage = Stage::with(&[], &[("com.ringway.async-concurrency", "1")]);
    stage
        .provider
        .script_times("/function/one", 1, Vice::Late(Duration::from_secs(1)));
    let first = stage.enqueue("/async-function/one/first", &[], b"");
    let second = stage.enqueue("/async-function/one/second", &[], b"");
    // A call that is only about to begin would not begin any more.
    stage.await_calls(1);
    assert_eq!(stage.gateway.terminate(), Some(0));
    let lines: Vec<String> = stage.calls().iter().map(|call| call.line()).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    stage.gateway.restart();
    assert_eq!(stage.job(&first)["state"], "done");
    stage.await_state(&second, "done");
    stage.await_calls(2);
}

#[test]
fn an_end_has_one_bound_and_takes_no_connections_meanwhile() {
    let mut stage = Stage::with(&[("write_timeout", "3s")], &[]);
    stage.provider.script("/function/one", Vice::Hold);
    let id = stage.enqueue("/async-function/one", &[], b"");
    stage.await_calls(1);
    let began = Instant::now();
    stage.gateway.signal(libc::SIGTERM);
    std::thread::sleep(Duration::from_millis(500));
    let refused = TcpStream::connect(stage.gateway.address);
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(stage.gateway.ended(), Some(0));
    let took = began.elapsed().as_secs_f64();
    assert!((2.9..5.5).contains(&took), "{took}");
    stage.provider.behave();
    stage.gateway.restart();
    assert_eq!(stage.await_state(&id, "done")["attempts"], 1);
}
