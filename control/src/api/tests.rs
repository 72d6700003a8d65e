//! The routes over a real socket, with a provider that only remembers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use ringway_proxy::FunctionId;
use tokio::net::{TcpListener, TcpStream};

use super::body::BYTES_MAX;
use super::{Api, router};
use crate::name::Namespace;
use crate::provider::{Invalid, Observer, Provider, ProviderError, Target};
use crate::settings::Credentials;
use crate::wire::{Deployment, FunctionStatus, ProviderInfo, Shown, VersionInfo};

/// Keeps deployments by name.
#[derive(Default)]
struct Memory {
    functions: Mutex<BTreeMap<String, (Deployment, u32)>>,
}

impl Memory {
    fn put(&self, deployment: Deployment, create: bool) -> Result<(), ProviderError> {
        let name = deployment.service.clone();
        let mut functions = self.functions.lock();
        if !create && !functions.contains_key(&name) {
            return Err(ProviderError::NotFound { name });
        }
        if name.is_empty() {
            return Err(Invalid::new("service", "must name the function").into());
        }
        functions.insert(name, (deployment, 1));
        Ok(())
    }

    fn row(name: &str, deployment: &Deployment, replicas: u32) -> FunctionStatus {
        FunctionStatus {
            name: name.to_owned(),
            deployment: Shown(Deployment {
                namespace: "ns".into(),
                ..deployment.clone()
            }),
            invocation_count: 0,
            replicas,
            available_replicas: 0,
            created_at: "2026-01-01T00:00:00Z".to_owned(),
            usage: None,
        }
    }
}

impl Provider for Memory {
    fn list(&self, _: String) -> BoxFuture<'_, Result<Vec<FunctionStatus>, ProviderError>> {
        let functions = self.functions.lock();
        let rows = functions
            .iter()
            .map(|(name, (d, n))| Self::row(name, d, *n))
            .collect();
        std::future::ready(Ok(rows)).boxed()
    }

    fn status(
        &self,
        target: Target,
        _: bool,
    ) -> BoxFuture<'_, Result<FunctionStatus, ProviderError>> {
        let functions = self.functions.lock();
        let row = functions
            .get(&target.name)
            .map(|(d, n)| Self::row(&target.name, d, *n));
        let row = row.ok_or(ProviderError::NotFound { name: target.name });
        std::future::ready(row).boxed()
    }

    fn deploy(&self, deployment: Deployment) -> BoxFuture<'_, Result<(), ProviderError>> {
        std::future::ready(self.put(deployment, true)).boxed()
    }

    fn update(&self, deployment: Deployment) -> BoxFuture<'_, Result<(), ProviderError>> {
        std::future::ready(self.put(deployment, false)).boxed()
    }

    fn delete(&self, target: Target) -> BoxFuture<'_, Result<(), ProviderError>> {
        let removed = self.functions.lock().remove(&target.name);
        let result = removed
            .map(|_| ())
            .ok_or(ProviderError::NotFound { name: target.name });
        std::future::ready(result).boxed()
    }

    fn scale(&self, target: Target, replicas: u64) -> BoxFuture<'_, Result<(), ProviderError>> {
        let mut functions = self.functions.lock();
        let result = match functions.get_mut(&target.name) {
            Some((_, count)) => {
                *count = u32::try_from(replicas).unwrap();
                Ok(())
            }
            None => Err(ProviderError::NotFound { name: target.name }),
        };
        std::future::ready(result).boxed()
    }

    fn info(&self) -> BoxFuture<'_, ProviderInfo> {
        let info = ProviderInfo {
            provider: "memory".to_owned(),
            orchestration: "none".to_owned(),
            version: VersionInfo::of_this_build(),
        };
        std::future::ready(info).boxed()
    }

    fn health(&self) -> BoxFuture<'_, Result<(), ProviderError>> {
        std::future::ready(Ok(())).boxed()
    }

    fn watch(&self, _: Arc<dyn Observer>) {}

    fn wanted(&self, _: FunctionId) {}
}

struct Server {
    address: SocketAddr,
    api: Arc<Api>,
}

impl Server {
    async fn start(credentials: Option<Credentials>) -> Self {
        let namespace = Namespace::parse("ns").unwrap();
        let api = Arc::new(Api {
            provider: Arc::new(Memory::default()),
            invocations: Box::new(move || vec![(namespace.function("a").unwrap(), 7)]),
            credentials,
            draining: AtomicBool::new(false),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = router(Arc::clone(&api));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, api }
    }

    async fn send(&self, request: Request<Full<&'static [u8]>>) -> Response<String> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response::from_parts(head, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn call(&self, method: &str, path: &str, body: &'static str) -> Response<String> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "x");
        self.send(request.body(Full::new(body.as_bytes())).unwrap())
            .await
    }

    async fn code(&self, method: &str, path: &str, body: &'static str) -> u16 {
        self.call(method, path, body).await.status().as_u16()
    }
}

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
    let row: serde_json::Value = serde_json::from_str(row.body()).unwrap();
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
async fn a_body_over_the_limit_is_400_and_names_the_limit() {
    let server = Server::start(None).await;
    let body = |bytes: usize| -> &'static [u8] {
        let padding = "x".repeat(bytes - br#"{"service":"a","image":""}"#.len());
        format!(r#"{{"service":"a","image":"{padding}"}}"#)
            .leak()
            .as_bytes()
    };
    for (bytes, status) in [(BYTES_MAX, 202), (BYTES_MAX + 1, 400), (2 * BYTES_MAX, 400)] {
        let request = Request::post("/system/functions").header("host", "x");
        let reply = server
            .send(request.body(Full::new(body(bytes))).unwrap())
            .await;
        assert_eq!(reply.status(), status);
        if status == 400 {
            assert!(reply.body().contains(&BYTES_MAX.to_string()));
        }
    }
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
        "/system/alert",
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
    let info: serde_json::Value = serde_json::from_str(reply.body()).unwrap();
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
    server.api.draining.store(true, Ordering::Relaxed);
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
