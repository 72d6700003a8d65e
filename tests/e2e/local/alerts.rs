//! Alerts that start and end processes.

use std::time::Duration;

use ringway_tests::{Deployment, Gateway, eventually};
use serde_json::json;

fn alert(gateway: &Gateway, status: &str) -> u16 {
    let labels = json!({"alertname": "High", "function_name": "vice.openfaas-fn"});
    let alert = json!({"status": status, "labels": labels});
    let body = json!({"status": status, "receiver": "x", "alerts": [alert]}).to_string();
    gateway
        .call("POST", "/system/alert", body.as_bytes())
        .status
}

#[test]
fn replicas_rise_step_by_step_and_fall_at_once() {
    let gateway = Gateway::start();
    let vice = Deployment::vice("vice")
        .replicas(1)
        .label("com.openfaas.scale.max", "4")
        .label("com.openfaas.scale.factor", "25");
    gateway.deploy_ready(&vice, 1);
    for replicas in [2, 3, 4, 4] {
        assert_eq!(alert(&gateway, "firing"), 200);
        gateway.await_replicas("vice", replicas);
    }
    assert_eq!(alert(&gateway, "resolved"), 200);
    gateway.await_replicas("vice", 1);
}

#[test]
fn a_factor_of_zero_switches_scaling_off_and_calls_go_on() {
    let gateway = Gateway::start();
    let vice = Deployment::vice("vice").label("com.openfaas.scale.factor", "0");
    gateway.deploy_ready(&vice, 1);
    assert_eq!(alert(&gateway, "firing"), 200);
    assert_eq!(gateway.call("GET", "/function/vice/x", b"").status, 200);
    let series = r#"gateway_service_count{function_name="vice.openfaas-fn"}"#;
    eventually("one replica", Duration::from_secs(5), || {
        (gateway.metric(series) == Some(1.0)).then_some(())
    });
}
