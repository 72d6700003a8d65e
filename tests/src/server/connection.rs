//! One connection of a scripted server: requests in order, until either side ends it.

use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::listener::Shared;
use super::{Act, Answer, Seen};

/// A connection and what was read but not used.
pub(super) struct Connection {
    stream: TcpStream,
    buffered: Vec<u8>,
    shared: Arc<Shared>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, shared: Arc<Shared>) -> Self {
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            buffered: Vec::new(),
            shared,
        }
    }

    /// Serves until the end.
    pub(super) async fn run(mut self) {
        let _ = self.requests().await;
    }

    async fn requests(&mut self) -> Result<()> {
        while let Some(request) = self.request().await? {
            self.shared.record(&request);
            let mut act = self.decide(&request).await?;
            while let Act::Later(delay, then) = act {
                tokio::time::sleep(delay).await;
                act = *then;
            }
            match act {
                Act::Answer(answer) => self.answer(&request, &answer).await?,
                Act::Stream(head, pieces) => self.stream(&head, pieces).await?,
                Act::Tunnel(head) => return self.tunnel(&head).await,
                Act::Bytes(bytes) => {
                    self.stream.write_all(&bytes).await?;
                    return self.stream.shutdown().await;
                }
                Act::Reset => {
                    crate::reset_when_closed(&self.stream);
                    return Ok(());
                }
                Act::Hold | Act::Later(..) | Act::Close => return Ok(()),
            }
        }
        Ok(())
    }

    /// Asks until the act is another than [`Act::Hold`]; ends with an error when the client left.
    async fn decide(&mut self, request: &Seen) -> Result<Act> {
        let mut woken = self.shared.woken.subscribe();
        loop {
            let act = self.shared.app.act(request);
            if !matches!(act, Act::Hold) {
                return Ok(act);
            }
            tokio::select! {
                _ = woken.changed() => {}
                gone = gone(&mut self.stream, &mut self.buffered) => return Err(gone),
            }
        }
    }

    async fn request(&mut self) -> Result<Option<Seen>> {
        let head = loop {
            if let Some(at) = self.buffered.windows(4).position(|w| w == b"\r\n\r\n") {
                break self.buffered.drain(..at + 4).collect::<Vec<u8>>();
            }
            let idle = self.shared.idle_timeout();
            let read = self.stream.read_buf(&mut self.buffered);
            let read = match idle {
                Some(idle) => timeout(idle, read).await.unwrap_or(Ok(0)),
                None => read.await,
            };
            if read? == 0 {
                return Ok(None);
            }
        };
        let not_http = || Error::other(format!("{:?}", String::from_utf8_lossy(&head)));
        let mut seen = Seen::parse(&head).ok_or_else(not_http)?;
        if let Some(answer) = self.shared.app.early(&seen) {
            self.shared.record(&seen);
            self.answer(&seen, &answer).await?;
            return Ok(None);
        }
        if seen
            .header("expect")
            .is_some_and(|e| e.eq_ignore_ascii_case("100-continue"))
        {
            let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
            self.stream.write_all(interim).await?;
        }
        let chunked = seen.header("transfer-encoding").is_some();
        let length = seen.header("content-length").map(str::parse::<usize>);
        seen.body = match length {
            _ if chunked => self.chunked().await?,
            Some(length) => self.exactly(length.map_err(Error::other)?).await?,
            None => Vec::new(),
        };
        Ok(Some(seen))
    }

    async fn chunked(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.line().await?;
            let size = size.split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16).map_err(Error::other)?;
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.exactly(size).await?);
            self.exactly(2).await?;
        }
    }

    async fn line(&mut self) -> Result<String> {
        loop {
            if let Some(at) = self.buffered.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.buffered.drain(..at + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            self.more().await?;
        }
    }

    async fn exactly(&mut self, n: usize) -> Result<Vec<u8>> {
        while self.buffered.len() < n {
            self.more().await?;
        }
        Ok(self.buffered.drain(..n).collect())
    }

    async fn more(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.buffered).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn answer(&mut self, request: &Seen, answer: &Answer) -> Result<()> {
        let length = format!("Content-Length: {}\r\n", answer.body.len());
        let mut bytes = answer.head(&length);
        if request.method != "HEAD" && !matches!(answer.status, 204 | 304) {
            bytes.extend_from_slice(&answer.body);
        }
        self.stream.write_all(&bytes).await
    }

    async fn stream(&mut self, head: &Answer, mut pieces: Receiver<Vec<u8>>) -> Result<()> {
        let head = head.head("Transfer-Encoding: chunked\r\n");
        self.stream.write_all(&head).await?;
        loop {
            let piece = tokio::select! {
                piece = pieces.recv() => piece,
                gone = gone(&mut self.stream, &mut self.buffered) => return Err(gone),
            };
            let Some(piece) = piece else { break };
            let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
            chunk.extend_from_slice(&piece);
            chunk.extend_from_slice(b"\r\n");
            self.stream.write_all(&chunk).await?;
        }
        self.stream.write_all(b"0\r\n\r\n").await
    }

    async fn tunnel(&mut self, head: &Answer) -> Result<()> {
        self.stream.write_all(&head.head("")).await?;
        loop {
            let bytes = std::mem::take(&mut self.buffered);
            self.stream.write_all(&bytes).await?;
            self.more().await?;
        }
    }
}

/// Waits until the client has left; what it sends meanwhile is kept.
async fn gone(stream: &mut TcpStream, buffered: &mut Vec<u8>) -> Error {
    loop {
        match stream.read_buf(buffered).await {
            Ok(0) => return ErrorKind::UnexpectedEof.into(),
            Ok(_) => {}
            Err(e) => return e,
        }
    }
}
