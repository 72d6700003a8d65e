//! Calls that go through NATS.

use std::time::{Duration, Instant};

use ringway_tests::server::{Answer, Vice};
use ringway_tests::{Client, eventually};

use crate::async_calls::enqueue::runs_or_refuses;
use crate::async_calls::stage::{QUICK, Stage};

#[test]
fn path_query_headers_and_body_reach_the_function_as_they_came() {
    let stage = Stage::on_nats(&[], &[]);
    let target = "/async-function/one/a%2Fb/%7Bc%7D;d?x=1&x=%20+&y";
    let headers = [
        ("X-Call-Id", "my-call"),
        ("X-Twice", "1"),
        ("X-Twice", "2"),
        ("Connection", "X-Hop"),
        ("X-Hop", "1"),
        ("X-Empty", ""),
    ];
    let id = stage.enqueue(target, &headers, b"\x00body\xff");
    let job = stage.await_state(&id, "done");
    assert_eq!(
        (&job["attempts"], &job["lastStatus"], &job["bodyBytes"]),
        (&1.into(), &200.into(), &6.into())
    );
    let calls = stage.calls();
    assert_eq!(calls.len(), 1);
    let call = &calls[0];
    let expected = "POST /function/one.openfaas-fn/a%2Fb/%7Bc%7D;d?x=1&x=%20+&y";
    assert_eq!(call.line(), expected);
    assert_eq!(call.body, b"\x00body\xff");
    assert_eq!(call.values("x-call-id"), ["my-call"]);
    assert_eq!(call.values("x-job-id"), [id.as_str()]);
    assert_eq!(call.values("x-twice"), ["1", "2"]);
    assert_eq!(call.values("x-empty"), [""]);
    assert_eq!(
        (call.header("x-hop"), call.values("content-length")),
        (None, vec!["6"])
    );
}

#[test]
fn a_function_that_fails_twice_is_called_three_times_with_growing_waits() {
    let stage = Stage::on_nats(&[], &QUICK);
    stage
        .provider
        .script_times("/function/one", 2, Vice::Answer(Answer::status(500)));
    let id = stage.enqueue("/async-function/one/x?y", &[], b"body");
    let (began, mut times) = (Instant::now(), Vec::new());
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
    let waits = [times[1] - times[0], times[2] - times[1]];
    assert!(waits[0] >= Duration::from_millis(85), "{waits:?}");
    assert!(waits[1] >= Duration::from_millis(185), "{waits:?}");
    assert!(waits[1] <= Duration::from_secs(2), "{waits:?}");
    assert!(stage.calls().iter().all(|call| call.body == b"body"));
}

#[test]
fn a_body_over_the_limit_is_413_and_names_it() {
    let stage = Stage::on_nats(&[], &[]);
    let body = vec![b'x'; 1024 * 1024 + 1];
    let reply = stage.post("/async-function/one", &[], &body);
    assert_eq!(reply.status, 413, "{reply:?}");
    assert!(reply.text().contains("1048576"), "{reply:?}");
    // With its headers it is larger than what NATS takes.
    let reply = stage.post("/async-function/one", &[], &body[1..]);
    assert_eq!(reply.status, 413, "{reply:?}");
    assert!(reply.text().contains("104"), "{reply:?}");
    let id = stage.enqueue("/async-function/one", &[], &body[..1_000_000]);
    stage.await_state(&id, "done");
    assert!(stage.calls()[0].body == body[..1_000_000]);
    // Without a length the limit is found while it is read.
    let mut client = Client::connect(stage.gateway.address).unwrap();
    client
        .send(b"POST /async-function/one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .unwrap();
    let chunk = [b"10000\r\n".to_vec(), vec![b'y'; 0x10000], b"\r\n".to_vec()].concat();
    for _ in 0..17 {
        if client.send(&chunk).is_err() {
            break;
        }
    }
    assert_eq!(client.reply("POST").unwrap().status, 413);
}

#[test]
fn a_message_of_an_openfaas_publisher_is_executed() {
    let stage = Stage::on_nats(&[], &[]);
    let message = r#"{"Header":{"X-Call-Id":["old-1"],"Content-Length":["5"],
        "Connection":["keep-alive"],"X-Own":["1","2"]},"Host":"gateway:8080","Body":"aGVsbG8=",
        "Method":"POST","Path":"/a b","QueryString":"q=1","Function":"one","QueueName":"",
        "CallbackUrl":null}"#;
    let nats = stage.nats.as_ref().unwrap();
    nats.publish("faas-request", b"no call at all");
    nats.publish("faas-request", message.as_bytes());
    stage.await_calls(1);
    let calls = stage.calls();
    let call = &calls[0];
    assert_eq!(call.line(), "POST /function/one.openfaas-fn/a%20b?q=1");
    assert_eq!(
        (call.body.as_slice(), call.header("x-call-id")),
        (&b"hello"[..], Some("old-1"))
    );
    assert_eq!(call.values("x-own"), ["1", "2"]);
    let id = call.header("x-job-id").unwrap();
    assert_eq!(stage.await_state(id, "done")["callId"], "old-1");
}

