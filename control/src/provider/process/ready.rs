//! Whether a replica takes traffic: it accepts, or its path answers 200.

use std::io;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use ringway_proxy::Address;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{self, Instant};

/// Returns when the replica is ready; `waiting` is told how long that takes, now and then.
pub(super) async fn ready(address: &Address, path: Option<&str>, waiting: impl Fn(Duration)) {
    let began = Instant::now();
    let mut next_word = WORD_EVERY;
    loop {
        if let Ok(true) = time::timeout(PROBE_TIMEOUT, probe(address, path))
            .await
            .unwrap_or(Ok(false))
        {
            return;
        }
        // In proportion to the wait so far: a fast start is seen at once, a slow one costs little.
        time::sleep((began.elapsed() / 8).clamp(PAUSE_MIN, PAUSE_MAX)).await;
        if began.elapsed() >= next_word {
            waiting(began.elapsed());
            next_word *= 2;
        }
    }
}

async fn probe(address: &Address, path: Option<&str>) -> io::Result<bool> {
    match address {
        Address::Tcp(address) => asked(TcpStream::connect(address).await?, path).await,
        Address::Unix(socket) => asked(UnixStream::connect(socket).await?, path).await,
    }
}

async fn asked(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    path: Option<&str>,
) -> io::Result<bool> {
    let Some(path) = path else {
        return Ok(true);
    };
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(io::Error::other)?;
    let request = Request::get(path)
        .header("host", "localhost")
        .body(Empty::<&[u8]>::new());
    let request = request.map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let reply = sender.send_request(request).await;
    connection.abort();
    Ok(reply.map_err(io::Error::other)?.status() == StatusCode::OK)
}

/// A watchdog listens within a few milliseconds, and callers wait for it.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(250);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
const WORD_EVERY: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_path_must_answer_200() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let answers = tokio::spawn(async move {
            for reply in ["HTTP/1.1 503 no\r\n\r\n", "", "HTTP/1.1 200 OK\r\n\r\n"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 512];
                let count = stream.read(&mut head).await.unwrap();
                assert!(head[..count].starts_with(b"GET /ready?x HTTP/1.1\r\n"));
                stream.write_all(reply.as_bytes()).await.unwrap();
            }
        });
        ready(&address, Some("/ready?x"), |_| {}).await;
        answers.await.unwrap();
    }

    #[tokio::test]
    async fn without_a_path_accepting_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let address = Address::Unix(path.clone());
        assert!(probe(&address, None).await.is_err());
        let _listener = tokio::net::UnixListener::bind(&path).unwrap();
        ready(&address, None, |_| {}).await;
    }
}
