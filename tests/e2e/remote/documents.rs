//! Lists that other providers send: odd times, absent counts, nulls.

use ringway_tests::provider::{Kind, Provider};
use ringway_tests::server::{Answer, Vice};
use ringway_tests::{Gateway, eventually};
use serde_json::{Value, json};

fn listed(rows: &str) -> (Provider, Gateway, Value) {
    let provider = Provider::start(Kind::Netes);
    provider.script(
        "GET /system/functions",
        Vice::Answer(Answer::raw_json(rows)),
    );
    let gateway = Gateway::behind_any(&provider, &[]);
    let reply = gateway.admin("GET", "/system/functions", b"");
    assert_eq!(reply.status, 200, "{rows}: {}", reply.text());
    let list = serde_json::from_slice(&reply.body).unwrap();
    (provider, gateway, list)
}

#[test]
fn an_empty_list_is_an_array() {
    for rows in ["[]", "null", " [ ] \n"] {
        assert_eq!(listed(rows).2, json!([]), "{rows:?}");
    }
}

#[test]
fn odd_times_are_kept_and_valid() {
    for created in [
        "0001-01-01T00:00:00Z",
        "2026-01-02T03:04:05.123456789+02:00",
        "2026-01-02T03:04:05-11:30",
    ] {
        let rows = json!([{"name": "one", "image": "i", "createdAt": created}]);
        assert_eq!(listed(&rows.to_string()).2[0]["createdAt"], created);
    }
}

#[test]
fn absent_counts_are_zero_and_the_function_is_woken() {
    let provider = Provider::start(Kind::Netes);
    let document = json!({"service": "one", "image": "i"});
    provider.add_document(&document, ringway_tests::provider::Readiness::AtOnce, 0);
    let gateway = Gateway::behind(&provider, &[]);
    let series = r#"gateway_service_count{function_name="one.openfaas-fn"}"#;
    eventually("the gauge", std::time::Duration::from_secs(12), || {
        (gateway.metric(series) == Some(0.0)).then_some(())
    });
    assert_eq!(gateway.call("GET", "/function/one/x", b"").status, 200);
    assert_eq!(provider.count("POST /system/scale-function/one"), 1);
}

#[test]
fn fields_of_newer_providers_are_kept_in_lists() {
    let row = json!({
        "name": "one",
        "image": "i",
        "namespace": "openfaas-fn",
        "labels": null,
        "replicas": 2,
        "status": {"conditions": [{"type": "Ready"}]},
        "weight": 0.25,
    });
    let (_provider, _gateway, list) = listed(&json!([row]).to_string());
    let mut shown = list[0].clone();
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("invocationCount");
    }
    for field in ["name", "image", "namespace", "replicas", "status", "weight"] {
        assert_eq!(shown[field], row[field], "{list}");
    }
}

#[test]
fn rows_that_make_no_sense_do_not_hide_the_others() {
    let rows = json!([
        {"name": "good", "image": "i", "namespace": "openfaas-fn", "replicas": 1, "availableReplicas": 1},
        {"name": "bad/name", "image": "i", "namespace": "openfaas-fn"},
        {"name": "odd", "image": "i", "namespace": "openfaas-fn", "labels": {"com.openfaas.scale.min": "x"}},
    ]);
    let (_provider, gateway, _) = listed(&rows.to_string());
    for name in ["good", "odd"] {
        let series = format!("gateway_service_count{{function_name=\"{name}.openfaas-fn\"}}");
        eventually(&series, std::time::Duration::from_secs(12), || {
            gateway.metric(&series)
        });
    }
}
