//! A client that sends exactly the bytes it is given, and reads replies strictly.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Reads once, and again when a signal came in between: a socket with a timeout tells of that.
///
/// # Errors
/// Those of the read.
pub fn read(from: &mut impl Read, into: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match from.read(into) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// One connection.
pub struct Client {
    stream: TcpStream,
    buffered: Vec<u8>,
}

/// One reply.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Vec<u8>,
    /// `name: value` lines behind a chunked body.
    pub trailers: Vec<String>,
    /// The body ended as its framing says (not by a cut).
    pub complete: bool,
}

impl Reply {
    /// A field's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One request on a connection of its own.
///
/// # Errors
/// The connection failed, or the reply is not HTTP.
pub fn request(
    to: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Reply> {
    Client::connect(to)?.request(method, target, headers, body)
}

impl Client {
    /// Connects, with a read timeout so that no test hangs.
    ///
    /// # Errors
    /// The connection is refused.
    pub fn connect(to: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffered: Vec::new(),
        })
    }

    /// The socket, for what this type does not do.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The connection failed.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a request with `Host` and `Content-Length` (when there is a body) and reads its reply.
    ///
    /// # Errors
    /// The connection failed, or the reply is not HTTP.
    pub fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Reply> {
        let mut bytes =
            format!("{method} {target} HTTP/1.1\r\nHost: gateway.test\r\n").into_bytes();
        for (name, value) in headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if !body.is_empty() {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        // Whoever refuses a large body closes at last; its answer is there all the same.
        let sent = self.send(&bytes);
        self.reply(method)
            .map_err(|error| sent.err().unwrap_or(error))
    }

    /// Reads a final reply; interim ones are passed over.
    ///
    /// # Errors
    /// The connection failed before the head was complete, or the head is not HTTP.
    pub fn reply(&mut self, method: &str) -> std::io::Result<Reply> {
        loop {
            let reply = self.any_reply(method)?;
            if reply.status >= 200 || reply.status == 101 {
                return Ok(reply);
            }
        }
    }

    /// Reads the next reply, interim or final.
    ///
    /// # Errors
    /// As [`Client::reply`].
    pub fn any_reply(&mut self, method: &str) -> std::io::Result<Reply> {
        let end = loop {
            if let Some(at) = self.buffered.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            self.more()?;
        };
        let head: Vec<u8> = self.buffered.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.split("\r\n").filter(|l| !l.is_empty());
        let bad = || std::io::Error::other(format!("not a reply: {head:?}"));
        let first = lines.next().ok_or_else(bad)?;
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|s| s.get(..3));
        let status: u16 = status.and_then(|s| s.parse().ok()).ok_or_else(bad)?;
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(": ").ok_or_else(bad)?;
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut reply = Reply {
            status,
            headers,
            body: Vec::new(),
            trailers: Vec::new(),
            complete: true,
        };
        if method != "HEAD" && status >= 200 && !matches!(status, 204 | 304) {
            self.body(&mut reply);
        }
        Ok(reply)
    }

    fn body(&mut self, reply: &mut Reply) {
        let read = if reply.header("transfer-encoding") == Some("chunked") {
            self.chunked(reply)
        } else if let Some(n) = reply.header("content-length").and_then(|n| n.parse().ok()) {
            self.exactly(n).map(|bytes| reply.body.extend(bytes))
        } else {
            while self.more().is_ok() {}
            reply.body.append(&mut self.buffered);
            Ok(())
        };
        if read.is_err() {
            reply.complete = false;
            if reply.header("content-length").is_some() {
                reply.body.append(&mut self.buffered);
            }
        }
    }

    fn chunked(&mut self, reply: &mut Reply) -> std::io::Result<()> {
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(&line, 16).map_err(std::io::Error::other)?;
            if size == 0 {
                loop {
                    let line = self.line()?;
                    if line.is_empty() {
                        return Ok(());
                    }
                    reply.trailers.push(line);
                }
            }
            reply.body.extend(self.exactly(size)?);
            if self.exactly(2)? != b"\r\n" {
                return Err(std::io::Error::other("chunk without CRLF"));
            }
        }
    }

    /// Reads up to and including CRLF.
    ///
    /// # Errors
    /// The connection ended before.
    pub fn line(&mut self) -> std::io::Result<String> {
        loop {
            if let Some(at) = self.buffered.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.buffered.drain(..at + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            self.more()?;
        }
    }

    /// Reads exactly `n` bytes.
    ///
    /// # Errors
    /// The connection ended before.
    pub fn exactly(&mut self, n: usize) -> std::io::Result<Vec<u8>> {
        while self.buffered.len() < n {
            self.more()?;
        }
        Ok(self.buffered.drain(..n).collect())
    }

    /// Whether the peer has closed: `true` for an end or a reset, `false` for bytes or silence.
    pub fn is_closed(&mut self, patience: Duration) -> bool {
        if !self.buffered.is_empty() {
            return false;
        }
        let _ = self.stream.set_read_timeout(Some(patience));
        let mut byte = [0];
        let closed = match read(&mut self.stream, &mut byte) {
            Ok(0) => true,
            Ok(_) => {
                self.buffered.push(byte[0]);
                false
            }
            Err(e) => !matches!(
                e.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            ),
        };
        let _ = self.stream.set_read_timeout(Some(Duration::from_secs(30)));
        closed
    }

    fn more(&mut self) -> std::io::Result<()> {
        let mut chunk = [0; 64 * 1024];
        let n = read(&mut self.stream, &mut chunk)?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.buffered.extend_from_slice(&chunk[..n]);
        Ok(())
    }
}
