//! The metrics that dashboards, alert rules and autoscalers read.

use std::time::Duration;

use ringway_tests::provider::{Kind, Options, Provider, Readiness};
use ringway_tests::server::{Answer, Vice};
use ringway_tests::{Gateway, eventually, request};
use serde_json::json;

fn start() -> (Provider, Gateway) {
    let provider = Provider::with(Options::of(Kind::Netes).guarded("admin", "secret"));
    provider.add("one", Readiness::AtOnce);
    let gateway = Gateway::behind(&provider, &[]);
    (provider, gateway)
}

const ONE: &str = r#"function_name="one.openfaas-fn""#;

#[test]
fn invocations_have_openfaas_names_labels_and_buckets() {
    let (provider, gateway) = start();
    for _ in 0..3 {
        assert_eq!(gateway.call("GET", "/function/one/x", b"").status, 200);
    }
    provider.script(
        "/function/one.openfaas-fn/bad",
        Vice::Answer(Answer::status(500)),
    );
    assert_eq!(
        gateway
            .call("GET", "/function/one.openfaas-fn/bad", b"")
            .status,
        500
    );
    for (series, value) in [
        (
            format!("gateway_function_invocation_total{{{ONE},code=\"200\"}}"),
            3.0,
        ),
        (
            format!("gateway_function_invocation_total{{{ONE},code=\"500\"}}"),
            1.0,
        ),
        (format!("gateway_function_invocation_started{{{ONE}}}"), 4.0),
        (
            format!("gateway_function_invocation_inflight{{{ONE}}}"),
            0.0,
        ),
        (
            format!("gateway_functions_seconds_count{{{ONE},code=\"200\"}}"),
            3.0,
        ),
    ] {
        gateway.await_metric(&series, value);
    }
    let page = gateway.metrics_text();
    let prefix = format!("gateway_functions_seconds_bucket{{{ONE},code=\"200\",le=\"");
    let bounds: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix)?.split('"').next())
        .collect();
    let default = "0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf";
    assert_eq!(bounds.join(" "), default);
    for (name, kind) in [
        ("gateway_functions_seconds", "histogram"),
        ("gateway_function_invocation_total", "counter"),
        ("gateway_function_invocation_started", "counter"),
        ("gateway_service_count", "gauge"),
        ("gateway_service_ready_count", "gauge"),
        ("gateway_function_invocation_inflight", "gauge"),
        ("http_requests_total", "counter"),
        ("http_request_duration_seconds", "histogram"),
    ] {
        let line = format!("# TYPE {name} {kind}");
        assert!(page.lines().any(|l| l == line), "{line} in\n{page}");
    }
}

#[test]
fn replicas_wanted_and_ready_are_two_gauges() {
    let (provider, gateway) = start();
    let document = json!({"service": "slow", "image": "i"});
    provider.add_document(&document, Readiness::Never, 3);
    for (series, value) in [
        (format!("gateway_service_count{{{ONE}}}"), 1.0),
        (format!("gateway_service_ready_count{{{ONE}}}"), 1.0),
        (
            r#"gateway_service_count{function_name="slow.openfaas-fn"}"#.to_owned(),
            3.0,
        ),
        (
            r#"gateway_service_ready_count{function_name="slow.openfaas-fn"}"#.to_owned(),
            0.0,
        ),
    ] {
        gateway.await_metric(&series, value);
    }
}

#[test]
fn a_change_made_through_the_gateway_is_seen_at_once() {
    let (provider, gateway) = start();
    let series =
        |name: &str| format!("gateway_service_count{{function_name=\"{name}.openfaas-fn\"}}");
    eventually("the first poll", Duration::from_secs(12), || {
        gateway.metric(&series("one"))
    });
    let body = br#"{"service":"two","image":"i"}"#;
    assert_eq!(gateway.admin("POST", "/system/functions", body).status, 202);
    // Sooner than the next poll.
    eventually("the new function", Duration::from_secs(2), || {
        gateway.metric(&series("two"))
    });
    gateway.scale("two", 4);
    eventually("the scale", Duration::from_secs(2), || {
        (gateway.metric(&series("two")) == Some(4.0)).then_some(())
    });
    let body = br#"{"functionName":"two"}"#;
    assert_eq!(
        gateway.admin("DELETE", "/system/functions", body).status,
        202
    );
    eventually("the end", Duration::from_secs(2), || {
        gateway.metric(&series("two")).is_none().then_some(())
    });
    drop(provider);
}

