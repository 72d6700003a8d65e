//! The routes over a real socket, with a provider that only remembers.

use std::collections::BTreeMap;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use ringway_proxy::metrics::Snapshot;
use ringway_proxy::{FunctionId, Publisher};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use super::body::BYTES_MAX;
use super::{Api, Counts, router};
use crate::metrics::{Facts, SystemCalls};
use crate::name::Namespace;
use crate::provider::{
    Answer, Answering, Invalid, LogRequest, LogStream, Observer, Order, Provider, ProviderError,
    Target, Verb,
};
use crate::publish::Board;
use crate::queue::{Desk, Guard, Limits};
use crate::settings::{Credentials, Login};
use crate::wire::{DeleteRequest, Deployment, ProviderInfo, VersionInfo};

/// Keeps deployments by name, and remembers the rest.
#[derive(Default)]
struct Memory {
    functions: Mutex<BTreeMap<String, (Deployment, u64)>>,
    /// Calls that are only passed on.
    passed: Mutex<Vec<String>>,
}

impl Memory {
    fn put(&self, order: &Order, create: bool) -> Result<Answer, ProviderError> {
        let deployment = Deployment::parse(&order.body)?;
        let name = deployment.service.clone();
        let mut functions = self.functions.lock();
        if !create && !functions.contains_key(&name) {
            return Err(missing(name));
        }
        if name.is_empty() {
            return Err(Invalid::new("service", "must name the function").into());
        }
        functions.insert(name, (deployment, 1));
        Ok(Answer::empty(if create {
            StatusCode::ACCEPTED
        } else {
            StatusCode::OK
        }))
    }

    fn row(name: &str, deployment: &Deployment, replicas: u64) -> Value {
        json!({"name": name, "namespace": "ns", "replicas": replicas,
            "labels": deployment.labels})
    }

    fn pass(&self, what: String) -> Answering<'_> {
        self.passed.lock().push(what);
        ready(Ok(Answer::json(&json!(["passed"])))).boxed()
    }
}

fn missing(name: String) -> ProviderError {
    let what = "function";
    ProviderError::NotFound { what, name }
}

impl Provider for Memory {
    fn list(&self, _: String) -> Answering<'_> {
        let functions = self.functions.lock();
        let rows = functions
            .iter()
            .map(|(name, (d, n))| Self::row(name, d, *n));
        ready(Ok(Answer::json(&rows.collect::<Vec<_>>()))).boxed()
    }

    fn status(&self, target: Target, _: bool) -> Answering<'_> {
        let functions = self.functions.lock();
        let row = functions.get(&target.name);
        let row = row.map(|(d, n)| Answer::json(&Self::row(&target.name, d, *n)));
        ready(row.ok_or_else(|| missing(target.name))).boxed()
    }

    fn deploy(&self, order: Order) -> Answering<'_> {
        ready(self.put(&order, true)).boxed()
    }

    fn update(&self, order: Order) -> Answering<'_> {
        ready(self.put(&order, false)).boxed()
    }

    fn delete(&self, order: Order) -> Answering<'_> {
        let removed = DeleteRequest::parse(&order.body)
            .map_err(ProviderError::from)
            .and_then(|request| {
                order.namespace(&request.namespace)?;
                let name = request.function_name;
                if name.is_empty() {
                    return Err(Invalid::new("functionName", "must name the function").into());
                }
                let removed = self.functions.lock().remove(&name);
                removed.ok_or_else(|| missing(name))
            });
        ready(removed.map(|_| Answer::empty(StatusCode::OK))).boxed()
    }

    fn scale(&self, target: Target, replicas: u64) -> Answering<'_> {
        let mut functions = self.functions.lock();
        let result = match functions.get_mut(&target.name) {
            Some((_, count)) => {
                *count = replicas;
                Ok(Answer::empty(StatusCode::ACCEPTED))
            }
            None => Err(missing(target.name)),
        };
        ready(result).boxed()
    }

    fn secrets(&self, verb: Verb, order: Order) -> Answering<'_> {
        let body = String::from_utf8_lossy(&order.body).into_owned();
        self.pass(format!("secrets {verb:?} {} {body}", order.namespace))
    }

    fn logs(&self, request: LogRequest) -> Answering<'_, LogStream> {
        let query = Bytes::from(format!("{}\n", request.query));
        let lines = futures_util::stream::iter([Ok(query)]);
        ready(Ok(LogStream {
            status: StatusCode::OK,
            headers: http::HeaderMap::default(),
            body: Box::pin(lines),
        }))
        .boxed()
    }

    fn namespaces(&self) -> Answering<'_> {
        self.pass("namespaces".to_owned())
    }

    fn namespace(&self, verb: Verb, name: String, body: Bytes) -> Answering<'_> {
        self.pass(format!("namespace {verb:?} {name:?} {} bytes", body.len()))
    }

    fn telemetry(&self) -> Answering<'_> {
        self.pass("telemetry".to_owned())
    }

    fn info(&self) -> BoxFuture<'_, ProviderInfo> {
        let info = ProviderInfo {
            provider: "memory".to_owned(),
            orchestration: "none".to_owned(),
            version: VersionInfo::of_this_build(),
        };
        ready(info).boxed()
    }

    fn health(&self) -> Answering<'_, ()> {
        ready(Ok(())).boxed()
    }

    fn is_remote(&self) -> bool {
        false
    }

    fn watch(&self, _: Arc<dyn Observer>) {}

    fn wanted(&self, _: FunctionId) {}

    fn unready(&self, _: FunctionId) {}
}

struct Server {
    address: SocketAddr,
    api: Arc<Api>,
    memory: Arc<Memory>,
}

impl Server {
    async fn start(credentials: Option<Credentials>) -> Self {
        let namespace = Namespace::parse("ns").unwrap();
        let memory = Arc::new(Memory::default());
        let id = namespace.function("a").unwrap();
        let own = Box::new(move || vec![(id.clone(), 7)]);
        let board = Board::new(Publisher::new(1), namespace.clone());
        let desk = Arc::new(Desk::new(&Limits::default()));
        let api = Arc::new(Api {
            provider: Arc::clone(&memory) as _,
            counts: Counts::new(own, None, namespace.clone()),
            credentials: credentials.map(Login::fixed),
            namespace,
            replicas_max: Some(10),
            desk: Arc::clone(&desk),
            accept_unknown: false,
            guard: Guard::default(),
            facts: Arc::new(Facts {
                snapshot: Box::new(Snapshot::default),
                board: Arc::new(board),
                driver: "none",
                desk,
                calls: SystemCalls::default(),
                draining: AtomicBool::new(false),
            }),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = router(Arc::clone(&api));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self {
            address,
            api,
            memory,
        }
    }

    fn replicas(&self, name: &str) -> u64 {
        self.memory.functions.lock()[name].1
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
