//! How calls stand: documents, results, lists, metrics, and who may ask.

use std::time::Duration;

use ringway_tests::server::{Answer, Vice};
use ringway_tests::{Credentials, Deployment, Gateway, eventually, request};
use serde_json::Value;

use super::stage::Stage;

#[test]
fn a_stored_result_can_be_fetched_and_others_are_not_kept() {
    let stage = Stage::new();
    let answer = Answer::text(201, "made").header("X-Secret", "1");
    stage.provider.script("/function/one", Vice::Answer(answer));
    let kept = stage.enqueue("/async-function/one", &[("X-Store-Result", "true")], b"x");
    let job = stage.await_state(&kept, "done");
    assert_eq!(
        (&job["lastStatus"], &job["attempts"]),
        (&201.into(), &1.into())
    );
    assert_eq!(job["result"]["bytes"], 4);
    let reply = stage
        .gateway
        .call("GET", job["result"]["path"].as_str().unwrap(), b"");
    assert_eq!((reply.status, reply.text().as_str()), (200, "made"));
    assert_eq!(reply.header("x-function-status"), Some("201"));
    assert_eq!(
        reply.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    let other = stage.enqueue("/async-function/one", &[], b"x");
    stage.await_state(&other, "done");
    let reply = stage
        .gateway
        .call("GET", &format!("/async-function/{other}/result"), b"");
    assert_eq!(reply.status, 404);
}

#[test]
fn a_reply_with_as_many_headers_as_the_gateway_passes_on_is_kept_with_what_its_body_is() {
    let stage = Stage::new();
    let mut answer = Answer::status(200).body("packed");
    for n in 0..240 {
        answer = answer.header(&format!("X-{n}"), "1");
    }
    let answer = answer
        .header("Content-Encoding", "gzip")
        .header("Content-Language", "de");
    stage.provider.script("/function/one", Vice::Answer(answer));
    let id = stage.enqueue("/async-function/one", &[("X-Store-Result", "true")], b"");
    let job = stage.await_state(&id, "done");
    assert_eq!(
        (&job["attempts"], &job["lastStatus"]),
        (&1.into(), &200.into())
    );
    let reply = stage
        .gateway
        .call("GET", &format!("/async-function/{id}/result"), b"");
    assert_eq!(reply.text(), "packed");
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    assert_eq!(reply.header("content-language"), Some("de"));
    assert_eq!(reply.header("x-1"), None);
}

#[test]
fn a_result_is_bounded_and_ended_calls_expire() {
    let settings = [
        ("RINGWAY_ASYNC_REPLY_MAX", "1000"),
        ("RINGWAY_ASYNC_KEEP", "2s"),
    ];
    let stage = Stage::with(&settings, &[]);
    let answer = Answer::text(200, &"x".repeat(5_000));
    stage.provider.script("/function/one", Vice::Answer(answer));
    let id = stage.enqueue("/async-function/one", &[("X-Store-Result", "true")], b"");
    let job = stage.await_state(&id, "done");
    assert_eq!(
        (&job["result"]["bytes"], &job["result"]["truncated"]),
        (&1000.into(), &true.into())
    );
    let reply = stage
        .gateway
        .call("GET", &format!("/async-function/{id}/result"), b"");
    assert_eq!(
        (reply.body.len(), reply.header("x-ringway-truncated")),
        (1_000, Some("true"))
    );
    eventually("the call to be forgotten", Duration::from_secs(10), || {
        let reply = stage
            .gateway
            .call("GET", &format!("/async-function/{id}"), b"");
        (reply.status == 404).then_some(())
    });
}

#[test]
fn lists_have_pages_and_filters() {
    let stage = Stage::new();
    let ids: Vec<String> = (0..7)
        .map(|_| stage.enqueue("/async-function/one", &[], b""))
        .collect();
    for id in &ids {
        stage.await_state(id, "done");
    }
    for path in ["/system/async-calls", "/async-function"] {
        let mut target = format!("{path}?state=done&function=one&limit=3");
        let mut seen = Vec::new();
        loop {
            let reply = stage.gateway.call("GET", &target, b"");
            let page: Value = serde_json::from_slice(&reply.body).unwrap();
            let calls = page["calls"].as_array().unwrap();
            seen.extend(
                calls
                    .iter()
                    .map(|c| c["jobId"].as_str().unwrap().to_owned()),
            );
            let Some(next) = page["next"].as_str() else {
                break;
            };
            target = format!("{path}?state=done&function=one&limit=3&after={next}");
        }
        seen.sort();
        let mut ids = ids.clone();
        ids.sort();
        assert_eq!(seen, ids);
    }
    for bad in ["state=odd", "limit=0", "limit=x", "limit=100000", "after=x"] {
        let reply = stage
            .gateway
            .call("GET", &format!("/system/async-calls?{bad}"), b"");
        assert_eq!(reply.status, 400, "{bad}");
    }
}

#[test]
fn only_callers_need_no_credentials() {
    let credentials = Credentials::new("admin", "secret");
    let gateway = Gateway::guarded(&credentials, &[]);
    let body = Deployment::streaming("cat", "cat").json();
    assert_eq!(
        gateway
            .admin("POST", "/system/functions", body.as_bytes())
            .status,
        202
    );
    let headers = [("X-Store-Result", "true")];
    let reply = request(
        gateway.address,
        "POST",
        "/async-function/cat",
        &headers,
        b"x",
    )
    .unwrap();
    assert_eq!(reply.status, 202, "{reply:?}");
    let id = reply.header("x-job-id").unwrap();
    let document = format!("/async-function/{id}");
    let result = format!("{document}/result");
    eventually("the result", Duration::from_secs(20), || {
        (gateway.admin("GET", &result, b"").status == 200).then_some(())
    });
    for (method, target) in [
        ("GET", document.as_str()),
        ("GET", &result),
        ("DELETE", &document),
        ("GET", "/async-function"),
        ("GET", "/system/async-calls"),
        ("POST", "/system/async-calls/replay"),
        ("DELETE", "/system/async-calls?state=dead"),
        ("POST", &format!("/system/async-calls/{id}/replay")),
        ("DELETE", &format!("/system/async-calls/{id}")),
    ] {
        let reply = gateway.call(method, target, b"");
        assert_eq!(reply.status, 401, "{method} {target}");
        assert!(!reply.text().contains('x'), "no result: {}", reply.text());
    }
    assert_eq!(gateway.admin("GET", &document, b"").status, 200);
}

#[test]
fn what_happens_is_counted() {
    let stage = Stage::new();
    let id = stage.enqueue("/async-function/one", &[], b"");
    stage.await_state(&id, "done");
    let one = "function_name=\"one.openfaas-fn\"";
    for (series, value) in [
        (format!("ringway_async_submitted_total{{{one}}}"), 1.0),
        (
            format!("ringway_async_processed_total{{{one},code=\"200\"}}"),
            1.0,
        ),
        (
            format!("gateway_function_invocation_total{{{one},code=\"200\"}}"),
            1.0,
        ),
        ("ringway_async_available".to_owned(), 1.0),
        ("ringway_async_dead".to_owned(), 0.0),
        ("ringway_async_oldest_seconds".to_owned(), 0.0),
    ] {
        eventually(&series, Duration::from_secs(5), || {
            (stage.gateway.metric(&series) == Some(value)).then_some(())
        });
    }
}
