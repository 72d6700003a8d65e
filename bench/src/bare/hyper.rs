//! A minimal reverse proxy of hyper and hyper-util on one thread of tokio: its server, its pooled
//! client, and nothing between them but the target's authority.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Response, StatusCode, Uri, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, server};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// Proxies until killed.
pub(crate) fn run(listen: SocketAddr, upstream: SocketAddr) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(listen, upstream))
}

async fn serve(listen: SocketAddr, upstream: SocketAddr) -> anyhow::Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(usize::MAX)
        .pool_idle_timeout(Duration::from_secs(3_600))
        .build(connector);
    let listener =
        std::net::TcpListener::from(crate::wire::listen(&crate::wire::Place::Tcp(listen))?);
    let listener = TcpListener::from_std(listener)?;
    let authority = upstream.to_string();
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            continue;
        };
        let client = client.clone();
        let authority = authority.clone();
        let proxy = service_fn(move |request: Request<Incoming>| {
            let client = client.clone();
            let uri = Uri::builder()
                .scheme("http")
                .authority(authority.as_str())
                .path_and_query(request.uri().path())
                .build();
            async move { Ok::<_, Infallible>(answer(client, request, uri).await) }
        });
        let connection = server::conn::http1::Builder::new()
            .pipeline_flush(false)
            .serve_connection(TokioIo::new(socket), proxy);
        tokio::spawn(connection);
    }
}

async fn answer(
    client: Client<HttpConnector, Incoming>,
    mut request: Request<Incoming>,
    uri: Result<Uri, http::Error>,
) -> Response<BoxBody<Bytes, hyper::Error>> {
    let failed = || {
        let empty = Empty::new().map_err(|never| match never {}).boxed();
        let mut response = Response::new(empty);
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    };
    let Ok(uri) = uri else {
        return failed();
    };
    *request.uri_mut() = uri;
    request.headers_mut().remove(header::CONNECTION);
    match client.request(request).await {
        Ok(response) => response.map(BodyExt::boxed),
        Err(_) => failed(),
    }
}
