//! The provider is away, hangs or talks nonsense: what clients are told, and what goes on.

use std::time::{Duration, Instant};

use ringway_tests::provider::{Kind, Options, Provider, Readiness};
use ringway_tests::server::{Answer, Vice};
use ringway_tests::{Gateway, Reply, eventually};

fn start(settings: &[(&str, &str)]) -> (Provider, Gateway) {
    let provider = Provider::with(Options::of(Kind::Netes).guarded("admin", "secret"));
    provider.add("one", Readiness::AtOnce);
    let gateway = Gateway::behind(&provider, settings);
    (provider, gateway)
}

/// Every route that asks the provider.
const ASKS: [(&str, &str, &str); 11] = [
    ("GET", "/system/functions", ""),
    (
        "POST",
        "/system/functions",
        r#"{"service":"two","image":"i"}"#,
    ),
    (
        "PUT",
        "/system/functions",
        r#"{"service":"two","image":"i"}"#,
    ),
    ("DELETE", "/system/functions", r#"{"functionName":"two"}"#),
    ("GET", "/system/function/one", ""),
    (
        "POST",
        "/system/scale-function/one",
        r#"{"serviceName":"one","replicas":2}"#,
    ),
    ("GET", "/system/secrets", ""),
    ("POST", "/system/secrets", r#"{"name":"s","value":"v"}"#),
    ("GET", "/system/logs?name=one", ""),
    ("GET", "/system/namespaces", ""),
    ("GET", "/system/namespace/x", ""),
];

fn check_own(reply: &Reply, status: u16, what: &str) {
    assert_eq!(reply.status, status, "{what}: {}", reply.text());
    assert!(!reply.text().trim().is_empty(), "{what} says why");
    assert!(!reply.text().contains("secret"), "{what}: {}", reply.text());
}

#[test]
fn a_provider_that_refuses_is_502() {
    let (provider, gateway) = start(&[]);
    provider.server().close();
    for (method, target, body) in ASKS {
        let reply = gateway.admin(method, target, body.as_bytes());
        check_own(&reply, 502, &format!("{method} {target}"));
    }
    for target in ["/function/one/x", "/function/unknown/x"] {
        check_own(&gateway.call("POST", target, b"body"), 502, target);
    }
    // What the gateway can say by itself, it says.
    assert_eq!(gateway.admin("GET", "/system/info", b"").status, 200);
    assert_eq!(gateway.call("GET", "/healthz", b"").status, 200);
    assert_ne!(gateway.call("GET", "/readyz", b"").status, 200);
    provider.server().open();
    eventually("the provider's return", Duration::from_secs(10), || {
        (gateway.call("GET", "/readyz", b"").status == 200).then_some(())
    });
    assert_eq!(gateway.call("GET", "/function/one/x", b"").status, 200);
}

#[test]
fn a_provider_that_is_no_http_server_is_502() {
    for garbage in [
        &b"\x16\x03\x03\x00\x02hello\r\n\r\n"[..],
        b"HTTP/1.1 twohundred OK\r\n\r\n",
        b"",
    ] {
        let (provider, gateway) = start(&[]);
        provider.script("/", Vice::Bytes(garbage.to_vec()));
        for (method, target, body) in ASKS {
            let reply = gateway.admin(method, target, body.as_bytes());
            check_own(&reply, 502, &format!("{method} {target}"));
        }
        for target in ["/function/one/x", "/function/unknown/x"] {
            check_own(&gateway.call("POST", target, b"body"), 502, target);
        }
        assert_eq!(gateway.admin("GET", "/system/info", b"").status, 200);
    }
}

#[test]
fn a_provider_that_hangs_is_504_in_time() {
    let (provider, gateway) = start(&[("upstream_timeout", "1")]);
    provider.script("/", Vice::Hold);
    let calls: Vec<(&str, &str, &str)> = ASKS
        .into_iter()
        .chain([
            ("POST", "/function/one/x", "body"),
            ("POST", "/function/unknown/x", "body"),
        ])
        .collect();
    let gateway = &gateway;
    std::thread::scope(|scope| {
        for (method, target, body) in calls {
            scope.spawn(move || {
                let started = Instant::now();
                let reply = gateway.admin(method, target, body.as_bytes());
                check_own(&reply, 504, &format!("{method} {target}"));
                assert!(
                    started.elapsed() < Duration::from_secs(5),
                    "{method} {target}"
                );
            });
        }
    });
    let started = Instant::now();
    assert_eq!(gateway.admin("GET", "/system/info", b"").status, 200);
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// `faas-cli version` gives up after five seconds, however patient invocations may be.
#[test]
fn info_does_not_wait_for_a_provider_that_hangs() {
    let (provider, gateway) = start(&[]);
    provider.script("/system/info", Vice::Hold);
    let started = Instant::now();
    let reply = gateway.admin("GET", "/system/info", b"");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_list_that_is_no_list_is_502() {
    let (provider, gateway) = start(&[]);
    for body in ["{", "{}", "\"text\"", "<html></html>", "[{]"] {
        provider.behave();
        provider.script(
            "GET /system/functions",
            Vice::Answer(Answer::raw_json(body)),
        );
        check_own(&gateway.admin("GET", "/system/functions", b""), 502, body);
    }
}

#[test]
fn info_is_complete_whatever_the_provider_says() {
    let (provider, gateway) = start(&[]);
    let odd = [
        Answer::status(500),
        Answer::raw_json("{"),
        Answer::raw_json("null"),
        Answer::raw_json(r#"{"provider":null,"version":null,"orchestration":null}"#),
        Answer::raw_json(r#"{"provider":"x","version":{"release":null}}"#),
    ];
    for answer in odd {
        provider.behave();
        provider.script("GET /system/info", Vice::Answer(answer.clone()));
        let reply = gateway.admin("GET", "/system/info", b"");
        let info: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        for field in [
            "/provider/provider",
            "/provider/version/release",
            "/provider/version/sha",
        ] {
            let text = info.pointer(field).and_then(|v| v.as_str());
            assert!(reply.status == 200 && text.is_some(), "{answer:?}: {info}");
        }
    }
}

/// While only `/system` is broken, calls of a known function see nothing of it, polls included.
fn invocations_go_on(vice: Vice) {
    let (provider, gateway) = start(&[("upstream_timeout", "1")]);
    assert_eq!(gateway.call("GET", "/function/one/x", b"").status, 200);
    provider.script("/system", vice.clone());
    let polls = provider.count("GET /system/");
    let mut calls = 0;
    eventually("two polls", Duration::from_secs(20), || {
        let reply = gateway.call("POST", "/function/one/x", b"body");
        assert_eq!(
            reply.status,
            200,
            "{vice:?} after {calls}: {}",
            reply.text()
        );
        calls += 1;
        (provider.count("GET /system/") >= polls + 2).then_some(())
    });
    for _ in 0..20 {
        assert_eq!(gateway.call("POST", "/function/one/x", b"body").status, 200);
    }
    let series = r#"gateway_service_count{function_name="one.openfaas-fn"}"#;
    assert_eq!(
        gateway.metric(series),
        Some(1.0),
        "the last known value stays"
    );
}

#[test]
fn invocations_go_on_while_system_hangs() {
    invocations_go_on(Vice::Hold);
}

#[test]
fn invocations_go_on_while_system_ends_connections() {
    invocations_go_on(Vice::Close);
}

#[test]
fn invocations_go_on_while_system_is_garbage() {
    invocations_go_on(Vice::Bytes(b"garbage\r\n\r\n".to_vec()));
}

#[test]
fn invocations_go_on_while_system_lists_garbage() {
    invocations_go_on(Vice::Answer(Answer::raw_json("[{\"name\":")));
}

#[test]
fn invocations_go_on_while_system_is_500() {
    invocations_go_on(Vice::Answer(Answer::text(500, "broken\n")));
}

/// An empty answer to the list is a list without functions; an error is not.
#[test]
fn a_function_that_is_gone_leaves_the_metrics() {
    let (provider, gateway) = start(&[]);
    let series = r#"gateway_service_count{function_name="one.openfaas-fn"}"#;
    eventually("the gauge", Duration::from_secs(12), || {
        gateway.metric(series)
    });
    provider.remove("one");
    eventually("its end", Duration::from_secs(12), || {
        gateway.metric(series).is_none().then_some(())
    });
    let reply = gateway.call("GET", "/function/one/x", b"");
    assert_eq!(
        (reply.status, reply.header("x-openfaas-internal")),
        (503, Some("proxy"))
    );
}

#[test]
fn a_gateway_starts_before_its_provider() {
    let provider = Provider::with(Options::of(Kind::Netes).guarded("admin", "secret"));
    provider.add("one", Readiness::AtOnce);
    provider.server().close();
    let gateway = Gateway::behind_any(&provider, &[]);
    assert_eq!(gateway.call("GET", "/function/one/x", b"").status, 502);
    provider.server().open();
    eventually("readiness", Duration::from_secs(10), || {
        (gateway.call("GET", "/readyz", b"").status == 200).then_some(())
    });
    assert_eq!(gateway.call("GET", "/function/one/x", b"").status, 200);
}

/// A gateway that is ready knows its functions: none of their calls counts as one of an unknown
/// name, and none at zero is passed to a provider that has nobody to answer.
#[test]
fn ready_means_that_the_functions_are_known() {
    let provider = Provider::with(Options::of(Kind::Netes).with_zero());
    provider.add("one", Readiness::AtOnce);
    let document = serde_json::json!({"service": "zero", "image": "i"});
    provider.add_document(&document, Readiness::AtOnce, 0);
    provider.script(
        "GET /system/functions",
        Vice::Late(Duration::from_millis(500)),
    );
    let gateway = Gateway::behind_ready(&provider, &[]);
    assert_eq!(gateway.call("GET", "/function/zero/x", b"").status, 200);
    assert_eq!(gateway.call("GET", "/function/one/x", b"").status, 200);
    for name in ["zero", "one"] {
        let labels = format!("function_name=\"{name}.openfaas-fn\",code=\"200\"");
        let series = format!("gateway_function_invocation_total{{{labels}}}");
        gateway.await_metric(&series, 1.0);
    }
}
