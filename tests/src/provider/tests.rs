//! The scripted provider acts as the real ones do.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Kind, Options, Provider, Readiness};
use crate::server::{Answer, Vice};
use crate::{Client, Credentials, Reply, eventually, request};

fn call(provider: &Provider, method: &str, target: &str, body: Value) -> Reply {
    let target = format!("{}{target}", provider.options().base);
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    request(
        provider.server().address(),
        method,
        &target,
        &[],
        body.as_bytes(),
    )
    .unwrap()
}

fn get(provider: &Provider, target: &str) -> Value {
    let reply = call(provider, "GET", target, Value::Null);
    assert_eq!(reply.status, 200, "{target}: {}", reply.text());
    serde_json::from_slice(&reply.body).unwrap()
}

fn check(provider: &Provider, rows: &[(&str, &str, Value, u16)]) {
    for (method, target, body, status) in rows {
        let reply = call(provider, method, target, body.clone());
        assert_eq!(
            reply.status,
            *status,
            "{method} {target} {body}: {}",
            reply.text()
        );
    }
}

#[test]
fn netes_answers_changes_with_202_and_reads_path_and_query() {
    let provider = Provider::start(Kind::Netes);
    let one = json!({"service": "one", "image": "i", "envVars": {"A": "b"}, "future": [1]});
    check(
        &provider,
        &[
            ("PUT", "/system/functions", one.clone(), 404),
            ("POST", "/system/functions", one.clone(), 202),
            ("POST", "/system/functions", one.clone(), 500),
            ("PUT", "/system/functions", one, 202),
            (
                "POST",
                "/system/functions",
                json!({"service": "No", "image": "i"}),
                400,
            ),
            ("POST", "/system/functions", json!("text"), 400),
            ("GET", "/system/functions?namespace=other", Value::Null, 400),
            ("GET", "/system/function/none", Value::Null, 404),
            (
                "POST",
                "/system/scale-function/one",
                json!({"replicas": 9}),
                202,
            ),
            (
                "POST",
                "/system/scale-function/one",
                json!({"replicas": 0}),
                400,
            ),
            (
                "POST",
                "/system/scale-function/none",
                json!({"replicas": 1}),
                500,
            ),
            ("GET", "/system/namespace/x", Value::Null, 501),
            ("POST", "/system/namespace/", json!({"name": "x"}), 405),
            ("PATCH", "/system/functions", Value::Null, 405),
            ("GET", "/system/nothing", Value::Null, 404),
        ],
    );
    assert_eq!(provider.replicas("one"), Some(5));
    let row = &get(&provider, "/system/functions")[0];
    assert_eq!(row, &get(&provider, "/system/function/one"));
    for (pointer, value) in [
        ("/name", json!("one")),
        ("/namespace", json!("openfaas-fn")),
        ("/availableReplicas", json!(5)),
        ("/labels/faas_function", json!("one")),
        ("/annotations/prometheus.io.scrape", json!("false")),
        ("/future", json!([1])),
    ] {
        assert_eq!(row.pointer(pointer), Some(&value), "{pointer}: {row}");
    }
    assert!(
        row["labels"]["uid"].is_string() && row.get("envVars").is_none(),
        "{row}"
    );
    let body = json!({"functionName": "one", "namespace": "ignored"});
    check(
        &provider,
        &[
            ("DELETE", "/system/functions", body.clone(), 202),
            ("DELETE", "/system/functions", body, 404),
        ],
    );
}

