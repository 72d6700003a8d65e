//! A connection as hyper's server reads it.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};

use super::{End, Reading, Seen};

/// More than the head of any request that we forward has.
const FIELDS_MAX: usize = 300;
/// More than all replies to one stream.
const REPLIES_BYTES_MAX: usize = 1024 * 1024;

/// hyper on a runtime of its own.
pub(super) struct Hyper {
    runtime: Runtime,
}

impl Hyper {
    pub(super) fn new() -> Self {
        let runtime = Builder::new_current_thread().build().unwrap();
        Self { runtime }
    }

    /// Reads a connection's bytes.
    pub(super) fn read(&self, stream: &[u8]) -> Reading {
        self.runtime.block_on(read(stream))
    }
}

async fn read(stream: &[u8]) -> Reading {
    let size = stream.len().max(REPLIES_BYTES_MAX);
    let (mut client, server) = tokio::io::duplex(size);
    client.write_all(stream).await.unwrap();
    client.shutdown().await.unwrap();
    let requests = Rc::new(RefCell::new(Vec::new()));
    let broken = Rc::new(RefCell::new(false));
    let service = service_fn(|request| record(request, Rc::clone(&requests), Rc::clone(&broken)));
    let connection = http1::Builder::new()
        .half_close(true)
        .max_headers(FIELDS_MAX)
        .serve_connection(TokioIo::new(server), service)
        .await;
    let mut replies = Vec::new();
    client.read_to_end(&mut replies).await.unwrap();
    let end = match connection {
        _ if *broken.borrow() => End::Refused,
        Ok(()) => End::Clean,
        Err(error) if error.is_incomplete_message() => End::Incomplete,
        Err(_) => End::Refused,
    };
    let requests = requests.take();
    Reading { requests, end }
}

async fn record(
    request: Request<Incoming>,
    requests: Rc<RefCell<Vec<Seen>>>,
    broken: Rc<RefCell<bool>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let method = request.method().to_string();
    let target = match request.uri().path_and_query() {
        Some(target) => target.to_string(),
        None => String::new(),
    };
    match request.into_body().collect().await {
        Ok(body) => {
            let body = body.to_bytes().to_vec();
            requests.borrow_mut().push(Seen {
                method,
                target,
                body,
            });
        }
        Err(_) => *broken.borrow_mut() = true,
    }
    Ok(Response::new(Empty::new()))
}