#[test]
fn no_function_waits_behind_the_backlog_of_another() {
    let settings = [("RINGWAY_ASYNC_CONCURRENCY", "4")];
    let stage = Stage::on_nats(&settings, &[("com.ringway.async-concurrency", "2")]);
    let readiness = ringway_tests::provider::Readiness::AtOnce;
    stage.provider.add("two", readiness);
    stage.provider.script("/function/one", Vice::Hold);
    let held: Vec<String> = (0..20)
        .map(|_| stage.enqueue("/async-function/one", &[], b""))
        .collect();
    stage.await_calls(2);
    let id = stage.enqueue("/async-function/two", &[], b"");
    stage.await_state(&id, "done");
    assert_eq!(stage.calls().len(), 2, "no more of them than may run");
    stage.provider.behave();
    for id in held {
        stage.await_state(&id, "done");
    }
}

#[test]
fn functions_that_nobody_knows_share_a_lane() {
    let stage = Stage::on_nats(&[("RINGWAY_ASYNC_ACCEPT_UNKNOWN", "true")], &QUICK);
    for name in ["nobody", "nobody-else"] {
        let id = stage.enqueue(&format!("/async-function/{name}"), &[], b"x");
        let job = stage.await_state(&id, "waiting");
        assert_eq!(job["function"], format!("{name}.openfaas-fn"));
    }
    let pending = "ringway_async_pending{function_name=\"unknown\"}";
    stage.gateway.await_metric(pending, 2.0);
}

#[test]
fn a_result_that_was_to_be_stored_can_be_fetched() {
    let stage = Stage::on_nats(&[("RINGWAY_ASYNC_REPLY_MAX", "600000")], &[]);
    let body: Vec<u8> = (0..700_000_u32).map(|i| (i % 253) as u8).collect();
    let answer = Answer::status(201)
        .header("Content-Type", "text/x")
        .body(body.clone());
    stage.provider.script("/function/one", Vice::Answer(answer));
    let id = stage.enqueue("/async-function/one", &[("X-Store-Result", "true")], b"");
    let job = stage.await_state(&id, "done");
    assert_eq!(
        (&job["result"]["bytes"], &job["result"]["truncated"]),
        (&600_000.into(), &true.into())
    );
    let reply = stage
        .gateway
        .call("GET", &format!("/async-function/{id}/result"), b"");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("text/x"));
    assert_eq!(reply.header("x-function-status"), Some("201"));
    assert!(reply.body == body[..600_000]);
}

#[test]
fn what_happens_is_counted() {
    let stage = Stage::on_nats(&[], &[]);
    let id = stage.enqueue("/async-function/one", &[], b"");
    stage.await_state(&id, "done");
    let of = "{function_name=\"one.openfaas-fn\"}";
    let gateway = &stage.gateway;
    gateway.await_metric(&format!("ringway_async_submitted_total{of}"), 1.0);
    let processed = "ringway_async_processed_total{function_name=\"one.openfaas-fn\",code=\"200\"}";
    gateway.await_metric(processed, 1.0);
    stage.provider.script("/function/one", Vice::Hold);
    let id = stage.enqueue("/async-function/one", &[], b"");
    gateway.await_metric(&format!("ringway_async_pending{of}"), 1.0);
    gateway.await_metric(&format!("ringway_async_inflight{of}"), 1.0);
    gateway.await_metric("ringway_async_available", 1.0);
    stage.provider.behave();
    stage.await_state(&id, "done");
}

#[test]
fn headers_that_do_not_fit_into_a_message_are_refused_at_once() {
    let stage = Stage::on_nats(&[], &[]);
    let head = |size: usize| ("/async-function/one".to_owned(), "h".repeat(size));
    let sizes = (11_900..12_400).step_by(25);
    runs_or_refuses(&stage, sizes, head, (431, "65535"));
}
