//! `invocationCount` of the list: Prometheus's when it answers, else the gateway's own.

use std::time::{Duration, Instant};

use ringway_tests::provider::{Kind, Provider, Readiness};
use ringway_tests::server::{Answer, Vice};
use ringway_tests::{Gateway, Prometheus, eventually};
use serde_json::{Value, json};

fn start(prometheus: &Prometheus) -> (Provider, Gateway) {
    let provider = Provider::start(Kind::Faasd);
    provider.add("one", Readiness::AtOnce);
    provider.add("two", Readiness::AtOnce);
    let document = json!({"service": "one", "namespace": "dev.x", "image": "i"});
    provider.add_document(&document, Readiness::AtOnce, 1);
    let settings = prometheus.settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let gateway = Gateway::behind(&provider, &settings);
    (provider, gateway)
}

fn count(gateway: &Gateway, query: &str, name: &str) -> f64 {
    let reply = gateway.admin("GET", &format!("/system/functions{query}"), b"");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let rows: Vec<Value> = serde_json::from_slice(&reply.body).unwrap();
    let row = rows.iter().find(|row| row["name"] == name).unwrap();
    row["invocationCount"].as_f64().unwrap_or(0.0)
}

#[test]
fn counts_come_from_prometheus_by_full_name() {
    let prometheus = Prometheus::start();
    prometheus.set("one.openfaas-fn", 1234.0);
    prometheus.set("one.dev.x", 7.0);
    prometheus.set("xone.openfaas-fn", 99.0);
    let (_provider, gateway) = start(&prometheus);
    assert_eq!(count(&gateway, "", "one"), 1234.0);
    assert_eq!(count(&gateway, "", "two"), 0.0);
    assert_eq!(count(&gateway, "?namespace=dev.x", "one"), 7.0);
    let queries = prometheus.queries();
    assert!(
        queries
            .iter()
            .all(|q| q.contains("gateway_function_invocation_total")),
        "{queries:?}"
    );
    // In a regular expression the dot of a namespace is escaped; elsewhere it is a label's value.
    let dotted = queries
        .iter()
        .filter(|q| q.contains("dev"))
        .all(|q| !q.contains("=~") || !q.contains("dev.x"));
    assert!(dotted, "{queries:?}");
}

#[test]
fn only_the_list_asks() {
    let prometheus = Prometheus::start();
    let (_provider, gateway) = start(&prometheus);
    assert_eq!(
        gateway.admin("GET", "/system/function/one", b"").status,
        200
    );
    assert_eq!(gateway.call("GET", "/function/one/x", b"").status, 200);
    assert_eq!(prometheus.queries().len(), 0);
}

#[test]
fn an_empty_list_asks_nobody() {
    let prometheus = Prometheus::start();
    let provider = Provider::start(Kind::Netes);
    let settings = prometheus.settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let gateway = Gateway::behind(&provider, &settings);
    assert_eq!(
        gateway.admin("GET", "/system/functions", b"").text().trim(),
        "[]"
    );
    assert_eq!(prometheus.queries().len(), 0);
}

/// Prometheus misbehaves: the list comes in bounded time, with the gateway's own counts.
fn own_counts(vice: Option<Vice>) {
    let prometheus = Prometheus::start();
    prometheus.set("one.openfaas-fn", 1234.0);
    let (_provider, gateway) = start(&prometheus);
    for _ in 0..3 {
        assert_eq!(gateway.call("GET", "/function/one/x", b"").status, 200);
    }
    let calls = r#"gateway_function_invocation_total{function_name="one.openfaas-fn",code="200"}"#;
    gateway.await_metric(calls, 3.0);
    match &vice {
        Some(vice) => prometheus.set_vice(Some(vice.clone())),
        None => prometheus.server().close(),
    }
    let started = Instant::now();
    assert_eq!(count(&gateway, "", "one"), 3.0, "{vice:?}");
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{vice:?}: {:?}",
        started.elapsed()
    );
    prometheus.set_vice(None);
    prometheus.server().open();
    eventually("Prometheus's counts again", Duration::from_secs(20), || {
        (count(&gateway, "", "one") == 1234.0).then_some(())
    });
}

#[test]
fn own_counts_while_prometheus_is_away() {
    own_counts(None);
}

#[test]
fn own_counts_while_prometheus_hangs() {
    own_counts(Some(Vice::Hold));
}

#[test]
fn own_counts_while_prometheus_is_garbage() {
    own_counts(Some(Vice::Bytes(b"garbage".to_vec())));
}

#[test]
fn own_counts_while_prometheus_ends_connections() {
    own_counts(Some(Vice::Close));
}

#[test]
fn own_counts_while_prometheus_answers_nonsense() {
    for answer in [
        Answer::status(500),
        Answer::raw_json("{"),
        Answer::raw_json(r#"{"status":"success","data":null}"#),
        Answer::raw_json(r#"{"status":"error","error":"x"}"#),
        Answer::text(200, "<html>"),
    ] {
        own_counts(Some(Vice::Answer(answer)));
    }
}

#[test]
fn without_prometheus_the_gateway_counts_itself() {
    let provider = Provider::start(Kind::Netes);
    provider.add("one", Readiness::AtOnce);
    let gateway = Gateway::behind(&provider, &[]);
    for target in ["/function/one", "/function/one.openfaas-fn/x"] {
        assert_eq!(gateway.call("GET", target, b"").status, 200);
    }
    eventually("both calls in the books", Duration::from_secs(5), || {
        (count(&gateway, "", "one") == 2.0).then_some(())
    });
}
