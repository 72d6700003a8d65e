//! One guarded connection to a receiver, for one request.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time;

use super::guard::Guard;
use super::resolve::Resolver;
use super::tls;
use super::url::CallbackUrl;
use crate::queue::worker::{Outgoing, describe};

/// Why a receiver was not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unreached {
    /// It may not be: no connection was made.
    Refused(String),
    /// It could not be.
    Failed(String),
}

/// Sends one request, on a connection of its own.
pub(super) async fn send(
    url: &CallbackUrl,
    request: Request<Outgoing>,
    guard: &Guard,
    resolver: &Resolver,
) -> Result<Response<Incoming>, Unreached> {
    let stream = connect(url, guard, resolver).await?;
    if url.is_https {
        let shaken = time::timeout(CONNECT_TIMEOUT, tls::shake(&url.host, stream)).await;
        let stream = shaken
            .map_err(|_| Unreached::Failed("the TLS handshake took too long".to_owned()))?
            .map_err(|error| Unreached::Failed(format!("TLS: {error}")))?;
        return exchange(stream, request).await;
    }
    exchange(stream, request).await
}

/// Connects to the first address that answers; what is checked is what is connected to.
async fn connect(
    url: &CallbackUrl,
    guard: &Guard,
    resolver: &Resolver,
) -> Result<TcpStream, Unreached> {
    let found = time::timeout(CONNECT_TIMEOUT, resolver.addresses(&url.host)).await;
    let found = found
        .map_err(|_| Unreached::Failed(format!("no name server knew {} in time", url.host)))?
        .map_err(Unreached::Failed)?;
    // One refused address condemns the name: which of them is tried is not the caller's choice.
    for address in &found {
        guard
            .check(&url.host, *address)
            .map_err(Unreached::Refused)?;
    }
    let mut last = String::new();
    for address in found {
        let address = SocketAddr::new(address, url.port);
        match time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Without it the request is a little slower.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = format!("{address}: {error}"),
            Err(_) => last = format!("{address}: no answer in time"),
        }
    }
    Err(Unreached::Failed(last))
}

async fn exchange<S>(stream: S, request: Request<Outgoing>) -> Result<Response<Incoming>, Unreached>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let failed = |error: &hyper::Error| Unreached::Failed(describe(error));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(&error))?;
    tokio::spawn(async move {
        // How it ends is heard of by whoever waits for the response.
        let _ = connection.await;
    });
    sender
        .send_request(request)
        .await
        .map_err(|error| failed(&error))
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
