//! Info, health, metrics, home page, alert and telemetry.

use ringway_tests::request;
use serde_json::{Value, json};

use super::scenes::on_every_provider;
use super::stage::Stage;

on_every_provider!(
    info_is_complete,
    probes_answer_without_credentials,
    the_home_page_leads_to_the_ui,
    metrics_are_on_both_ports,
    alerts_are_accepted,
    telemetry_answers,
);

fn info_is_complete(stage: &Stage) {
    let reply = stage.admin("GET", "/system/info", &Value::Null);
    let kind = reply.header("content-type").unwrap_or_default();
    assert!(
        reply.status == 200 && kind.starts_with("application/json"),
        "{reply:?}"
    );
    let info = stage.json("/system/info");
    // faas-cli crashes on a null in any of these.
    for field in [
        "/provider/provider",
        "/provider/orchestration",
        "/provider/version/release",
        "/provider/version/sha",
        "/version/release",
        "/version/sha",
        "/arch",
    ] {
        let text = info.pointer(field).and_then(Value::as_str);
        assert!(text.is_some_and(|text| !text.is_empty()), "{field}: {info}");
    }
    if let Some(provider) = &stage.provider {
        assert_eq!(info["provider"]["provider"], provider.kind().name());
        assert_eq!(info["provider"]["version"]["release"], "0.18.13");
    }
}

fn probes_answer_without_credentials(stage: &Stage) {
    for probe in ["/healthz", "/readyz"] {
        for method in ["GET", "HEAD"] {
            assert_eq!(
                stage.gateway.call(method, probe, b"").status,
                200,
                "{method} {probe}"
            );
        }
    }
}

fn the_home_page_leads_to_the_ui(stage: &Stage) {
    let home = stage.admin("GET", "/", &Value::Null);
    assert_eq!((home.status, home.header("location")), (307, Some("/ui/")));
    let page = stage.admin("GET", "/ui/", &Value::Null);
    let kind = page.header("content-type").unwrap_or_default();
    assert!(
        page.status == 200 && kind.starts_with("text/html"),
        "{page:?}"
    );
    assert_eq!(stage.gateway.call("GET", "/ui/", b"").status, 401);
}

fn metrics_are_on_both_ports(stage: &Stage) {
    let text = |page: &str| page.lines().any(|l| l.starts_with("# TYPE gateway_"));
    assert!(text(&stage.gateway.metrics_text()));
    let page = stage.admin("GET", "/metrics", &Value::Null);
    let kind = page.header("content-type").unwrap_or_default();
    assert!(
        page.status == 200 && kind.starts_with("text/plain"),
        "{page:?}"
    );
    assert!(text(&page.text()), "{}", page.text());
    assert_eq!(stage.gateway.call("GET", "/metrics", b"").status, 401);
    let health = request(stage.gateway.metrics, "GET", "/healthz", &[], b"").unwrap();
    assert_eq!(health.status, 200);
}

fn alerts_are_accepted(stage: &Stage) {
    let labels = json!({"alertname": "A", "function_name": "none.openfaas-fn"});
    let alert = json!({
        "receiver": "scale-up",
        "status": "firing",
        "alerts": [{"status": "firing", "labels": labels}],
    });
    let reply = stage.admin("POST", "/system/alert", &alert);
    assert_eq!((reply.status, reply.text().as_str()), (200, ""));
    for bad in ["", "{", "[]", r#"{"alerts": 1}"#] {
        let reply = stage.gateway.admin("POST", "/system/alert", bad.as_bytes());
        assert_eq!(reply.status, 400, "{bad:?}: {}", reply.text());
    }
}

fn telemetry_answers(stage: &Stage) {
    let reply = stage.admin("GET", "/system/telemetry", &Value::Null);
    assert!(reply.status == 200 || stage.provider.is_none(), "{reply:?}");
    assert!(!matches!(reply.status, 401 | 500 | 502), "{reply:?}");
}
