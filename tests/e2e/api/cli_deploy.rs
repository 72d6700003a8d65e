//! What faas-cli sends for login, list, describe, deploy, remove, store deploy and ready, and
//! which answers it accepts.

use ringway_tests::Reply;
use serde_json::{Value, json};

use super::json::{check_function, check_functions};
use super::scenes::on_every_provider;
use super::stage::{Behind, Stage, deployment};

on_every_provider!(
    login_and_list,
    deploy_is_put_then_post,
    deploy_replace_deletes_first,
    describe_reads_one_and_the_list,
    remove_accepts_no_204,
    store_deploy,
    ready_waits_for_health_and_replicas,
);

/// A command's request: faas-cli's headers, `Content-Type` only with a body.
pub(super) fn cli(stage: &Stage, method: &str, target: &str, body: &Value) -> Reply {
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let mut headers = vec![
        ("User-Agent", "faas-cli/0.17.4"),
        ("Accept-Encoding", "gzip"),
    ];
    if !body.is_null() {
        headers.push(("Content-Type", "application/json"));
    }
    stage
        .gateway
        .admin_with(method, target, &headers, text.as_bytes())
}

/// The deployment as `faas-cli deploy` composes it.
fn deploy_body(name: &str) -> Value {
    json!({
        "service": name,
        "image": "ghcr.io/openfaas/figlet:latest",
        "namespace": "openfaas-fn",
        "envProcess": "cat",
        "envVars": {"fprocess": "cat"},
        "labels": {"com.openfaas.scale.min": "1"},
        "annotations": {"topic": "one"},
        "requests": null,
        "limits": null,
        "readOnlyRootFilesystem": false,
    })
}

/// `--update=true`, the default: the status it ends with must be one that exits with 0.
fn deploy(stage: &Stage, body: &Value) {
    let put = cli(stage, "PUT", "/system/functions", body);
    let last = match put.status {
        404 => cli(stage, "POST", "/system/functions", body),
        _ => put,
    };
    assert!(
        matches!(last.status, 200 | 202),
        "{} {}",
        last.status,
        last.text()
    );
}

fn login_and_list(stage: &Stage) {
    let login = cli(stage, "GET", "/system/functions", &Value::Null);
    assert_eq!(login.status, 200);
    let wrong = [
        ("User-Agent", "faas-cli/0.17.4"),
        ("Authorization", "Basic YTpi"),
    ];
    let address = stage.gateway.address;
    let refused = ringway_tests::request(address, "GET", "/system/functions", &wrong, b"");
    assert_eq!(refused.unwrap().status, 401);
    deploy(stage, &deploy_body("figlet"));
    for target in [
        "/system/functions",
        "/system/functions?namespace=openfaas-fn",
    ] {
        let list = cli(stage, "GET", target, &Value::Null);
        assert_eq!(list.status, 200);
        let rows = serde_json::from_slice(&list.body).unwrap();
        check_functions(&rows);
        assert_eq!(rows[0]["name"], "figlet");
    }
}

fn deploy_is_put_then_post(stage: &Stage) {
    let body = deploy_body("figlet");
    assert_eq!(cli(stage, "PUT", "/system/functions", &body).status, 404);
    deploy(stage, &body);
    assert_ne!(cli(stage, "PUT", "/system/functions", &body).status, 404);
    // `--update=false` is a POST alone.
    let post = cli(stage, "POST", "/system/functions", &deploy_body("other"));
    assert!(matches!(post.status, 200 | 202), "{post:?}");
    if let Some(provider) = &stage.provider {
        let kept = provider.document("figlet").unwrap();
        for (field, value) in body.as_object().unwrap() {
            assert_eq!(kept.get(field), Some(value), "{field}");
        }
    }
}

fn deploy_replace_deletes_first(stage: &Stage) {
    let body = deploy_body("figlet");
    let delete = json!({"functionName": "figlet", "namespace": "openfaas-fn"});
    for _ in 0..2 {
        // Its result is ignored: the first time there is nothing.
        cli(stage, "DELETE", "/system/functions", &delete);
        deploy(stage, &body);
    }
    assert_eq!(
        stage.json("/system/functions").as_array().map(Vec::len),
        Some(1)
    );
}

fn describe_reads_one_and_the_list(stage: &Stage) {
    stage.deploy("figlet");
    for target in [
        "/system/function/figlet?usage=1",
        "/system/function/figlet?namespace=openfaas-fn&usage=1",
    ] {
        let one = cli(stage, "GET", target, &Value::Null);
        assert_eq!(one.status, 200);
        let one: Value = serde_json::from_slice(&one.body).unwrap();
        check_function(&one);
        assert_eq!(
            (&one["name"], &one["availableReplicas"]),
            (&json!("figlet"), &json!(1))
        );
    }
    let list = cli(stage, "GET", "/system/functions", &Value::Null);
    check_functions(&serde_json::from_slice(&list.body).unwrap());
    let none = cli(stage, "GET", "/system/function/none?usage=1", &Value::Null);
    assert_eq!(none.status, 404);
}

fn remove_accepts_no_204(stage: &Stage) {
    stage.deploy("figlet");
    let body = json!({"functionName": "figlet", "namespace": "openfaas-fn"});
    let removed = cli(stage, "DELETE", "/system/functions", &body);
    assert!(matches!(removed.status, 200..=202), "{removed:?}");
    let again = cli(stage, "DELETE", "/system/functions", &body);
    assert_eq!(again.status, 404);
    assert_eq!(stage.json("/system/functions"), json!([]));
}

fn store_deploy(stage: &Stage) {
    let mut body = deployment("nodeinfo");
    body["labels"] = json!({"com.openfaas.ui.ext": "json"});
    body["annotations"] = json!({"com.openfaas.git-repo": "x"});
    deploy(stage, &body);
    stage.await_ready("nodeinfo");
}

fn ready_waits_for_health_and_replicas(stage: &Stage) {
    let health = cli(stage, "GET", "/healthz", &Value::Null);
    assert_eq!(health.status, 200);
    stage.deploy("figlet");
    let one = cli(
        stage,
        "GET",
        "/system/function/figlet?usage=1",
        &Value::Null,
    );
    let one: Value = serde_json::from_slice(&one.body).unwrap();
    assert!(one["availableReplicas"].as_u64() > Some(0), "{one}");
}

/// Who is not logged in sends an empty token.
#[test]
fn an_empty_bearer_is_harmless_when_auth_is_off() {
    for behind in [Behind::BuiltIn, Behind::Netes, Behind::Faasd] {
        let stage = Stage::open(behind);
        let headers = [
            ("User-Agent", "faas-cli/0.17.4"),
            ("Authorization", "Bearer "),
        ];
        let call = |method: &str, target: &str, body: &Value| {
            let text = if body.is_null() {
                String::new()
            } else {
                body.to_string()
            };
            let address = stage.gateway.address;
            let reply = ringway_tests::request(address, method, target, &headers, text.as_bytes());
            reply.unwrap().status
        };
        assert_eq!(
            call("GET", "/system/functions", &Value::Null),
            200,
            "{behind:?}"
        );
        let body = deploy_body("figlet");
        assert_eq!(call("PUT", "/system/functions", &body), 404, "{behind:?}");
        let posted = call("POST", "/system/functions", &body);
        assert_eq!(posted, behind.of([202, 202, 200]), "{behind:?}");
        assert_eq!(call("GET", "/system/info", &Value::Null), 200, "{behind:?}");
        assert_eq!(
            call("GET", "/system/namespaces", &Value::Null),
            200,
            "{behind:?}"
        );
    }
}
