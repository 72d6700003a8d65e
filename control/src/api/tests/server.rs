//! The routes on a real socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use ringway_proxy::Publisher;
use ringway_proxy::metrics::Snapshot;
use tokio::net::{TcpListener, TcpStream};

use super::memory::Memory;
use crate::api::{Api, Counts, router};
use crate::metrics::{Facts, SystemCalls};
use crate::name::Namespace;
use crate::publish::Board;
use crate::queue::{Desk, Guard, Limits};
use crate::settings::{Credentials, Login};

pub(super) struct Server {
    address: SocketAddr,
    pub(super) api: Arc<Api>,
    pub(super) memory: Arc<Memory>,
}

impl Server {
    pub(super) async fn start(credentials: Option<Credentials>) -> Self {
        let namespace = Namespace::parse("ns").unwrap();
        let memory = Arc::new(Memory::default());
        let id = namespace.function("a").unwrap();
        let own = Box::new(move || vec![(id.clone(), 7)]);
        let board = Board::new(Publisher::new(1), namespace.clone());
        let desk = Arc::new(Desk::new(&Limits::default(), None));
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
                frozen: AtomicBool::new(false),
                stuck: AtomicUsize::new(0),
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

    pub(super) fn replicas(&self, name: &str) -> u64 {
        self.memory.functions.lock()[name].1
    }

    pub(super) async fn send(&self, request: Request<Full<&'static [u8]>>) -> Response<String> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response::from_parts(head, String::from_utf8(body.to_vec()).unwrap())
    }

    pub(super) async fn call(
        &self,
        method: &str,
        path: &str,
        body: &'static str,
    ) -> Response<String> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "x");
        self.send(request.body(Full::new(body.as_bytes())).unwrap())
            .await
    }

    pub(super) async fn code(&self, method: &str, path: &str, body: &'static str) -> u16 {
        self.call(method, path, body).await.status().as_u16()
    }
}
