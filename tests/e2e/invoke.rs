//! Invoking a function: paths, headers both ways, methods, metrics.

use ringway_tests::{Client, Deployment, Gateway, Reply, request};

fn raw(gateway: &Gateway, target: &str, headers: &[(&str, &str)]) -> String {
    let reply = request(gateway.address, "GET", target, headers, b"").unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text()
}

fn is_uuid_v4(text: &str) -> bool {
    let b = text.as_bytes();
    b.len() == 36 && b[14] == b'4' && b"89ab".contains(&b[19]) && b[8] == b'-'
}

fn has_line(head: &str, line: &str) -> bool {
    head.split("\r\n").any(|l| l.eq_ignore_ascii_case(line))
}

fn values<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let lines = head.split("\r\n").filter_map(|l| l.split_once(": "));
    lines
        .filter(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, v)| v)
        .collect()
}

#[test]
fn a_deployed_function_answers_under_both_its_names() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::streaming("cat", "cat"));
    for target in [
        "/function/cat",
        "/function/cat/",
        "/function/cat.openfaas-fn",
        "/function/cat/a/b?c",
    ] {
        let reply = gateway.call("POST", target, b"hello");
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (200, "hello"),
            "{target}"
        );
    }
    for target in [
        "/function/dog",
        "/function/cat.other",
        "/function/",
        "/function/cat.openfaas-fn.x",
    ] {
        assert_eq!(
            gateway.call("POST", target, b"hello").status,
            404,
            "{target}"
        );
    }
}

#[test]
fn the_function_sees_the_headers_it_was_promised() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    let head = raw(
        &gateway,
        "/function/vice/raw",
        &[
            ("X-Mine", "kept"),
            ("Connection", "X-Gone"),
            ("X-Gone", "1"),
        ],
    );
    assert!(head.starts_with("GET /raw HTTP/1.1\r\n"), "{head}");
    assert!(is_uuid_v4(values(&head, "x-call-id")[0]), "{head}");
    assert!(values(&head, "x-start-time")[0].parse::<u64>().unwrap() > 1_700_000_000_000_000_000);
    assert_eq!(values(&head, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(values(&head, "x-forwarded-host"), ["gateway.test"]);
    assert_eq!(values(&head, "x-forwarded-proto"), ["http"]);
    assert!(has_line(&head, "x-mine: kept"));
    assert!(
        values(&head, "x-gone").is_empty() && values(&head, "connection").is_empty(),
        "{head}"
    );
    // Nobody told the gateway to trust this peer.
    let head = raw(
        &gateway,
        "/function/vice/raw",
        &[("X-Forwarded-For", "6.6.6.6"), ("X-Call-Id", "mine-1")],
    );
    assert_eq!(values(&head, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(values(&head, "x-call-id"), ["mine-1"]);
}

#[test]
fn a_trusted_proxy_is_appended_to() {
    let gateway = Gateway::with(&[("RINGWAY_TRUSTED_PROXIES", "127.0.0.0/8")]);
    gateway.deploy(&Deployment::vice("vice"));
    let forwarded = [
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "shop.example"),
    ];
    let head = raw(&gateway, "/function/vice/raw", &forwarded);
    assert_eq!(values(&head, "x-forwarded-for"), ["6.6.6.6, 127.0.0.1"]);
    assert_eq!(values(&head, "x-forwarded-proto"), ["https"]);
    assert_eq!(values(&head, "x-forwarded-host"), ["shop.example"]);
}

fn own_headers(reply: &Reply) -> bool {
    reply.header("x-call-id").is_some()
        && reply.header("x-start-time").is_some()
        && reply
            .header("x-served-by")
            .is_some_and(|v| v.starts_with("ringway/"))
}

#[test]
fn replies_carry_ids_and_so_do_the_gateways_own_errors() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    let reply = gateway.call("GET", "/function/vice/hello", b"");
    assert!(own_headers(&reply), "{reply:?}");
    assert!(reply.header("x-openfaas-internal").is_none());
    let reply = gateway.call("GET", "/function/nobody", b"");
    assert_eq!(reply.status, 404);
    assert!(own_headers(&reply), "{reply:?}");
    assert_eq!(reply.header("x-openfaas-internal"), Some("gateway"));
    assert!(
        reply
            .header("content-type")
            .unwrap()
            .starts_with("text/plain")
    );
}

#[test]
fn paths_and_queries_arrive_byte_for_byte() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    for rest in ["/raw?a=b&c=%20+", "/raw?", "/raw?x=/../y"] {
        let head = raw(&gateway, &format!("/function/vice{rest}"), &[]);
        assert!(
            head.starts_with(&format!("GET {rest} HTTP/1.1\r\n")),
            "{rest}: {head}"
        );
    }
    for rest in [
        "/a%2Fb",
        "/a%3Fb%23c%25d",
        "/a;b=c/+",
        "/%C3%A4//x",
        "/a/./%7E",
    ] {
        let reply = gateway.call("GET", &format!("/function/vice{rest}"), b"");
        if rest.contains("/./") {
            assert_ne!(reply.status, 200, "{rest}");
        } else {
            assert_eq!(reply.text(), format!("vice GET {rest}"));
        }
    }
}

