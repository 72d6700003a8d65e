//! Alertmanager's webhook: what each alert makes of the replicas.

use ringway_tests::provider::{Kind, Options, Provider, Readiness};
use ringway_tests::server::{Answer, Vice};
use ringway_tests::{Gateway, Reply};
use serde_json::{Value, json};

fn start(settings: &[(&str, &str)]) -> (Provider, Gateway) {
    let provider = Provider::with(Options::of(Kind::Netes).guarded("admin", "secret"));
    let gateway = Gateway::behind(&provider, settings);
    (provider, gateway)
}

/// A function with these scale labels; an empty text is no label.
fn add(provider: &Provider, name: &str, [min, max, factor]: [&str; 3], replicas: u32) {
    let mut labels = json!({});
    for (label, value) in [("min", min), ("max", max), ("factor", factor)] {
        if !value.is_empty() {
            labels[format!("com.openfaas.scale.{label}")] = value.into();
        }
    }
    let document = json!({"service": name, "image": "i", "labels": labels});
    provider.add_document(&document, Readiness::AtOnce, replicas);
}

fn alert(status: &str, function: &str) -> Value {
    json!({
        "status": status,
        "labels": {"alertname": "APIHighInvocationRate", "function_name": function},
        "annotations": {"summary": "High invocation total"},
        "startsAt": "2017-03-15T15:52:57.805Z",
        "endsAt": "0001-01-01T00:00:00Z",
    })
}

fn post(gateway: &Gateway, top: &str, alerts: &[Value]) -> Reply {
    let body = json!({"receiver": "scale-up", "status": top, "alerts": alerts, "version": "4"});
    gateway.admin("POST", "/system/alert", body.to_string().as_bytes())
}

/// Firing adds ceil(max / 100 * factor) up to max; anything else goes to min.
#[test]
fn the_arithmetic_is_openfaas_own() {
    let (provider, gateway) = start(&[]);
    let rows = [
        // min, max, factor, replicas before; after firing, after resolved.
        (["", "", ""], 1, 2, 1),
        (["", "5", "10"], 2, 3, 1),
        (["", "5", "20"], 1, 2, 1),
        (["", "5", "50"], 1, 4, 1),
        (["", "5", "41"], 1, 4, 1),
        (["", "5", "40"], 1, 3, 1),
        (["", "5", "100"], 1, 5, 1),
        (["", "5", "100"], 4, 5, 1),
        (["", "5", "1"], 5, 5, 1),
        (["", "3", "100"], 5, 3, 1),
        (["2", "4", "25"], 2, 3, 2),
        (["2", "4", "25"], 4, 4, 2),
        (["", "5", "0"], 2, 2, 1),
        (["x", "y", "z"], 1, 2, 1),
        (["", "5", "101"], 2, 2, 1),
    ];
    for (i, (labels, before, firing, resolved)) in rows.into_iter().enumerate() {
        let name = format!("fn-{i}");
        add(&provider, &name, labels, before);
        let reply = post(
            &gateway,
            "firing",
            &[alert("firing", &format!("{name}.openfaas-fn"))],
        );
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (200, ""),
            "{labels:?}"
        );
        let after = provider.replicas(&name);
        // A factor that is out of range may count as the default, or as its bound.
        let lenient = labels[2] == "101" && matches!(after, Some(3 | 5));
        assert!(
            after == Some(firing) || lenient,
            "{labels:?} from {before}: {after:?}"
        );
        provider.set_replicas(&name, before);
        let _ = post(
            &gateway,
            "resolved",
            &[alert("resolved", &format!("{name}.openfaas-fn"))],
        );
        assert_eq!(
            provider.replicas(&name),
            Some(resolved),
            "{labels:?} from {before}"
        );
    }
}

#[test]
fn a_change_that_is_none_is_not_sent() {
    let (provider, gateway) = start(&[]);
    add(&provider, "full", ["", "5", "20"], 5);
    add(&provider, "low", ["1", "5", "20"], 1);
    add(&provider, "off", ["1", "5", "0"], 3);
    let firing = [
        alert("firing", "full.openfaas-fn"),
        alert("firing", "off.openfaas-fn"),
    ];
    assert_eq!(post(&gateway, "firing", &firing).status, 200);
    assert_eq!(
        post(
            &gateway,
            "resolved",
            &[alert("resolved", "low.openfaas-fn")]
        )
        .status,
        200
    );
    assert_eq!(provider.count("/system/scale-function/"), 0);
}

