//! Connections to the gateway's public listener, kept between calls.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use ringway_proxy::limits::RESPONSE_HEADERS_MAX;
use ringway_proxy::{OwnPort, OwnPorts};
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time;

/// A request's body.
pub(in crate::queue) type Outgoing = UnsyncBoxBody<Bytes, io::Error>;

/// The gateway, as the worker calls it.
pub(in crate::queue) struct GatewayClient {
    /// `host:port`.
    authority: String,
    own: OwnPorts,
    /// Newest last.
    idle: Mutex<Vec<Line>>,
    /// Whether it takes no connections, as last tried.
    pub(super) away: Arc<AtomicBool>,
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// No connection was made, so that nothing was sent.
    Away(String),
    /// The request may have been seen.
    Failed(String),
}

/// One connection. Dropped, it is cut: with a reset, because an orderly end would only say that
/// no more requests come, and the function would go on.
pub(super) struct Line {
    sender: SendRequest<Outgoing>,
    connection: JoinHandle<()>,
    /// Known as the gateway's own, where it is the same process.
    _own: Option<OwnPort>,
}

impl GatewayClient {
    pub(in crate::queue) fn new(authority: String, own: OwnPorts) -> Self {
        Self {
            authority,
            own,
            idle: Mutex::default(),
            away: Arc::default(),
        }
    }

    /// `Host`.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Sends a request; the reply's head comes with the connection its body comes on.
    pub(super) async fn send(
        &self,
        mut request: Request<Outgoing>,
    ) -> Result<(Response<Incoming>, Line), Unanswered> {
        loop {
            let idle = self.idle.lock().pop();
            let is_fresh = idle.is_none();
            let mut line = match idle {
                Some(line) => line,
                None => self.dial().await.map_err(Unanswered::Away)?,
            };
            match line.sender.try_send_request(request).await {
                Ok(response) => return Ok((response, line)),
                // A connection that was closed meanwhile gives back what it did not begin to send.
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) if !is_fresh => request = unsent,
                    Some(_) => return Err(Unanswered::Away(describe(failed.error()))),
                    None => return Err(Unanswered::Failed(describe(failed.error()))),
                },
            }
        }
    }

    /// Takes back a connection whose reply was read to its end.
    pub(super) async fn done(&self, mut line: Line) {
        let ready = time::timeout(READY_WAIT, line.sender.ready()).await;
        if matches!(ready, Ok(Ok(()))) {
            let mut idle = self.idle.lock();
            if idle.len() < IDLE_MAX {
                idle.push(line);
            }
        }
    }

    /// Whether it takes a connection, which is kept for a call.
    pub(super) async fn greet(&self) -> bool {
        match self.dial().await {
            Ok(line) => {
                self.done(line).await;
                true
            }
            Err(_) => false,
        }
    }

    async fn dial(&self) -> Result<Line, String> {
        let dialled = time::timeout(DIAL_TIMEOUT, self.connect()).await;
        let (stream, own) = dialled
            .map_err(|_| "the gateway's listener did not answer in time".to_owned())?
            .map_err(|error| format!("the gateway's listener: {error}"))?;
        // Without these a call is slower, or its end is heard of later.
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        let shaken = http1::Builder::new()
            .max_headers(FIELDS_MAX)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = shaken.map_err(|error| describe(&error))?;
        let connection = tokio::spawn(async move {
            // How it ends is heard of by whoever waits for a reply.
            let _ = connection.await;
        });
        Ok(Line {
            sender,
            connection,
            _own: own,
        })
    }

    /// Connects from a port that the gateway knows as its own before it sees the connection. One
    /// in another process is reached by its name, and counts this one as any client.
    async fn connect(&self) -> io::Result<(TcpStream, Option<OwnPort>)> {
        let Ok(address) = self.authority.parse::<SocketAddr>() else {
            return Ok((TcpStream::connect(&self.authority).await?, None));
        };
        let (socket, any) = match address {
            SocketAddr::V4(_) => (TcpSocket::new_v4()?, Ipv4Addr::UNSPECIFIED.into()),
            SocketAddr::V6(_) => (TcpSocket::new_v6()?, Ipv6Addr::UNSPECIFIED.into()),
        };
        socket.bind(SocketAddr::new(any, 0))?;
        let own = self.own.enter(socket.local_addr()?.port());
        Ok((socket.connect(address).await?, Some(own)))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// An error with its causes.
pub(in crate::queue) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
const READY_WAIT: Duration = Duration::from_secs(1);
/// What the gateway passes on of a function's reply, and what it adds.
const FIELDS_MAX: usize = RESPONSE_HEADERS_MAX + 32;
/// Idle connections kept; more are dialled again.
const IDLE_MAX: usize = 256;
