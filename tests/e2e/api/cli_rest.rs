//! What faas-cli sends for logs, secrets, namespaces, version and scale, and which answers it
//! accepts.

use serde_json::{Value, json};

use super::cli_deploy::cli;
use super::scenes::on_every_provider;
use super::stage::{Behind, Stage};

on_every_provider!(
    secret_commands,
    secret_apply_lists_then_posts_or_puts,
    logs_command,
    namespace_list_and_version,
    namespace_commands,
    scale_as_certifier_does,
);

fn secret_commands(stage: &Stage) {
    let body = |name: &str| json!({"name": name, "namespace": "openfaas-fn", "value": "v"});
    let target = "/system/secrets";
    let created = cli(stage, "POST", target, &body("api-key"));
    assert!(matches!(created.status, 200..=202), "{created:?}");
    // `--from-file` sends both forms.
    let both = json!({"name": "file", "value": "AQI=", "rawValue": "AQI="});
    let created = cli(stage, "POST", target, &both);
    assert!(matches!(created.status, 200..=202), "{created:?}");
    let updated = cli(stage, "PUT", target, &body("api-key"));
    assert!(matches!(updated.status, 200 | 202), "{updated:?}");
    for target in [target, "/system/secrets?namespace=openfaas-fn"] {
        let list = cli(stage, "GET", target, &Value::Null);
        assert!(matches!(list.status, 200 | 202), "{list:?}");
        let rows: Value = serde_json::from_slice(&list.body).unwrap();
        assert_eq!(rows.as_array().map(Vec::len), Some(2), "{rows}");
    }
    for removal in [
        json!({"name": "api-key", "namespace": "openfaas-fn"}),
        json!({"name": "file"}),
    ] {
        let removed = cli(stage, "DELETE", target, &removal);
        assert!(matches!(removed.status, 200 | 202), "{removed:?}");
    }
    let list = cli(stage, "GET", target, &Value::Null);
    assert_eq!(list.text().trim(), "[]");
}

/// It matches existing secrets by the exact namespace; what it does not find it creates, and
/// 409 makes it update.
fn secret_apply_lists_then_posts_or_puts(stage: &Stage) {
    let target = "/system/secrets";
    for value in ["one", "two"] {
        assert_eq!(cli(stage, "GET", target, &Value::Null).status, 200);
        let body = json!({"name": "api-key", "value": value});
        let posted = cli(stage, "POST", target, &body);
        if posted.status == 409 {
            let put = cli(stage, "PUT", target, &body);
            assert!(matches!(put.status, 200 | 202), "{put:?}");
        } else {
            assert!(matches!(posted.status, 200..=202), "{posted:?}");
        }
        if let Some(provider) = &stage.provider {
            assert_eq!(
                provider.secret("openfaas-fn", "api-key").unwrap(),
                value.as_bytes()
            );
        }
    }
}

fn logs_command(stage: &Stage) {
    stage.deploy("say");
    stage.log("say", "hello");
    let since = "2001-02-03T04%3A05%3A06Z";
    for query in [
        "name=say&follow=false&tail=-1".to_owned(),
        "name=say&namespace=openfaas-fn&follow=false&tail=10".to_owned(),
        format!("name=say&follow=false&since={since}&tail=-1"),
    ] {
        let wanted =
            ringway_tests::eventually("the line", std::time::Duration::from_secs(5), || {
                let reply = cli(stage, "GET", &format!("/system/logs?{query}"), &Value::Null);
                assert_eq!(reply.status, 200, "{query}");
                (!reply.body.is_empty()).then_some(reply)
            });
        let text = wanted.text();
        let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(
            line["text"].as_str().map(str::trim_end),
            Some("hello"),
            "{query}"
        );
    }
}

fn namespace_list_and_version(stage: &Stage) {
    let list = cli(stage, "GET", "/system/namespaces", &Value::Null);
    let names: Vec<String> = serde_json::from_slice(&list.body).unwrap();
    assert_eq!((list.status, names), (200, vec!["openfaas-fn".to_owned()]));
    let info = cli(stage, "GET", "/system/info", &Value::Null);
    assert_eq!(info.status, 200);
    let info: Value = serde_json::from_slice(&info.body).unwrap();
    for field in ["/provider/version", "/version"] {
        assert!(
            info.pointer(field).is_some_and(Value::is_object),
            "{field}: {info}"
        );
    }
}

fn namespace_commands(stage: &Stage) {
    let marked = json!({"openfaas": "1", "team": "a"});
    let body = json!({"name": "dev", "annotations": marked, "labels": marked});
    let removal = json!({"name": "dev", "labels": {"openfaas": "1"}});
    let created = cli(stage, "POST", "/system/namespace/", &body);
    assert!(
        !matches!(created.status, 300..=399 | 404),
        "never redirected: {created:?}"
    );
    let updated = cli(stage, "PUT", "/system/namespace/dev", &body);
    let got = cli(stage, "GET", "/system/namespace/dev", &Value::Null);
    let removed = cli(stage, "DELETE", "/system/namespace/dev", &removal);
    if stage.behind == Behind::Faasd {
        let statuses = [created.status, updated.status, got.status, removed.status];
        assert_eq!(statuses, [201, 202, 200, 202]);
        let got: Value = serde_json::from_slice(&got.body).unwrap();
        assert_eq!((&got["name"], &got["labels"]), (&json!("dev"), &marked));
    }
}

fn scale_as_certifier_does(stage: &Stage) {
    stage.deploy("figlet");
    for body in [
        json!({"serviceName": "figlet", "replicas": 1}),
        json!({"serviceName": "figlet", "replicas": 1, "namespace": "openfaas-fn"}),
    ] {
        let scaled = cli(stage, "POST", "/system/scale-function/figlet", &body);
        assert!(matches!(scaled.status, 200..=202), "{scaled:?}");
    }
    if stage.provider.is_none() {
        stage.gateway.scale("figlet", 0);
        stage.gateway.await_replicas("figlet", 0);
        let reply = stage.gateway.call("POST", "/function/figlet", b"awake");
        assert_eq!((reply.status, reply.text().as_str()), (200, "awake"));
    }
}
