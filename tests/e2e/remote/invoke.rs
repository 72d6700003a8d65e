//! Invoking through the provider: bytes both ways, headers, statuses, errors.

use std::time::Duration;

use ringway_tests::provider::{Kind, Options, Provider, Readiness};
use ringway_tests::server::{Answer, Vice};
use ringway_tests::{Client, Gateway, request};

fn start(settings: &[(&str, &str)]) -> (Provider, Gateway) {
    let provider = Provider::with(Options::of(Kind::Netes).guarded("admin", "secret"));
    provider.add("one", Readiness::AtOnce);
    let gateway = Gateway::behind(&provider, settings);
    (provider, gateway)
}

#[test]
fn every_method_and_status_passes() {
    let (provider, gateway) = start(&[]);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let reply = gateway.call(method, "/function/one/m", b"body");
        assert!(
            reply
                .text()
                .starts_with(&format!("{method} /function/one/m ")),
            "{reply:?}"
        );
        assert!(reply.text().ends_with("\r\n\r\nbody"), "{reply:?}");
    }
    for status in [200, 201, 204, 302, 304, 400, 404, 418, 429, 500, 502] {
        provider.behave();
        let answer = Answer::status(status).header("Location", "http://elsewhere/?a=b");
        provider.script("/function/one/status", Vice::Answer(answer));
        let reply = gateway.call("GET", "/function/one/status", b"");
        assert_eq!(
            (reply.status, reply.header("location")),
            (status, Some("http://elsewhere/?a=b"))
        );
    }
}

#[test]
fn head_does_not_wait_for_a_body() {
    let (_provider, gateway) = start(&[]);
    let mut client = Client::connect(gateway.address).unwrap();
    let reply = client.request("HEAD", "/function/one/h", &[], b"").unwrap();
    assert_eq!(reply.status, 200);
    assert!(
        reply.header("content-length").is_some_and(|n| n != "0"),
        "{reply:?}"
    );
    let next = client
        .request("GET", "/function/one/next", &[], b"")
        .unwrap();
    assert!(
        next.text().starts_with("GET /function/one/next "),
        "{next:?}"
    );
}

