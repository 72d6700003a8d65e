//! Names and namespaces: sent wherever a provider may look for them, never as something else.

use ringway_tests::Gateway;
use ringway_tests::provider::{Kind, Options, Provider, Readiness};
use ringway_tests::server::Seen;
use serde_json::{Value, json};

fn start(kind: Kind) -> (Provider, Gateway) {
    let provider = Provider::with(Options::of(kind).with_zero());
    provider.add_namespace("dev");
    let gateway = Gateway::behind(&provider, &[]);
    (provider, gateway)
}

/// The namespace that a reader of the query sees, and the one that a reader of the body sees.
fn both(seen: &Seen) -> (Option<String>, Value) {
    (
        seen.parameter("namespace"),
        seen.json()["namespace"].clone(),
    )
}

#[test]
fn changes_carry_the_namespace_in_query_and_body() {
    let (provider, gateway) = start(Kind::Faasd);
    for (method, path, body) in [
        (
            "POST",
            "/system/functions",
            json!({"service": "one", "image": "i"}),
        ),
        (
            "PUT",
            "/system/functions",
            json!({"service": "one", "image": "i"}),
        ),
        (
            "POST",
            "/system/scale-function/one",
            json!({"serviceName": "one", "replicas": 1}),
        ),
        (
            "DELETE",
            "/system/functions",
            json!({"functionName": "one"}),
        ),
        (
            "POST",
            "/system/secrets",
            json!({"name": "s", "value": "v"}),
        ),
        ("PUT", "/system/secrets", json!({"name": "s", "value": "v"})),
        ("DELETE", "/system/secrets", json!({"name": "s"})),
    ] {
        let mut named = body.clone();
        named["namespace"] = "dev".into();
        let sent = [
            (path.to_owned(), &named),
            (format!("{path}?namespace=dev"), &body),
            (format!("{path}?namespace=dev"), &named),
        ];
        for (target, body) in sent {
            provider.server().forget();
            let _ = gateway.admin(method, &target, body.to_string().as_bytes());
            let seen = provider.requests(&format!("{method} {path}"));
            let wanted = (Some("dev".to_owned()), json!("dev"));
            assert_eq!(
                both(seen.last().unwrap()),
                wanted,
                "{method} {target} {body}"
            );
        }
    }
}

#[test]
fn a_scale_request_names_the_function_in_path_and_body() {
    let (provider, gateway) = start(Kind::Faasd);
    provider.add("one", Readiness::AtOnce);
    for body in [
        json!({"replicas": 1}),
        json!({"serviceName": "one", "replicas": 1}),
    ] {
        let _ = gateway.admin(
            "POST",
            "/system/scale-function/one",
            body.to_string().as_bytes(),
        );
        let seen = provider.requests("POST /system/scale-function/one");
        let seen = seen.last().unwrap().json();
        assert_eq!(
            (&seen["serviceName"], &seen["replicas"]),
            (&json!("one"), &json!(1)),
            "{body}"
        );
    }
}

#[test]
fn a_body_without_namespace_arrives_as_it_was() {
    let (provider, gateway) = start(Kind::Netes);
    let body = "{\"service\": \"one\",\n  \"image\":\"i\", \"x\": 1.50}";
    let reply = gateway.admin("POST", "/system/functions", body.as_bytes());
    assert_eq!(reply.status, 202);
    let seen = provider.requests("POST /system/functions");
    let mut sent = seen[0].json();
    if let Some(fields) = sent.as_object_mut() {
        // The default may be spelled out.
        let namespace = fields.remove("namespace");
        assert!(namespace.is_none_or(|n| n == "openfaas-fn"));
    }
    assert_eq!(sent, serde_json::from_str::<Value>(body).unwrap());
    assert!(
        seen[0].header("content-length").is_some(),
        "{}",
        seen[0].head
    );
    assert_eq!(seen[0].values("transfer-encoding"), Vec::<&str>::new());
}

#[test]
fn a_namespace_of_the_url_is_one_parameter_whatever_is_in_it() {
    let (provider, gateway) = start(Kind::Netes);
    for namespace in ["a%26usage%3D1", "a%23b", "a%2Fb", "%C3%A4", "a%20b"] {
        provider.server().forget();
        let _ = gateway.admin(
            "GET",
            &format!("/system/function/one?namespace={namespace}"),
            b"",
        );
        let seen = provider.requests("GET /system/function/one");
        let wanted = ringway_tests::server::decode(namespace, true);
        assert_eq!(
            seen[0].parameter("namespace"),
            Some(wanted),
            "{}",
            seen[0].line()
        );
        assert_eq!(
            seen[0].query().matches("namespace").count(),
            1,
            "{}",
            seen[0].line()
        );
    }
}

/// The text behind the last dot is the namespace.
#[test]
fn functions_of_other_namespaces_are_woken_where_they_are() {
    for kind in [Kind::Netes, Kind::Faasd] {
        let namespace = if kind == Kind::Netes {
            "openfaas-fn"
        } else {
            "dev"
        };
        let provider = Provider::start(kind);
        let document = json!({"service": "one", "namespace": namespace, "image": "i"});
        provider.add_document(&document, Readiness::AtOnce, 0);
        let gateway = Gateway::behind(&provider, &[]);
        let reply = gateway.call("GET", &format!("/function/one.{namespace}/x"), b"");
        assert_eq!(reply.status, 200, "{kind:?}: {}", reply.text());
        let scaled = provider.requests("POST /system/scale-function/one");
        assert_eq!(
            both(&scaled[0]),
            (Some(namespace.to_owned()), json!(namespace)),
            "{kind:?}"
        );
        assert_eq!(scaled[0].json()["serviceName"], "one");
        assert_eq!(provider.replicas(&format!("one.{namespace}")), Some(1));
    }
}

#[test]
fn names_that_are_no_names_reach_nobody() {
    let (provider, gateway) = start(Kind::Netes);
    provider.add("one", Readiness::AtOnce);
    for path in [
        "/function/",
        "/function//",
        "/function/.openfaas-fn",
        "/function/%6Fne%3F/x",
    ] {
        let reply = gateway.call("GET", path, b"");
        assert!(
            matches!(reply.status, 301 | 400 | 404 | 503),
            "{path}: {reply:?}"
        );
    }
    assert_eq!(provider.count("/system/scale-function/"), 0);
}

#[test]
fn every_namespace_of_the_provider_is_watched() {
    let (provider, gateway) = start(Kind::Faasd);
    let document = json!({"service": "two", "namespace": "dev", "image": "i"});
    provider.add_document(&document, Readiness::AtOnce, 1);
    provider.add("one", Readiness::AtOnce);
    for name in ["one.openfaas-fn", "two.dev"] {
        let series = format!("gateway_service_count{{function_name=\"{name}\"}}");
        gateway.await_metric(&series, 1.0);
    }
}
