//! Bodies, statuses, headers and credentials pass between client and provider unchanged.

use ringway_tests::provider::{Kind, Options, Provider};
use ringway_tests::server::{Answer, Vice};
use ringway_tests::{Credentials, Gateway, request};
use serde_json::{Value, json};

fn guarded(kind: Kind) -> (Provider, Gateway) {
    let provider = Provider::with(Options::of(kind).guarded("admin", "secret"));
    let gateway = Gateway::behind(&provider, &[]);
    (provider, gateway)
}

#[test]
fn unknown_fields_of_deployments_reach_the_provider_and_come_back() {
    for kind in [Kind::Netes, Kind::Faasd] {
        let (provider, gateway) = guarded(kind);
        let body = json!({
            "service": "one",
            "image": "i",
            "labels": {"a": "b"},
            "future": {"deep": [1, 2.5, null, "ä"]},
            "registryAuth": "ignored",
        });
        for method in ["POST", "PUT"] {
            let reply = gateway.admin(method, "/system/functions", body.to_string().as_bytes());
            assert_eq!(reply.status, kind.changed(), "{method}");
            let mut kept = provider.document("one").unwrap();
            kept.remove("namespace");
            assert_eq!(Value::Object(kept), body, "{method}");
        }
        for target in ["/system/functions", "/system/function/one"] {
            let reply: Value =
                serde_json::from_slice(&gateway.admin("GET", target, b"").body).unwrap();
            let one = if reply.is_array() { &reply[0] } else { &reply };
            assert_eq!(one["future"], body["future"], "{target}: {reply}");
            assert!(one["createdAt"].is_string(), "{target}: {reply}");
        }
    }
}