#[test]
fn faasd_answers_changes_with_200_and_reads_the_body() {
    let provider = Provider::start(Kind::Faasd);
    provider.add_namespace("dev");
    let one = json!({"service": "one", "namespace": "dev", "image": "i", "envVars": {"A": "b"}});
    let scale =
        |name: &str, n: u32| json!({"serviceName": name, "namespace": "dev", "replicas": n});
    check(
        &provider,
        &[
            ("PUT", "/system/functions", one.clone(), 404),
            ("POST", "/system/functions", one.clone(), 200),
            ("PUT", "/system/functions", one, 200),
            (
                "GET",
                "/system/functions?namespace=unlabelled",
                Value::Null,
                400,
            ),
            ("GET", "/system/function/one", Value::Null, 404),
            (
                "POST",
                "/system/scale-function/ignored",
                scale("one", 3),
                200,
            ),
            ("POST", "/system/scale-function/one", scale("none", 1), 404),
            (
                "POST",
                "/system/scale-function/one",
                json!({"replicas": 1}),
                404,
            ),
            ("POST", "/system/scale-function/one", scale("one", 0), 400),
        ],
    );
    assert_eq!(provider.replicas("one.dev"), Some(1));
    let row = &get(&provider, "/system/functions?namespace=dev")[0];
    assert!(row.get("availableReplicas").is_none(), "{row}");
    assert_eq!(row["envVars"]["A"], "b");
    let one = get(&provider, "/system/function/one?namespace=dev");
    assert_eq!(one["availableReplicas"], 1);
    let reply = call(&provider, "GET", "/healthz", Value::Null);
    assert!(reply.header("x-openfaas-eula").is_some());
    let body = json!({"functionName": "one", "namespace": "dev"});
    check(&provider, &[("DELETE", "/system/functions", body, 200)]);
}