#[test]
fn names_that_nobody_knows_share_one_series() {
    let (_provider, gateway) = start();
    assert_eq!(gateway.call("GET", "/function/one/x", b"").status, 200);
    for i in 0..50 {
        let _ = gateway.call("GET", &format!("/function/scan-{i}/x"), b"");
        let _ = gateway.call("GET", &format!("/function/one.ns-{i}/x"), b"");
        let _ = gateway.call("GET", &format!("/function/%6Fne-{i}/x"), b"");
    }
    let page = gateway.metrics_text();
    for noise in ["scan-", "ns-", "ne-"] {
        assert!(!page.contains(noise), "{noise} in\n{page}");
    }
    let names: std::collections::BTreeSet<&str> = page
        .lines()
        .filter(|l| l.starts_with("gateway_function_invocation_total"))
        .filter_map(|l| l.split("function_name=\"").nth(1)?.split('"').next())
        .collect();
    assert!(names.len() <= 2, "{names:?}");
}

#[test]
fn management_requests_are_counted_by_method_path_and_status() {
    let (_provider, gateway) = start();
    for _ in 0..3 {
        assert_eq!(
            gateway.admin("GET", "/system/function/one", b"").status,
            200
        );
        assert_eq!(
            gateway.admin("GET", "/system/function/two", b"").status,
            404
        );
    }
    let page = gateway.metrics_text();
    let lines: Vec<&str> = page
        .lines()
        .filter(|l| l.starts_with("http_requests_total{") && l.contains("/system/function/"))
        .collect();
    for status in ["200", "404"] {
        let wanted = format!("status=\"{status}\"");
        let line = lines
            .iter()
            .find(|l| l.contains(&wanted) && l.contains("method=\"GET\""));
        assert!(
            line.is_some_and(|l| l.ends_with(" 3")),
            "{status} in {lines:?}"
        );
    }
    assert!(
        !page.contains("function/two"),
        "paths are routes, not names:\n{page}"
    );
}

#[test]
fn the_page_is_prometheus_text_without_any_accept_header() {
    let (_provider, gateway) = start();
    for accept in [
        None,
        Some("application/openmetrics-text; version=1.0.0"),
        Some("*/*"),
    ] {
        let headers: Vec<(&str, &str)> = accept.iter().map(|a| ("Accept", *a)).collect();
        let reply = request(gateway.metrics, "GET", "/metrics", &headers, b"").unwrap();
        let kind = reply.header("content-type").unwrap_or_default();
        assert!(
            reply.status == 200 && kind.starts_with("text/plain"),
            "{accept:?}: {kind}"
        );
        assert!(kind.contains("version=0.0.4"), "{accept:?}: {kind}");
    }
}

#[test]
fn every_line_of_the_page_is_well_formed_and_said_once() {
    let (_provider, gateway) = start();
    let _ = gateway.call("GET", "/function/one/x", b"");
    let _ = gateway.admin("GET", "/system/functions", b"");
    let page = gateway.metrics_text();
    let mut series = std::collections::BTreeSet::new();
    let mut types = std::collections::BTreeMap::new();
    for line in page.lines().filter(|l| !l.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(types.insert(name, kind).is_none(), "{name} has two types");
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(series.insert(name), "{name} twice");
        let base = name.split('{').next().unwrap();
        let known = ["", "_bucket", "_sum", "_count"].iter().any(|end| {
            base.strip_suffix(end)
                .is_some_and(|b| types.contains_key(b))
        });
        assert!(known, "{base} has no TYPE");
    }
}

#[test]
fn the_gateways_own_metrics_are_there() {
    let (_provider, gateway) = start();
    let _ = gateway.call("GET", "/function/one/x", b"");
    let page = gateway.metrics_text();
    for word in [
        "connections",
        "pool",
        "retries",
        "rejects",
        "lag",
        "driver",
        "bytes",
        "parked",
    ] {
        let named = page
            .lines()
            .any(|l| l.starts_with("ringway_") && l.contains(word));
        assert!(named, "ringway_…{word}… in\n{page}");
    }
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
    ] {
        assert!(page.contains(&format!("\n{name} ")), "{name}");
    }
}
