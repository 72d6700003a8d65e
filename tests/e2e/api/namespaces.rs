//! Namespaces: listed everywhere, made and removed where the provider can.

use serde_json::{Value, json};

use super::scenes::on_every_provider;
use super::stage::{Behind, Stage};

on_every_provider!(
    namespaces_are_an_array_of_names,
    a_namespace_has_the_providers_codes
);

fn namespaces_are_an_array_of_names(stage: &Stage) {
    let reply = stage.admin("GET", "/system/namespaces", &Value::Null);
    let kind = reply.header("content-type").unwrap_or_default();
    assert!(
        reply.status == 200 && kind.starts_with("application/json"),
        "{reply:?}"
    );
    assert_eq!(stage.json("/system/namespaces"), json!(["openfaas-fn"]));
}

fn a_namespace_has_the_providers_codes(stage: &Stage) {
    let dev = json!({
        "name": "dev",
        "annotations": {"openfaas": "1"},
        "labels": {"openfaas": "1"},
    });
    match stage.behind {
        Behind::Netes => {
            let get = stage.admin("GET", "/system/namespace/dev", &Value::Null);
            assert_eq!(get.status, 501);
            for (method, target) in [
                ("POST", "/system/namespace/"),
                ("PUT", "/system/namespace/dev"),
                ("DELETE", "/system/namespace/dev"),
            ] {
                assert_eq!(stage.admin(method, target, &dev).status, 405, "{method}");
            }
        }
        Behind::Faasd | Behind::BuiltIn => {
            let (new, one) = ("/system/namespace/", "/system/namespace/dev");
            stage.check(&[
                // The empty name with its slash, as faas-cli sends it.
                ("POST", new, dev.clone(), [201, 0, 201]),
                ("POST", one, dev.clone(), [409, 0, 409]),
                ("GET", one, Value::Null, [200, 0, 200]),
                ("PUT", one, dev.clone(), [202, 0, 202]),
                (
                    "PUT",
                    "/system/namespace/none",
                    json!({"name": "x"}),
                    [400, 0, 400],
                ),
                ("GET", "/system/namespace/none", Value::Null, [404, 0, 404]),
                // DELETE's body must arrive: faasd reads the label in it.
                ("DELETE", one, dev.clone(), [202, 0, 202]),
                ("DELETE", one, dev, [404, 0, 404]),
                ("POST", new, json!({"name": "Not/A/Name"}), [400, 0, 400]),
                ("POST", new, json!([]), [400, 0, 400]),
            ]);
            let own = stage.json("/system/namespace/openfaas-fn");
            assert_eq!(own["name"], "openfaas-fn", "{own}");
        }
    }
}

#[test]
fn a_function_lives_in_a_namespace_of_faasd() {
    functions_live_in_namespaces(&Stage::start(Behind::Faasd));
}

#[test]
fn a_function_lives_in_a_namespace_of_the_built_in_provider() {
    functions_live_in_namespaces(&Stage::start(Behind::BuiltIn));
}

fn functions_live_in_namespaces(stage: &Stage) {
    let labels = json!({"openfaas": "1"});
    let one =
        |n: &str| json!({"service": "one", "namespace": n, "image": "i", "envProcess": "cat"});
    let scale = json!({"serviceName": "one", "namespace": "dev", "replicas": 1});
    stage.check(&[
        (
            "POST",
            "/system/namespace/",
            json!({"name": "dev", "labels": labels}),
            [201, 0, 201],
        ),
        ("PUT", "/system/functions", one("dev"), [404, 0, 404]),
        ("POST", "/system/functions", one("dev"), [202, 0, 200]),
        (
            "POST",
            "/system/functions",
            one("openfaas-fn"),
            [202, 0, 200],
        ),
        (
            "GET",
            "/system/function/one?namespace=dev",
            Value::Null,
            [200, 0, 200],
        ),
        (
            "GET",
            "/system/function/one?namespace=none",
            Value::Null,
            [404, 0, 400],
        ),
        ("POST", "/system/scale-function/one", scale, [202, 0, 200]),
        (
            "GET",
            "/system/functions?namespace=a%26namespace=dev",
            Value::Null,
            [400, 0, 400],
        ),
    ]);
    one_is_in_both_namespaces(stage);
    stage.check(&[
        (
            "DELETE",
            "/system/functions",
            json!({"functionName": "one", "namespace": "dev"}),
            [200, 0, 200],
        ),
        ("GET", "/system/function/one", Value::Null, [200, 0, 200]),
        (
            "GET",
            "/system/function/one?namespace=dev",
            Value::Null,
            [404, 0, 404],
        ),
    ]);
}

fn one_is_in_both_namespaces(stage: &Stage) {
    let names = stage.json("/system/namespaces");
    assert_eq!(names, json!(["dev", "openfaas-fn"]));
    for namespace in ["dev", "openfaas-fn"] {
        let rows = stage.json(&format!("/system/functions?namespace={namespace}"));
        let found = (rows.as_array().map(Vec::len), &rows[0]["namespace"]);
        assert_eq!(found, (Some(1), &json!(namespace)));
    }
    for target in [
        "/function/one.dev/x",
        "/function/one/x",
        "/function/one.openfaas-fn/x",
    ] {
        let reply = stage.gateway.call("GET", target, b"body");
        assert!(
            reply.status == 200 && reply.text().ends_with("body"),
            "{reply:?}"
        );
        let seen = stage.seen(&format!("GET {target}"));
        assert!(stage.provider.is_none() || seen.len() == 1, "{target}");
    }
}
