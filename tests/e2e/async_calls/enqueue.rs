//! Taking calls in: what is accepted, what is refused, and what reaches the function.

use ringway_tests::{Client, Deployment, Gateway};

use super::stage::Stage;

#[test]
fn path_query_headers_and_body_reach_the_function_as_they_came() {
    let stage = Stage::new();
    let target = "/async-function/one/a%2Fb/%7Bc%7D;d?x=1&x=%20+&y";
    let headers = [
        ("X-Call-Id", "my-call"),
        ("X-Twice", "1"),
        ("X-Twice", "2"),
        ("Connection", "X-Hop"),
        ("X-Hop", "1"),
        ("Content-Type", "text/x"),
    ];
    let reply = stage.post(target, &headers, b"\x00body\xff");
    assert_eq!((reply.status, reply.body.len()), (202, 0), "{reply:?}");
    assert_eq!(reply.header("x-call-id"), Some("my-call"));
    assert!(
        reply.header("x-start-time").is_some_and(|t| t.len() == 19),
        "{reply:?}"
    );
    let id = reply.header("x-job-id").unwrap();
    assert!(
        id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
    stage.await_state(id, "done");
    let calls = stage.calls();
    assert_eq!(calls.len(), 1);
    let call = &calls[0];
    let expected = "POST /function/one.openfaas-fn/a%2Fb/%7Bc%7D;d?x=1&x=%20+&y";
    assert_eq!(call.line(), expected);
    assert_eq!(call.body, b"\x00body\xff");
    assert_eq!(call.values("x-call-id"), ["my-call"]);
    assert_eq!(call.values("x-job-id"), [id]);
    assert_eq!(call.values("x-twice"), ["1", "2"]);
    assert_eq!(call.values("content-length"), ["6"]);
    assert_eq!(call.values("x-start-time").len(), 1);
    assert_eq!(call.header("content-type"), Some("text/x"));
    assert_eq!(
        (call.header("x-hop"), call.header("transfer-encoding")),
        (None, None)
    );
}

#[test]
fn both_names_and_no_path_are_one_function() {
    let stage = Stage::new();
    for (target, expected) in [
        ("/async-function/one", "/function/one.openfaas-fn"),
        ("/async-function/one/", "/function/one.openfaas-fn/"),
        (
            "/async-function/one.openfaas-fn?q",
            "/function/one.openfaas-fn?q",
        ),
    ] {
        stage.provider.server().forget();
        let id = stage.enqueue(target, &[], b"");
        let job = stage.await_state(&id, "done");
        assert_eq!(job["function"], "one.openfaas-fn");
        assert_eq!(stage.calls()[0].line(), format!("POST {expected}"));
    }
}

#[test]
fn unknown_functions_are_404_unless_they_are_to_be_accepted() {
    let stage = Stage::new();
    for target in [
        "/async-function/nobody",
        "/async-function/one.elsewhere",
        "/async-function/a%20b",
    ] {
        let reply = stage.post(target, &[], b"x");
        assert_eq!(reply.status, 404, "{target}: {reply:?}");
    }
    let stage = Stage::with(&[("RINGWAY_ASYNC_ACCEPT_UNKNOWN", "true")], &[]);
    stage.enqueue("/async-function/nobody", &[], b"x");
    let gateway = Gateway::start();
    assert_eq!(
        gateway.call("POST", "/async-function/nobody", b"").status,
        404
    );
}

#[test]
fn a_function_the_table_does_not_know_yet_is_asked_for() {
    let stage = Stage::new();
    let readiness = ringway_tests::provider::Readiness::AtOnce;
    stage.provider.add("fresh", readiness);
    let id = stage.enqueue("/async-function/fresh", &[], b"x");
    stage.await_state(&id, "done");
}

#[test]
fn other_methods_on_a_function_are_405_with_allow() {
    let stage = Stage::new();
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let reply = stage.gateway.call(method, "/async-function/one", b"");
        assert_eq!(
            (reply.status, reply.header("allow")),
            (405, Some("POST")),
            "{method}"
        );
    }
}

