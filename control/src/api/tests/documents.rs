//! Documents in, and what the provider is told.

use http::Request;
use http_body_util::Full;
use serde_json::Value;

use super::server::Server;
use crate::api::body::BYTES_MAX;

#[tokio::test]
async fn deploy_list_scale_delete_have_the_codes_clients_need() {
    let server = Server::start(None).await;
    let list = server.call("GET", "/system/functions", "").await;
    assert_eq!((list.status().as_u16(), list.body().as_str()), (200, "[]"));
    let a = r#"{"service":"a","image":"i"}"#;
    assert_eq!(server.code("PUT", "/system/functions", a).await, 404);
    assert_eq!(server.code("POST", "/system/functions", a).await, 202);
    assert_eq!(server.code("POST", "/system/functions", a).await, 202);
    assert_eq!(server.code("PUT", "/system/functions", a).await, 200);
    let scale = r#"{"serviceName":"a","replicas":0,"namespace":"ns"}"#;
    assert_eq!(
        server.code("POST", "/system/scale-function/a", scale).await,
        202
    );
    assert_eq!(
        server.code("POST", "/system/scale-function/b", scale).await,
        404
    );
    let row = server.call("GET", "/system/function/a?usage=1", "").await;
    let row: Value = serde_json::from_str(row.body()).unwrap();
    assert_eq!(row["replicas"], 0);
    assert_eq!(row["invocationCount"], 7);
    let missing = server.call("GET", "/system/function/b", "").await;
    assert_eq!(
        (missing.status().as_u16(), missing.body().as_str()),
        (404, "")
    );
    let delete = r#"{"functionName":"a","namespace":"ns"}"#;
    assert_eq!(
        server
            .code("DELETE", "/system/functions?namespace=other", delete)
            .await,
        400
    );
    assert_eq!(
        server
            .code("DELETE", "/system/functions?namespace=ns", delete)
            .await,
        200
    );
    assert_eq!(
        server.code("DELETE", "/system/functions", delete).await,
        404
    );
}

#[tokio::test]
async fn bad_bodies_are_400_and_say_why() {
    let server = Server::start(None).await;
    for (body, word) in [
        ("", "JSON"),
        ("{", "JSON"),
        ("[]", "object"),
        ("{}", "service"),
        (r#"{"service":"a","labels":{"x":1}}"#, "labels.x"),
    ] {
        let reply = server.call("POST", "/system/functions", body).await;
        assert_eq!(reply.status(), 400, "{body}");
        assert!(reply.body().contains(word), "{body}: {}", reply.body());
        assert_eq!(reply.headers()["content-type"], "text/plain; charset=utf-8");
    }
    for (path, body, word) in [
        ("/system/scale-function/a", r#"{"replicas":-1}"#, "replicas"),
        (
            "/system/scale-function/a",
            r#"{"serviceName":"a"}"#,
            "replicas",
        ),
    ] {
        let reply = server.call("POST", path, body).await;
        assert_eq!(reply.status(), 400);
        assert!(reply.body().contains(word));
    }
    let reply = server.call("DELETE", "/system/functions", "{}").await;
    assert!(reply.status() == 400 && reply.body().contains("functionName"));
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_and_names_the_limit() {
    let server = Server::start(None).await;
    let body = |bytes: usize| -> &'static [u8] {
        let padding = "x".repeat(bytes - br#"{"service":"a","image":""}"#.len());
        format!(r#"{{"service":"a","image":"{padding}"}}"#)
            .leak()
            .as_bytes()
    };
    for (bytes, status) in [(BYTES_MAX, 202), (BYTES_MAX + 1, 413), (2 * BYTES_MAX, 413)] {
        let request = Request::post("/system/functions").header("host", "x");
        let reply = server
            .send(request.body(Full::new(body(bytes))).unwrap())
            .await;
        assert_eq!(reply.status(), status);
        if status == 413 {
            assert!(reply.body().contains(&BYTES_MAX.to_string()));
        }
    }
}

#[tokio::test]
async fn replicas_are_cut_to_the_maximum() {
    let server = Server::start(None).await;
    let a = r#"{"service":"a","image":"i"}"#;
    assert_eq!(server.code("POST", "/system/functions", a).await, 202);
    for (asked, given) in [(3, 3), (10, 10), (11, 10)] {
        let body = format!(r#"{{"replicas":{asked}}}"#).leak();
        let path = "/system/scale-function/a";
        assert_eq!(server.code("POST", path, body).await, 202);
        assert_eq!(server.replicas("a"), given);
    }
}

#[tokio::test]
async fn alerts_scale_each_function_by_its_own_status() {
    let server = Server::start(None).await;
    let labels = r#"{"com.openfaas.scale.max":"20","com.openfaas.scale.factor":"20",
        "com.openfaas.scale.min":"2"}"#;
    for name in ["a", "b"] {
        let body = format!(r#"{{"service":"{name}","image":"i","labels":{labels}}}"#).leak();
        assert_eq!(server.code("POST", "/system/functions", body).await, 202);
    }
    // A fifth of the maximum, which the gateway caps at 10, and the one that is there.
    let body = r#"{"status":"resolved","alerts":[
        {"status":"firing","labels":{"function_name":"a.ns"}},
        {"status":"resolved","labels":{"function_name":"b"}},
        {"status":"firing","labels":{"function_name":"not-there.ns"}},
        {"status":"firing","labels":{"function_name":".ns"}}]}"#;
    let reply = server.call("POST", "/system/alert", body).await;
    assert_eq!((reply.status().as_u16(), reply.body().as_str()), (200, ""));
    assert_eq!((server.replicas("a"), server.replicas("b")), (3, 2));
    for bad in ["", "[]", "{"] {
        assert_eq!(server.code("POST", "/system/alert", bad).await, 400);
    }
    assert_eq!(server.code("GET", "/system/alert", "").await, 405);
}

#[tokio::test]
async fn secrets_namespaces_and_logs_pass_on() {
    let server = Server::start(None).await;
    for (method, path, body) in [
        (
            "DELETE",
            "/system/secrets?namespace=a&namespace=ns",
            "{\"name\":\"s\"}",
        ),
        ("GET", "/system/namespaces", ""),
        ("POST", "/system/namespace/", "{}"),
        ("DELETE", "/system/namespace/dev", "{}"),
        ("GET", "/system/telemetry", ""),
    ] {
        let reply = server.call(method, path, body).await;
        let passed = (reply.status().as_u16(), reply.body().as_str());
        assert_eq!(passed, (200, "[\"passed\"]"), "{path}");
        assert_eq!(reply.headers()["content-type"], "application/json");
    }
    assert_eq!(
        *server.memory.passed.lock(),
        [
            "secrets Remove ns {\"name\":\"s\"}",
            "namespaces",
            "namespace Create \"\" 2 bytes",
            "namespace Remove \"dev\" 2 bytes",
            "telemetry",
        ]
    );
    let raw = "name=a&tail=1&tail=2&since=x%2By";
    let reply = server.call("GET", &format!("/system/logs?{raw}"), "").await;
    assert_eq!(reply.body(), &format!("{raw}\n"));
}
