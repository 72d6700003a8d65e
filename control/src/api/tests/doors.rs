//! Who may call, and what is no route or no method.

use std::sync::atomic::Ordering;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use http_body_util::Full;
use serde_json::Value;

use super::server::Server;
use crate::settings::Credentials;

#[tokio::test]
async fn calls_are_counted_by_route() {
    let server = Server::start(None).await;
    server.call("GET", "/system/function/x", "").await;
    server.call("GET", "/system/function/y", "").await;
    server.call("BREW", "/system/functions", "").await;
    let page = server.call("GET", "/metrics", "").await;
    let labels = "method=\"GET\",path=\"/system/function/{name}\",status=\"404\"";
    let line = format!("http_requests_total{{{labels}}} 2");
    assert!(page.body().lines().any(|l| l == line), "{}", page.body());
    assert!(!page.body().contains("BREW"));
}

#[tokio::test]
async fn other_methods_and_paths_are_405_and_404() {
    let server = Server::start(None).await;
    let reply = server.call("PATCH", "/system/functions", "").await;
    assert_eq!(reply.status(), 405);
    let allow = reply.headers()["allow"].to_str().unwrap();
    for method in ["GET", "POST", "PUT", "DELETE"] {
        assert!(allow.contains(method), "{allow}");
    }
    assert_eq!(
        server.code("GET", "/system/scale-function/a", "").await,
        405
    );
    for path in [
        "/ui",
        "/system/",
        "/system/functions/",
        "/nothing",
        "/system/namespace",
    ] {
        let reply = server.call("GET", path, "").await;
        assert_eq!(reply.status(), 404, "{path}");
        assert_eq!(reply.headers()["content-type"], "text/plain; charset=utf-8");
    }
    let reply = server.call("GET", "/", "").await;
    assert_eq!(
        (reply.status().as_u16(), &reply.headers()["location"]),
        (307, &"/ui/".parse().unwrap())
    );
    assert!(
        server
            .call("GET", "/ui/", "")
            .await
            .body()
            .contains("<title>Ringway</title>")
    );
    assert_eq!(server.code("HEAD", "/healthz", "").await, 200);
    assert_eq!(server.code("HEAD", "/readyz", "").await, 200);
}

#[tokio::test]
async fn info_has_no_nulls() {
    let server = Server::start(None).await;
    let reply = server.call("GET", "/system/info", "").await;
    let info: Value = serde_json::from_str(reply.body()).unwrap();
    assert_eq!(info["provider"]["provider"], "memory");
    for path in [
        "/version/release",
        "/version/sha",
        "/provider/version/sha",
        "/arch",
    ] {
        assert!(
            info.pointer(path)
                .unwrap()
                .as_str()
                .is_some_and(|s| !s.is_empty()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn draining_shows_in_the_health() {
    let server = Server::start(None).await;
    assert_eq!(server.code("GET", "/healthz", "").await, 200);
    server.api.facts.draining.store(true, Ordering::Relaxed);
    assert_eq!(server.code("GET", "/healthz", "").await, 503);
    assert_eq!(server.code("GET", "/readyz", "").await, 503);
}

#[tokio::test]
async fn everything_but_the_probes_asks_for_credentials() {
    let server = Server::start(Some(Credentials::new("admin", "pw"))).await;
    for path in ["/", "/healthz", "/readyz"] {
        assert!(server.code("GET", path, "").await < 400, "{path}");
    }
    for (method, path) in [
        ("GET", "/system/functions"),
        ("PATCH", "/system/functions"),
        ("GET", "/system/info"),
        ("GET", "/ui/"),
        ("GET", "/metrics"),
        ("GET", "/system/logs?name=a"),
        ("GET", "/system/namespaces"),
        ("POST", "/system/namespace/"),
        ("POST", "/system/alert"),
        ("GET", "/nothing"),
        ("GET", "/healthz/"),
        ("GET", "//healthz"),
        ("GET", "/%68ealthz"),
        ("GET", "/healthz/../system/functions"),
    ] {
        let reply = server.call(method, path, "").await;
        assert_eq!(reply.status(), 401, "{method} {path}");
        assert_eq!(
            reply.headers()["www-authenticate"],
            "Basic realm=\"Restricted\""
        );
    }
    for (header, status) in [
        (format!("Basic {}", STANDARD.encode("admin:pw")), 200),
        (format!("Basic {}", STANDARD.encode("admin:pW")), 401),
        ("Bearer ".to_owned(), 401),
        (String::new(), 401),
    ] {
        let request = Request::get("/system/functions").header("host", "x");
        let request = request
            .header("authorization", header)
            .body(Full::default())
            .unwrap();
        assert_eq!(server.send(request).await.status(), status);
    }
}

#[tokio::test]
async fn an_empty_bearer_is_harmless_without_credentials() {
    let server = Server::start(None).await;
    let request = Request::get("/system/functions").header("authorization", "Bearer ");
    assert_eq!(
        server
            .send(request.body(Full::default()).unwrap())
            .await
            .status(),
        200
    );
}