#[test]
fn a_body_over_the_limit_is_413_and_names_it() {
    let stage = Stage::with(&[("RINGWAY_ASYNC_BODY_MAX", "1MiB")], &[]);
    let body = vec![b'x'; 1024 * 1024 + 1];
    let reply = stage.post("/async-function/one", &[], &body);
    assert_eq!(reply.status, 413, "{reply:?}");
    assert!(reply.text().contains("1048576"), "{reply:?}");
    let id = stage.enqueue("/async-function/one", &[], &body[1..]);
    stage.await_state(&id, "done");
    assert!(stage.calls()[0].body == body[1..]);
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

/// Calls of growing size run, or are refused with this status and the limit.
pub(crate) fn runs_or_refuses(
    stage: &Stage,
    sizes: impl Iterator<Item = usize>,
    call: impl Fn(usize) -> (String, String),
    refusal: (u16, &str),
) {
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for size in sizes {
        let (target, field) = call(size);
        let headers = ["X-A", "X-B", "X-C", "X-D"].map(|name| (name, field.as_str()));
        let reply = stage.post(&target, &headers, b"x");
        if reply.status == 202 {
            accepted.push(reply.header("x-job-id").unwrap().to_owned());
            continue;
        }
        refused += 1;
        assert_eq!(reply.status, refusal.0, "{size}: {reply:?}");
        assert!(reply.text().contains(refusal.1), "{size}: {reply:?}");
    }
    assert!(
        !accepted.is_empty() && refused > 0,
        "{accepted:?} {refused}"
    );
    for id in accepted {
        stage.await_state(&id, "done");
    }
}

#[test]
fn a_call_that_the_gateway_would_not_make_is_refused_at_once() {
    let stage = Stage::with(&[("RINGWAY_HEAD_BYTES_MAX", "2KiB")], &[]);
    let head = |size: usize| ("/async-function/one".to_owned(), "h".repeat(size));
    runs_or_refuses(&stage, (400..480).step_by(4), head, (431, "2048"));
    let stage = Stage::new();
    let path = |size: usize| {
        let target = "/async-function/one/";
        (
            format!("{target}{}", "p".repeat(size - target.len())),
            "1".into(),
        )
    };
    runs_or_refuses(&stage, 8_170..=8_192, path, (414, "8192"));
}

#[test]
fn a_bad_callback_url_is_400() {
    let stage = Stage::new();
    for bad in [
        "nonsense",
        "/path",
        "ftp://a/",
        "http://",
        "http://169.254.169.254/latest",
    ] {
        let reply = stage.post("/async-function/one", &[("X-Callback-Url", bad)], b"x");
        assert_eq!(reply.status, 400, "{bad}");
        assert!(reply.text().contains("X-Callback-Url"), "{reply:?}");
    }
    assert_eq!(stage.calls().len(), 0);
}

#[test]
fn a_function_may_be_named_like_a_job() {
    let gateway = Gateway::start();
    let name = "0123456789abcdef0123456789abcdef";
    gateway.deploy_ready(&Deployment::streaming(name, "cat"), 1);
    let target = format!("/async-function/{name}");
    let reply = gateway.call("POST", &target, b"x");
    assert_eq!(reply.status, 202, "{reply:?}");
    assert_eq!(gateway.call("GET", &target, b"").status, 404);
}

#[test]
fn calls_wake_a_function_that_has_no_replica() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::streaming("cat", "cat"), 1);
    gateway.scale("cat", 0);
    gateway.await_replicas("cat", 0);
    assert_eq!(
        gateway.call("POST", "/async-function/cat", b"x").status,
        202
    );
    gateway.await_replicas("cat", 1);
    let series =
        "gateway_function_invocation_total{function_name=\"cat.openfaas-fn\",code=\"200\"}";
    ringway_tests::eventually("the call", std::time::Duration::from_secs(10), || {
        (gateway.metric(series) == Some(1.0)).then_some(())
    });
}
