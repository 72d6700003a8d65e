//! List, deploy, update, delete, status and scale.

use serde_json::{Value, json};

use super::json::{check_function, check_functions};
use super::scenes::on_every_provider;
use super::stage::{Behind, Stage, deployment};

on_every_provider!(
    the_life_of_a_function_has_the_providers_codes,
    lists_and_statuses_say_what_they_are,
    bad_requests_are_400,
    deletions_reach_the_named_function,
    replicas_that_are_zero_are_not_null,
);

fn the_life_of_a_function_has_the_providers_codes(stage: &Stage) {
    let one = deployment("one");
    stage.check(&[
        ("GET", "/system/functions", Value::Null, [200; 3]),
        // faas-cli deploys with PUT and falls back to POST on exactly 404.
        ("PUT", "/system/functions", one.clone(), [404; 3]),
        ("POST", "/system/functions", one.clone(), [202, 202, 200]),
        ("PUT", "/system/functions", one, [200, 202, 200]),
        ("GET", "/system/function/one", Value::Null, [200; 3]),
        ("GET", "/system/function/one?usage=1", Value::Null, [200; 3]),
        ("GET", "/system/function/none", Value::Null, [404; 3]),
        (
            "POST",
            "/system/scale-function/one",
            json!({"serviceName": "one", "replicas": 1}),
            [202, 202, 200],
        ),
        (
            "POST",
            "/system/scale-function/none",
            json!({"serviceName": "none", "replicas": 1}),
            [404, 500, 404],
        ),
        (
            "DELETE",
            "/system/functions",
            json!({"functionName": "one"}),
            [200, 202, 200],
        ),
        (
            "DELETE",
            "/system/functions",
            json!({"functionName": "one"}),
            [404; 3],
        ),
    ]);
    let missing = stage.admin("GET", "/system/function/none", &Value::Null);
    assert_eq!(missing.text(), "", "404 of a status has no body");
}

fn lists_and_statuses_say_what_they_are(stage: &Stage) {
    let empty = stage.admin("GET", "/system/functions", &Value::Null);
    assert_eq!(empty.text().trim(), "[]");
    stage.deploy("one");
    stage.deploy("two");
    for target in ["/system/functions", "/system/function/one"] {
        let reply = stage.admin("GET", target, &Value::Null);
        let kind = reply.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/json"), "{target}: {kind}");
    }
    let rows = stage.json("/system/functions");
    check_functions(&rows);
    let names: Vec<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|r| r["name"].as_str())
        .collect();
    assert_eq!(names, ["one", "two"]);
    let one = stage.json("/system/function/one");
    check_function(&one);
    for (field, value) in [
        ("/name", "one"),
        ("/namespace", "openfaas-fn"),
        ("/image", "test/image:1.0"),
        ("/envProcess", "tee /dev/stderr"),
        ("/labels/team", "a"),
        ("/annotations/note", "b"),
    ] {
        assert_eq!(
            one.pointer(field).and_then(Value::as_str),
            Some(value),
            "{one}"
        );
        assert_eq!(rows[0].pointer(field), one.pointer(field), "{rows}");
    }
    assert_eq!(
        (&one["replicas"], &one["availableReplicas"]),
        (&json!(1), &json!(1))
    );
    let named = stage.json("/system/functions?namespace=openfaas-fn");
    assert_eq!(named.as_array().map(Vec::len), Some(2));
}

fn bad_requests_are_400(stage: &Stage) {
    stage.deploy("one");
    for (method, target) in [
        ("POST", "/system/functions"),
        ("PUT", "/system/functions"),
        ("DELETE", "/system/functions"),
        ("POST", "/system/scale-function/one"),
    ] {
        for body in ["", "{", "[]", "nonsense"] {
            let reply = stage.gateway.admin(method, target, body.as_bytes());
            assert_eq!(
                reply.status,
                400,
                "{method} {target} {body:?}: {}",
                reply.text()
            );
        }
    }
    stage.check(&[
        (
            "POST",
            "/system/functions",
            json!({"service": "Bad/Name", "image": "x"}),
            [400; 3],
        ),
        (
            "DELETE",
            "/system/functions",
            json!({"functionName": ""}),
            [400; 3],
        ),
        ("POST", "/system/functions", secretive(), [400; 3]),
    ]);
}

fn secretive() -> Value {
    let mut function = deployment("secretive");
    function["secrets"] = json!(["nobody-knows"]);
    function
}

/// With the namespace in the body as faas-cli sends it, in the query, and without.
fn deletions_reach_the_named_function(stage: &Stage) {
    for (target, body) in [
        ("/system/functions", json!({"functionName": "one"})),
        (
            "/system/functions",
            json!({"functionName": "one", "namespace": "openfaas-fn"}),
        ),
        (
            "/system/functions?namespace=openfaas-fn",
            json!({"functionName": "one"}),
        ),
    ] {
        stage.deploy("one");
        stage.deploy("two");
        let reply = stage.admin("DELETE", target, &body);
        assert_eq!(
            reply.status,
            stage.behind.of([200, 202, 200]),
            "{target} {body}"
        );
        let rows = stage.json("/system/functions");
        assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
        assert_eq!(rows[0]["name"], "two");
        stage.admin(
            "DELETE",
            "/system/functions",
            &json!({"functionName": "two"}),
        );
    }
}

fn replicas_that_are_zero_are_not_null(stage: &Stage) {
    stage.deploy("one");
    match &stage.provider {
        Some(provider) => provider.set_replicas("one", 0),
        None => {
            stage.gateway.scale("one", 0);
            stage.gateway.await_replicas("one", 0);
        }
    }
    for document in [
        stage.json("/system/function/one"),
        stage.json("/system/functions")[0].clone(),
    ] {
        check_function(&document);
        for field in ["replicas", "availableReplicas"] {
            assert_eq!(
                document.get(field).and_then(Value::as_u64).unwrap_or(0),
                0,
                "{document}"
            );
        }
    }
}

#[test]
fn scaling_to_zero_and_above_five_is_allowed() {
    let stage = Stage::start(Behind::BuiltIn);
    stage.deploy("one");
    for replicas in [0, 6, 1] {
        stage.gateway.scale("one", replicas);
        stage.gateway.await_replicas("one", replicas);
    }
}

#[test]
fn a_maximum_of_replicas_cuts_what_is_asked_for() {
    let stage = Stage::with(Behind::Netes, &[("RINGWAY_REPLICAS_MAX", "3")]);
    let provider = stage.provider.as_ref().unwrap();
    stage.deploy("one");
    stage.gateway.scale("one", 4);
    assert_eq!(provider.replicas("one"), Some(3));
    stage.gateway.scale("one", 2);
    assert_eq!(provider.replicas("one"), Some(2));
}