#[test]
fn every_method_reaches_the_function() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    for method in [
        "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND",
    ] {
        assert_eq!(
            gateway.call(method, "/function/vice/m", b"").text(),
            format!("vice {method} /m")
        );
    }
    let head = gateway.call("HEAD", "/function/vice/head-length", b"");
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("12345"))
    );
    assert_eq!(gateway.call("TRACE", "/function/vice/m", b"").status, 405);
}

#[test]
fn statuses_without_a_body_keep_the_connection_in_step() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    let mut client = Client::connect(gateway.address).unwrap();
    for status in [204, 304, 302, 404, 500, 418] {
        let target = format!("/function/vice/status/{status}");
        assert_eq!(
            client.request("GET", &target, &[], b"").unwrap().status,
            status
        );
        let canary = client
            .request("GET", "/function/vice/canary", &[], b"")
            .unwrap();
        assert_eq!(canary.text(), "vice GET /canary", "after {status}");
    }
}

#[test]
fn calls_are_counted_by_function_and_code() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    for _ in 0..3 {
        assert_eq!(gateway.call("GET", "/function/vice/x", b"").status, 200);
    }
    assert_eq!(
        gateway
            .call("GET", "/function/vice.openfaas-fn/status/500", b"")
            .status,
        500
    );
    let of = |code| format!("{{function_name=\"vice.openfaas-fn\",code=\"{code}\"}}");
    let total = |code| gateway.metric(&format!("gateway_function_invocation_total{}", of(code)));
    assert_eq!(
        (total(200), total(500)),
        (Some(3.0), Some(1.0)),
        "{}",
        gateway.metrics_text()
    );
    let started = "gateway_function_invocation_started{function_name=\"vice.openfaas-fn\"}";
    assert_eq!(gateway.metric(started), Some(4.0));
    let count = format!("gateway_functions_seconds_count{}", of(200));
    assert_eq!(gateway.metric(&count), Some(3.0));
    assert_eq!(
        gateway.metric("gateway_service_count{function_name=\"vice.openfaas-fn\"}"),
        Some(1.0)
    );
    let listed: serde_json::Value =
        serde_json::from_slice(&gateway.call("GET", "/system/functions", b"").body).unwrap();
    assert_eq!(listed[0]["invocationCount"].as_f64(), Some(4.0), "{listed}");
}

#[test]
fn many_requests_on_one_connection_and_pipelined() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    let mut client = Client::connect(gateway.address).unwrap();
    for i in 0..200 {
        let reply = client
            .request("POST", &format!("/function/vice/{i}"), &[], b"body")
            .unwrap();
        assert_eq!(reply.text(), format!("vice POST /{i}"));
    }
    let mut burst = Vec::new();
    for i in 0..20 {
        let head =
            format!("POST /function/vice/p{i} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
        burst.extend_from_slice(head.as_bytes());
    }
    client.send(&burst).unwrap();
    for i in 0..20 {
        assert_eq!(
            client.reply("POST").unwrap().text(),
            format!("vice POST /p{i}")
        );
    }
}

#[test]
fn http10_clients_get_what_they_can_read() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .send(b"GET /function/vice/drip?n=3&ms=5 HTTP/1.0\r\n\r\n")
        .unwrap();
    let reply = client.reply("GET").unwrap();
    assert!(reply.header("transfer-encoding").is_none(), "{reply:?}");
    assert_eq!(reply.text().matches("data: ").count(), 3, "{reply:?}");
    let mut client = Client::connect(gateway.address).unwrap();
    for _ in 0..2 {
        client
            .send(b"GET /function/vice/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .unwrap();
        let reply = client.reply("GET").unwrap();
        assert_eq!(
            reply
                .header("connection")
                .map(str::to_ascii_lowercase)
                .as_deref(),
            Some("keep-alive")
        );
    }
}