#[test]
fn lengths_stay_lengths_and_chunks_stay_chunks() {
    let (provider, gateway) = start(&[]);
    let big = vec![b'x'; 300_000];
    assert_eq!(
        gateway.call("POST", "/function/one/length", &big).status,
        200
    );
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .send(b"POST /function/one/chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        .unwrap();
    assert_eq!(client.reply("POST").unwrap().status, 200);
    let length = &provider.requests("POST /function/one/length")[0];
    assert_eq!(length.values("content-length"), ["300000"]);
    assert!(length.values("transfer-encoding").is_empty() && length.body == big);
    let chunks = &provider.requests("POST /function/one/chunks")[0];
    assert_eq!(chunks.values("transfer-encoding"), ["chunked"]);
    assert!(chunks.values("content-length").is_empty() && chunks.body == b"abc");
    for seen in provider.requests("/function/") {
        assert!(seen.header("expect").is_none(), "{}", seen.head);
    }
}

#[test]
fn call_ids_and_start_times_are_made_once() {
    let (provider, gateway) = start(&[]);
    let reply = gateway.call("GET", "/function/one/made", b"");
    let made = &provider.requests("GET /function/one/made")[0];
    assert_eq!(made.header("x-call-id"), reply.header("x-call-id"));
    assert_eq!(made.header("x-start-time"), reply.header("x-start-time"));
    let start: u64 = made.header("x-start-time").unwrap().parse().unwrap();
    assert!(start > 1_700_000_000_000_000_000, "nanoseconds");
    let headers = [("X-Call-Id", "mine-7"), ("X-Start-Time", "1")];
    let _ = request(gateway.address, "GET", "/function/one/kept", &headers, b"").unwrap();
    let kept = &provider.requests("GET /function/one/kept")[0];
    assert_eq!(kept.values("x-call-id"), ["mine-7"]);
    assert_eq!(kept.values("x-start-time").len(), 1);
    let answer = Answer::text(200, "")
        .header("X-Call-Id", "theirs")
        .header("X-Served-By", "fn");
    provider.script("/function/one/own", Vice::Answer(answer));
    let own = gateway.call("GET", "/function/one/own", b"");
    assert_eq!(
        own.header("x-call-id"),
        Some("theirs"),
        "the function's own wins"
    );
    assert!(reply.header("x-served-by").unwrap().starts_with("ringway/"));
}

#[test]
fn forwarded_headers_are_the_gateways() {
    let (provider, gateway) = start(&[]);
    let headers = [
        ("Accept", "text/event-stream, */*"),
        ("Accept-Language", "en"),
    ];
    let _ = request(gateway.address, "GET", "/function/one/f", &headers, b"").unwrap();
    let seen = &provider.requests("GET /function/one/f")[0];
    assert_eq!(seen.values("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.values("x-forwarded-host"), ["gateway.test"]);
    assert_eq!(seen.values("accept"), ["text/event-stream, */*"]);
    assert_eq!(seen.values("host").len(), 1);
    for absent in ["accept-encoding", "connection", "user-agent", "te"] {
        assert_eq!(seen.header(absent), None, "{absent}: {}", seen.head);
    }
}

#[test]
fn a_providers_errors_pass_with_their_header() {
    let (provider, gateway) = start(&[("scale_from_zero", "false")]);
    for status in [500, 503] {
        provider.behave();
        let answer = Answer::text(status, "no endpoints\n").header("X-OpenFaaS-Internal", "proxy");
        provider.script("/function/one/e", Vice::Answer(answer));
        let reply = gateway.call("GET", "/function/one/e", b"");
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (status, "no endpoints\n")
        );
        assert_eq!(reply.header("x-openfaas-internal"), Some("proxy"));
    }
    let answer = Answer::text(504, "late\n").header("X-OpenFaaS-Internal", "of-watchdog");
    provider.script("/function/one/w", Vice::Answer(answer));
    let reply = gateway.call("GET", "/function/one/w", b"");
    assert_eq!(
        (reply.status, reply.header("x-openfaas-internal")),
        (504, Some("of-watchdog"))
    );
}

#[test]
fn a_function_that_hangs_is_504_and_one_that_breaks_is_502() {
    let (provider, gateway) = start(&[("upstream_timeout", "1")]);
    for (vice, status) in [
        (Vice::Hold, 504),
        (Vice::Close, 502),
        (Vice::Bytes(b"\x16\x03\x01 not HTTP\r\n\r\n".to_vec()), 502),
        (Vice::Bytes(b"HTTP/1.1 abc\r\n\r\n".to_vec()), 502),
    ] {
        provider.behave();
        provider.script("/function/one", vice.clone());
        let reply = gateway.call("POST", "/function/one/x", b"body");
        assert_eq!(reply.status, status, "{vice:?}: {}", reply.text());
        assert_eq!(
            reply.header("x-openfaas-internal"),
            Some("gateway"),
            "{vice:?}"
        );
        assert!(
            reply.header("x-call-id").is_some() && !reply.body.is_empty(),
            "{vice:?}"
        );
    }
    provider.behave();
    provider.script("/function/one", Vice::Late(Duration::from_millis(300)));
    assert_eq!(gateway.call("POST", "/function/one/x", b"body").status, 200);
}

#[test]
fn unknown_names_are_the_providers_to_refuse() {
    let (provider, gateway) = start(&[]);
    let reply = gateway.call("GET", "/function/nobody/x", b"");
    assert_eq!(
        (reply.status, reply.header("x-openfaas-internal")),
        (503, Some("proxy"))
    );
    let answer = Answer::text(404, "their text\n");
    provider.script("/function/nobody", Vice::Answer(answer));
    let reply = gateway.call("GET", "/function/nobody/x", b"");
    assert_eq!((reply.status, reply.text().as_str()), (404, "their text\n"));
    // Deployed a moment ago by somebody else: not in the table yet.
    provider.add("fresh", Readiness::AtOnce);
    assert_eq!(gateway.call("GET", "/function/fresh/x", b"").status, 200);
}

#[test]
fn one_behind_a_double_slash_is_the_same_for_provider_and_gateway() {
    let (provider, gateway) = start(&[]);
    let reply = gateway.call("GET", "/function/one//x", b"");
    let forwarded = provider.requests("GET /function/one//x").len();
    let redirected = reply.header("location") == Some("/function/one/x");
    assert!(
        reply.status == 301 && redirected,
        "{reply:?} ({forwarded} forwarded)"
    );
}

/// The answer is on its way while the gateway still sends the body, which then has no reader.
#[test]
fn an_answer_that_does_not_wait_for_the_body_arrives() {
    let (provider, gateway) = start(&[]);
    // As servers say that leave a body unread: a connection that closes without a word may take
    // the next request with it, and one that cannot be sent again is then 502.
    let refusal = Answer::text(413, "too much\n").header("Connection", "close");
    provider.script("/function/one/early", Vice::Early(refusal));
    let mut wrong = Vec::new();
    for size in [20_000, 200_000, 3_000_000] {
        let body = vec![b'x'; size];
        for _ in 0..20 {
            let reply = request(gateway.address, "POST", "/function/one/early", &[], &body);
            let got = reply.map(|r| (r.status, r.text()));
            if !got.as_ref().is_ok_and(|(status, _)| *status == 413) {
                wrong.push(format!("{size} bytes: {got:?}"));
            }
        }
    }
    let shown = wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of them:\n{shown}", wrong.len());
}