#[test]
fn errors_of_the_provider_pass_with_their_bodies() {
    let (provider, gateway) = guarded(Kind::Netes);
    for (line, body) in [
        ("POST /system/functions", r#"{"service":"x","image":"i"}"#),
        ("PUT /system/functions", r#"{"service":"x","image":"i"}"#),
        ("DELETE /system/functions", r#"{"functionName":"x"}"#),
        ("GET /system/functions", ""),
        ("GET /system/function/x", ""),
        (
            "POST /system/scale-function/x",
            r#"{"serviceName":"x","replicas":1}"#,
        ),
        ("POST /system/secrets", r#"{"name":"x"}"#),
        ("GET /system/secrets", ""),
        ("GET /system/namespaces", ""),
        ("PUT /system/namespace/x", r#"{"name":"x"}"#),
        ("GET /system/telemetry", ""),
    ] {
        let (method, target) = line.split_once(' ').unwrap();
        for status in [400, 403, 409, 418, 422, 500, 503] {
            let answer = Answer::text(status, "the reason: ä\n");
            provider.behave();
            provider.script(line, Vice::Answer(answer.header("X-Theirs", "kept")));
            let reply = gateway.admin(method, target, body.as_bytes());
            assert_eq!(
                (reply.status, reply.text().as_str()),
                (status, "the reason: ä\n"),
                "{line}"
            );
            let kind = reply.header("content-type").unwrap_or_default();
            assert!(kind.starts_with("text/plain"), "{line}: {kind}");
        }
    }
}

#[test]
fn successes_of_the_provider_pass_byte_for_byte() {
    let (provider, gateway) = guarded(Kind::Netes);
    let odd = "{ \"name\" :\"x\",\n\t\"image\":\"i\", \"replicas\":null, \"n\": 1.0e2 }\n";
    for target in [
        "/system/function/x",
        "/system/secrets",
        "/system/namespaces",
        "/system/telemetry",
    ] {
        provider.script(target, Vice::Answer(Answer::raw_json(odd)));
        let reply = gateway.admin("GET", target, b"");
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (200, odd),
            "{target}"
        );
        assert_eq!(
            reply.header("content-type"),
            Some("application/json"),
            "{target}"
        );
    }
    for status in [200, 201, 202, 204] {
        provider.behave();
        provider.script("POST /system/secrets", Vice::Answer(Answer::status(status)));
        let reply = gateway.admin("POST", "/system/secrets", br#"{"name":"x"}"#);
        assert_eq!(reply.status, status);
    }
}

#[test]
fn system_requests_carry_the_gateways_credentials() {
    let (provider, gateway) = guarded(Kind::Faasd);
    provider.log("one", "line");
    let wanted = Credentials::new("admin", "secret").header();
    for (method, target, body) in [
        (
            "POST",
            "/system/functions",
            r#"{"service":"one","image":"i"}"#,
        ),
        (
            "PUT",
            "/system/functions",
            r#"{"service":"one","image":"i"}"#,
        ),
        ("GET", "/system/functions", ""),
        ("GET", "/system/function/one", ""),
        (
            "POST",
            "/system/scale-function/one",
            r#"{"serviceName":"one","replicas":1}"#,
        ),
        ("GET", "/system/info", ""),
        ("GET", "/system/secrets", ""),
        ("POST", "/system/secrets", r#"{"name":"s","value":"v"}"#),
        ("GET", "/system/logs?name=one", ""),
        ("GET", "/system/namespaces", ""),
        ("GET", "/system/namespace/openfaas-fn", ""),
        ("GET", "/system/telemetry", ""),
        ("DELETE", "/system/secrets", r#"{"name":"s"}"#),
        ("DELETE", "/system/functions", r#"{"functionName":"one"}"#),
    ] {
        let reply = gateway.admin(method, target, body.as_bytes());
        assert!(
            matches!(reply.status, 200..=202),
            "{method} {target}: {reply:?}"
        );
    }
    for seen in provider.requests("/system/") {
        assert_eq!(
            seen.values("authorization"),
            [wanted.as_str()],
            "{}",
            seen.line()
        );
    }
}

#[test]
fn functions_see_the_clients_authorization_and_no_other() {
    let (provider, gateway) = guarded(Kind::Netes);
    gateway.deploy(&ringway_tests::Deployment::streaming("one", "cat"));
    assert_eq!(gateway.call("GET", "/function/one/none", b"").status, 200);
    let own = Credentials::new("user", "their own").header();
    for value in ["Bearer abc.def", own.as_str(), "Custom x=\"y\""] {
        let headers = [("Authorization", value)];
        let reply = request(gateway.address, "GET", "/function/one/some", &headers, b"");
        assert_eq!(reply.unwrap().status, 200);
    }
    let sent: Vec<Vec<String>> = provider
        .requests("/function/one")
        .iter()
        .map(|seen| {
            seen.values("authorization")
                .into_iter()
                .map(str::to_owned)
                .collect()
        })
        .collect();
    let wanted = ["Bearer abc.def", &own, "Custom x=\"y\""].map(|v| vec![v.to_owned()]);
    assert_eq!(sent[0], Vec::<String>::new());
    assert_eq!(sent[1..], wanted);
}

#[test]
fn functions_ask_for_their_own_credentials() {
    let (provider, gateway) = guarded(Kind::Netes);
    provider.add("one", ringway_tests::provider::Readiness::AtOnce);
    let answer = Answer::text(401, "who are you").header("WWW-Authenticate", "Bearer realm=\"fn\"");
    provider.script("/function/one", Vice::Answer(answer));
    let reply = gateway.call("GET", "/function/one", b"");
    assert_eq!(
        (reply.status, reply.header("www-authenticate")),
        (401, Some("Bearer realm=\"fn\""))
    );
}

/// As in OpenFaaS a client's own credentials pass on to it; the gateway adds none.
#[test]
fn another_log_server_gets_no_credentials_of_the_gateway() {
    let provider = Provider::with(Options::of(Kind::Netes).guarded("admin", "secret"));
    let logs = Provider::start(Kind::Faasd);
    logs.log("one", "from the log server");
    let gateway = Gateway::behind(&provider, &[("logs_provider_url", &logs.url())]);
    let own = Credentials::new("admin", "secret").header();
    // Another spelling of the scheme tells the client's header from one of the gateway's.
    let theirs = own.replacen("Basic", "bAsIc", 1);
    let headers = [("Authorization", theirs.as_str())];
    let reply = request(
        gateway.address,
        "GET",
        "/system/logs?name=one",
        &headers,
        b"",
    )
    .unwrap();
    assert!(reply.text().contains("from the log server"), "{reply:?}");
    assert_eq!(provider.count("/system/logs"), 0);
    let seen = logs.requests("/system/logs");
    assert!(
        seen[0]
            .header("authorization")
            .is_none_or(|sent| sent == theirs),
        "{}",
        seen[0].head
    );
}

#[test]
fn pro_labels_that_netes_refuses_are_refused_in_its_words() {
    let (_provider, gateway) = guarded(Kind::Netes);
    for (label, value) in [
        ("com.openfaas.scale.zero", "true"),
        ("com.openfaas.scale.target", "50"),
        ("com.openfaas.scale.max", "20"),
    ] {
        let body = json!({"service": "one", "image": "i", "labels": {label: value}});
        let reply = gateway.admin("POST", "/system/functions", body.to_string().as_bytes());
        assert!(
            reply.status == 400 && reply.text().contains(label),
            "{reply:?}"
        );
    }
    // Its refusal to scale to zero as well.
    gateway.deploy(&ringway_tests::Deployment::streaming("one", "cat"));
    let body = br#"{"serviceName":"one","replicas":0}"#;
    let reply = gateway.admin("POST", "/system/scale-function/one", body);
    assert!(
        reply.status == 400 && reply.text().contains("edition"),
        "{reply:?}"
    );
}