#[test]
fn zero_counts_are_absent_and_creation_never_is() {
    let provider = Provider::start(Kind::Netes);
    provider.add_document(
        &json!({"service": "one", "image": "i"}),
        Readiness::AtOnce,
        0,
    );
    let one = get(&provider, "/system/function/one");
    assert!(one.get("replicas").is_none() && one.get("availableReplicas").is_none());
    assert!(one["createdAt"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn readiness_is_as_scripted() {
    let provider = Provider::with(Options::of(Kind::Netes).with_zero());
    let available = |name: &str| {
        get(&provider, &format!("/system/function/{name}"))["availableReplicas"].as_u64()
    };
    provider.add("never", Readiness::Never);
    provider.add("now", Readiness::AtOnce);
    provider.add("later", Readiness::After(Duration::from_millis(50)));
    assert_eq!((available("never"), available("now")), (None, Some(1)));
    eventually("readiness", Duration::from_secs(5), || available("later"));
    check(
        &provider,
        &[
            (
                "POST",
                "/system/scale-function/now",
                json!({"replicas": 0}),
                202,
            ),
            ("GET", "/function/now", Value::Null, 503),
            (
                "POST",
                "/system/scale-function/now",
                json!({"replicas": 1}),
                202,
            ),
            ("GET", "/function/now.openfaas-fn/x", Value::Null, 200),
            ("GET", "/function/never", Value::Null, 503),
            ("PROPFIND", "/function/now", Value::Null, 405),
        ],
    );
}

#[test]
fn functions_echo_what_they_got() {
    let provider = Provider::start(Kind::Netes);
    provider.add("one", Readiness::AtOnce);
    let address = provider.server().address();
    let target = "/function/one/a%2Fb;c?d=%20+";
    let reply = request(address, "POST", target, &[("X-A", "b")], b"body").unwrap();
    assert!(
        reply
            .text()
            .starts_with(&format!("POST {target} HTTP/1.1\r\n"))
    );
    assert!(reply.text().contains("X-A: b\r\n") && reply.text().ends_with("\r\n\r\nbody"));
    let reply = request(address, "GET", "/function/two", &[], b"").unwrap();
    assert_eq!(
        (reply.status, reply.header("x-openfaas-internal")),
        (503, Some("proxy"))
    );
    let reply = request(address, "GET", "/function/one/a/%2e%2e/b", &[], b"").unwrap();
    assert_eq!(
        (reply.status, reply.header("location")),
        (301, Some("/function/one/b"))
    );
}

#[test]
fn secrets_have_each_providers_codes() {
    let name = |name: &str| json!({"name": name, "value": "v"});
    let raw = json!({"name": "raw", "value": "v", "rawValue": "AP8="});
    let netes = Provider::start(Kind::Netes);
    check(
        &netes,
        &[
            ("POST", "/system/secrets", name("s"), 202),
            ("POST", "/system/secrets", name("s"), 409),
            ("PUT", "/system/secrets", name("s"), 202),
            ("PUT", "/system/secrets", name("t"), 404),
            ("POST", "/system/secrets", name("../t"), 422),
            (
                "POST",
                "/system/secrets",
                json!({"name": "s", "namespace": "x"}),
                400,
            ),
            ("POST", "/system/secrets", raw, 202),
            ("DELETE", "/system/secrets", name("s"), 202),
            ("DELETE", "/system/secrets", name("s"), 404),
        ],
    );
    let listed = get(&netes, "/system/secrets");
    assert_eq!(listed, json!([{"name": "raw", "namespace": "openfaas-fn"}]));
    assert_eq!(netes.secret("openfaas-fn", "raw"), Some(vec![0, 255]));
    let faasd = Provider::start(Kind::Faasd);
    check(
        &faasd,
        &[
            ("POST", "/system/secrets", name("s"), 200),
            ("POST", "/system/secrets", name("s"), 200),
            ("PUT", "/system/secrets", name("t"), 200),
            ("POST", "/system/secrets", name("../t"), 400),
            ("POST", "/system/secrets", json!([]), 500),
            ("DELETE", "/system/secrets", name("s"), 200),
            ("DELETE", "/system/secrets", name("s"), 500),
            ("DELETE", "/system/secrets?namespace=dev", name("t"), 500),
        ],
    );
}

#[test]
fn faasd_makes_and_removes_namespaces() {
    let faasd = Provider::start(Kind::Faasd);
    let dev = json!({"name": "dev", "labels": {"openfaas": "1", "team": "a"}});
    let bare = json!({"name": "dev", "labels": {"openfaas": "1"}});
    check(
        &faasd,
        &[
            ("POST", "/system/namespace/", dev.clone(), 201),
            ("POST", "/system/namespace/dev", dev.clone(), 409),
            ("POST", "/system/namespace/", json!({"name": "x"}), 400),
            ("GET", "/system/namespace/dev", Value::Null, 200),
            ("PUT", "/system/namespace/dev", bare.clone(), 202),
            ("PUT", "/system/namespace/other", dev, 400),
            ("GET", "/system/namespace/none", Value::Null, 404),
        ],
    );
    let labels = get(&faasd, "/system/namespace/dev");
    assert_eq!(labels, json!({"name": "dev", "labels": {"openfaas": "1"}}));
    assert_eq!(
        get(&faasd, "/system/namespaces"),
        json!(["dev", "openfaas-fn"])
    );
    check(
        &faasd,
        &[
            ("DELETE", "/system/namespace/dev", bare.clone(), 202),
            ("DELETE", "/system/namespace/dev", bare, 404),
        ],
    );
}

fn lines(reply: &Reply) -> Vec<Value> {
    let text = reply.text();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

#[test]
fn logs_are_filtered_and_shaped_by_each_provider() {
    let netes = Provider::start(Kind::Netes);
    for text in ["one", "two", "three"] {
        netes.log("fn", text);
    }
    netes.log_of("openfaas-fn", "fn", "other", "four");
    let logs = |query: &str| call(&netes, "GET", &format!("/system/logs?{query}"), Value::Null);
    let reply = logs("name=fn");
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    let all = lines(&reply);
    assert_eq!(all.len(), 4);
    assert_eq!(
        (&all[0]["text"], &all[0]["namespace"]),
        (&json!("one\n"), &json!(""))
    );
    assert_eq!(lines(&logs("name=fn&tail=9&tail=2"))[0]["text"], "three\n");
    assert_eq!(lines(&logs("name=fn&instance=other")).len(), 1);
    assert_eq!(lines(&logs("name=fn&since=2999-01-01T00:00:00Z")).len(), 0);
    assert_eq!(lines(&logs("name=unknown")).len(), 0);
    for bad in ["tail=x", "since=yesterday"] {
        assert_eq!(logs(&format!("name=fn&{bad}")).status, 422, "{bad}");
    }
    let faasd = Provider::start(Kind::Faasd);
    faasd.log("fn", "one");
    let all = lines(&call(&faasd, "GET", "/system/logs?name=fn", Value::Null));
    assert_eq!(
        (&all[0]["text"], &all[0]["namespace"]),
        (&json!("one"), &json!("openfaas-fn"))
    );
}

#[test]
fn followers_get_lines_until_they_leave_or_are_told() {
    let provider = Provider::start(Kind::Netes);
    let follow = || {
        let mut client = Client::connect(provider.server().address()).unwrap();
        client
            .send(b"GET /system/logs?name=fn&follow=1 HTTP/1.1\r\n\r\n")
            .unwrap();
        assert!(
            client.line().unwrap().contains("200"),
            "the head comes at once"
        );
        while !client.line().unwrap().is_empty() {}
        client
    };
    let followers = |n| {
        eventually("followers", Duration::from_secs(5), || {
            (provider.followers() == n).then_some(())
        });
    };
    let (mut stays, leaves) = (follow(), follow());
    followers(2);
    provider.log("fn", "hello");
    stays.line().unwrap();
    assert!(stays.line().unwrap().contains("hello"));
    drop(leaves);
    followers(1);
    provider.end_logs();
    assert_eq!(stays.line().unwrap(), "0");
}

#[test]
fn credentials_and_a_base_path_are_asked_for() {
    let options = Options::of(Kind::Netes)
        .guarded("admin", "secret")
        .under("/base");
    let provider = Provider::with(options);
    provider.add("fn", Readiness::AtOnce);
    let address = provider.server().address();
    let status = |target: &str, authorization: &str| {
        let headers = [("Authorization", authorization)];
        request(address, "GET", target, &headers, b"").unwrap()
    };
    let good = Credentials::new("admin", "secret").header();
    assert_eq!(status("/base/system/functions", &good).status, 200);
    let refused = status("/base/system/functions", "Basic eDp5");
    assert_eq!(
        (refused.status, refused.header("www-authenticate")),
        (401, Some("Basic realm=\"Restricted\""))
    );
    for (target, code) in [
        ("/base/system/namespaces", 200),
        ("/base/function/fn", 200),
        ("/base/healthz", 200),
        ("/base/system/info", 401),
        ("/system/functions", 404),
    ] {
        assert_eq!(status(target, "").status, code, "{target}");
    }
    assert_eq!(provider.count("GET /system/functions"), 3);
    assert_eq!(provider.requests("/healthz").len(), 1);
}

#[test]
fn scripts_apply_until_they_are_taken_back() {
    let provider = Provider::start(Kind::Netes);
    let address = provider.server().address();
    let status = |target: &str| {
        request(address, "GET", target, &[], b"")
            .map(|r| r.status)
            .ok()
    };
    provider.script("GET /system/functions", Vice::Answer(Answer::status(418)));
    provider.script_times("/healthz", 1, Vice::Bytes(b"SSH-2.0\r\n".to_vec()));
    assert_eq!(status("/system/functions"), Some(418));
    assert_eq!((status("/healthz"), status("/healthz")), (None, Some(200)));
    provider.script("/system/info", Vice::Hold);
    let held = std::thread::spawn(move || request(address, "GET", "/system/info", &[], b""));
    eventually("the held request", Duration::from_secs(5), || {
        (provider.count("/system/info") == 1).then_some(())
    });
    provider.behave();
    assert_eq!(held.join().unwrap().unwrap().status, 200);
    assert_eq!(status("/system/functions"), Some(200));
}

#[test]
fn ten_thousand_functions_are_listed() {
    let provider = Provider::start(Kind::Faasd);
    provider.add_many(10_000);
    for _ in 0..2 {
        assert_eq!(
            get(&provider, "/system/functions").as_array().map(Vec::len),
            Some(10_000)
        );
    }
}
