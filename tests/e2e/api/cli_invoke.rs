//! What `faas-cli invoke` sends: the default namespace appended, the body from standard input.

use std::time::Duration;

use ringway_tests::{Gateway, Reply, eventually, request};

use super::scenes::on_every_provider;
use super::stage::{Behind, Stage, deployment};

on_every_provider!(
    invoke_appends_openfaas_fn,
    invoke_sends_methods_headers_and_queries,
    both_names_are_one_series,
    invoke_async_is_accepted_and_executed,
);

fn invoke(gateway: &Gateway, method: &str, target: &str, body: &[u8]) -> Reply {
    let headers = [
        ("User-Agent", "faas-cli/0.17.4"),
        ("Content-Type", "text/plain"),
        ("X-Mine", "yes"),
    ];
    request(gateway.address, method, target, &headers, body).unwrap()
}

fn invoke_appends_openfaas_fn(stage: &Stage) {
    stage.deploy("figlet");
    let reply = invoke(
        &stage.gateway,
        "POST",
        "/function/figlet.openfaas-fn",
        b"hello",
    );
    assert!(
        reply.status == 200 && reply.text().ends_with("hello"),
        "{reply:?}"
    );
    for header in ["x-call-id", "x-start-time"] {
        assert!(
            reply.header(header).is_some_and(|v| !v.is_empty()),
            "{header}"
        );
    }
    let unknown = invoke(
        &stage.gateway,
        "POST",
        "/function/nobody.openfaas-fn",
        b"hello",
    );
    match &stage.provider {
        // The provider's word for it passes through.
        Some(_) => assert_eq!(unknown.header("x-openfaas-internal"), Some("proxy")),
        None => assert_eq!(unknown.status, 404),
    }
}

fn invoke_sends_methods_headers_and_queries(stage: &Stage) {
    stage.deploy("figlet");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let target = "/function/figlet.openfaas-fn?q=a%20b&r=c+d";
        let reply = invoke(&stage.gateway, method, target, b"in");
        assert_eq!(reply.status, 200, "{method}: {}", reply.text());
        for header in ["x-call-id", "x-start-time"] {
            assert!(
                reply.header(header).is_some_and(|v| !v.is_empty()),
                "{method} {header}"
            );
        }
        let Some(provider) = &stage.provider else {
            continue;
        };
        let seen = provider.requests(&format!("{method} /function/figlet"));
        let seen = seen.first().unwrap();
        assert_eq!(
            (seen.target.as_str(), seen.body.as_slice()),
            (target, b"in".as_slice())
        );
        assert_eq!(seen.header("user-agent"), Some("faas-cli/0.17.4"));
        assert_eq!(seen.header("x-mine"), Some("yes"));
        assert_eq!(seen.header("content-type"), Some("text/plain"));
        assert!(seen.header("x-call-id").is_some() && seen.header("x-start-time").is_some());
    }
}

fn both_names_are_one_series(stage: &Stage) {
    stage.deploy("figlet");
    for target in [
        "/function/figlet",
        "/function/figlet.openfaas-fn",
        "/function/figlet/a?b",
    ] {
        assert_eq!(
            invoke(&stage.gateway, "POST", target, b"x").status,
            200,
            "{target}"
        );
    }
    let labels = r#"function_name="figlet.openfaas-fn",code="200""#;
    let series = format!("gateway_function_invocation_total{{{labels}}}");
    stage.gateway.await_metric(&series, 3.0);
    assert!(
        !stage
            .gateway
            .metrics_text()
            .contains(r#"function_name="figlet""#)
    );
}

/// `faas-cli invoke --async`, which takes any 2xx and says that the call was accepted; it sends no
/// credentials, and reads the id of the call from its reply.
fn invoke_async_is_accepted_and_executed(stage: &Stage) {
    stage.deploy("figlet");
    let target = "/async-function/figlet.openfaas-fn?q=a%20b";
    let headers = [
        ("User-Agent", "faas-cli/0.17.4"),
        ("Content-Type", "text/plain"),
        ("X-Mine", "yes"),
        ("X-Callback-Url", "http://callback.example.com/path"),
    ];
    let reply = request(stage.gateway.address, "POST", target, &headers, b"hello").unwrap();
    assert_eq!((reply.status, reply.body.len()), (202, 0), "{reply:?}");
    for header in ["x-call-id", "x-start-time", "x-job-id"] {
        assert!(
            reply.header(header).is_some_and(|v| !v.is_empty()),
            "{header}"
        );
    }
    let job = format!("/async-function/{}", reply.header("x-job-id").unwrap());
    eventually("the call", Duration::from_secs(20), || {
        let document = stage.json(&job);
        (document["state"] == "done" && document["lastStatus"] == 200).then_some(())
    });
    let of = r#"function_name="figlet.openfaas-fn",code="200""#;
    let series = format!("gateway_function_invocation_total{{{of}}}");
    stage.gateway.await_metric(&series, 1.0);
    let Some(provider) = &stage.provider else {
        return;
    };
    let seen = provider.requests("POST /function/figlet");
    let seen = seen.first().unwrap();
    assert_eq!(
        (seen.target.as_str(), seen.body.as_slice()),
        ("/function/figlet.openfaas-fn?q=a%20b", b"hello".as_slice())
    );
    assert_eq!(seen.header("x-mine"), Some("yes"));
    assert_eq!(seen.header("content-type"), Some("text/plain"));
    assert_eq!(seen.header("x-call-id"), reply.header("x-call-id"));
}

/// With another default namespace the name still arrives as faas-cli spells it.
#[test]
fn openfaas_fn_is_routed_literally_when_the_default_is_another() {
    let stage = Stage::with(Behind::Netes, &[("function_namespace", "functions")]);
    let reply = stage.admin("POST", "/system/functions", &deployment("figlet"));
    assert_eq!(reply.status, 202);
    let target = "/function/figlet.openfaas-fn/x";
    let reply = invoke(&stage.gateway, "POST", target, b"hello");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(
        reply.text().starts_with(&format!("POST {target} ")),
        "{}",
        reply.text()
    );
}