#[test]
fn each_alerts_own_status_counts() {
    let (provider, gateway) = start(&[]);
    for name in ["up", "down", "same"] {
        add(&provider, name, ["", "5", "20"], 3);
    }
    let alerts = [
        alert("firing", "up.openfaas-fn"),
        alert("resolved", "down.openfaas-fn"),
        alert("firing", "nobody.openfaas-fn"),
        alert("firing", ""),
        alert("firing", ".openfaas-fn"),
        alert("firing", "same"),
    ];
    assert_eq!(post(&gateway, "resolved", &alerts).status, 200);
    let replicas = ["up", "down", "same"].map(|name| provider.replicas(name));
    assert_eq!(replicas, [Some(4), Some(1), Some(4)]);
}

#[test]
fn what_cannot_be_looked_up_does_not_fail_the_webhook() {
    let (provider, gateway) = start(&[("upstream_timeout", "1")]);
    add(&provider, "one", ["", "5", "20"], 1);
    let firing = [alert("firing", "nobody.openfaas-fn")];
    assert_eq!(post(&gateway, "firing", &firing).status, 200);
    for vice in [
        Vice::Answer(Answer::status(500)),
        Vice::Close,
        Vice::Answer(Answer::raw_json("{")),
    ] {
        provider.script("GET /system/function/", vice.clone());
        let reply = post(&gateway, "firing", &[alert("firing", "one.openfaas-fn")]);
        assert_eq!(reply.status, 200, "{vice:?}: {}", reply.text());
        provider.behave();
    }
}

#[test]
fn a_scale_request_that_fails_is_told_and_the_others_are_made() {
    let (provider, gateway) = start(&[]);
    for name in ["one", "two"] {
        add(&provider, name, ["", "5", "20"], 1);
    }
    let refusal = Vice::Answer(Answer::text(500, "no room\n"));
    provider.script("POST /system/scale-function/one", refusal);
    let alerts = [
        alert("firing", "one.openfaas-fn"),
        alert("firing", "two.openfaas-fn"),
    ];
    let reply = post(&gateway, "firing", &alerts);
    assert!(
        reply.status == 500 && reply.text().contains("one"),
        "{reply:?}"
    );
    assert_eq!(provider.replicas("two"), Some(2));
}

#[test]
fn bad_json_is_400_and_extra_fields_are_ignored() {
    let (provider, gateway) = start(&[]);
    add(&provider, "one", ["", "5", "20"], 1);
    for body in ["", "{", "null", "[]", "{\"alerts\":{}}", "{\"alerts\":[1]}"] {
        let reply = gateway.admin("POST", "/system/alert", body.as_bytes());
        assert_eq!(reply.status, 400, "{body:?}: {}", reply.text());
    }
    let body = json!({
        "receiver": "scale-up",
        "status": "firing",
        "alerts": [alert("firing", "one.openfaas-fn")],
        "groupLabels": {"a": "b"},
        "groupKey": 18_195_285_354_214_864_953_u64,
        "truncatedAlerts": 0,
        "new": [null],
    });
    let reply = gateway.admin("POST", "/system/alert", body.to_string().as_bytes());
    assert_eq!((reply.status, provider.replicas("one")), (200, Some(2)));
}

#[test]
fn the_cap_is_a_setting() {
    let (provider, gateway) = start(&[("RINGWAY_REPLICAS_MAX", "3")]);
    add(&provider, "one", ["", "5", "100"], 1);
    assert_eq!(
        post(&gateway, "firing", &[alert("firing", "one.openfaas-fn")]).status,
        200
    );
    assert_eq!(provider.replicas("one"), Some(3));
}

#[test]
fn without_a_cap_a_label_may_ask_for_more_than_five() {
    let (provider, gateway) = start(&[]);
    add(&provider, "one", ["", "20", "50"], 1);
    assert_eq!(
        post(&gateway, "firing", &[alert("firing", "one.openfaas-fn")]).status,
        200
    );
    let asked = &provider.requests("POST /system/scale-function/one")[0];
    assert_eq!(asked.json()["replicas"], 11);
}
