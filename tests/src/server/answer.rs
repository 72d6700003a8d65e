//! What a scripted server does with a request.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::Receiver;

use super::Seen;

/// Says what to do with each request.
pub trait App: Send + Sync + 'static {
    /// Called on the server's thread, at once after the request was recorded; called again for
    /// the same request when it said [`Act::Hold`] and [`super::Server::wake`] was called.
    fn act(&self, request: &Seen) -> Act;

    /// An answer that is sent once the head is there, without reading the body; the connection
    /// then ends with what was not read.
    fn early(&self, _request: &Seen) -> Option<Answer> {
        None
    }
}

/// What happens next on the connection.
#[derive(Debug)]
pub enum Act {
    /// An answer; the connection is kept.
    Answer(Answer),
    /// The answer's head at once, then each piece as a chunk; the sender's end is the end. The
    /// receiver is dropped when the client leaves.
    Stream(Answer, Receiver<Vec<u8>>),
    /// These bytes, whatever they are, then the end of the connection.
    Bytes(Vec<u8>),
    /// 101, then every byte that comes goes back.
    Tunnel(Answer),
    /// No answer for now; see [`App::act`].
    Hold,
    /// The end of the connection, without an answer.
    Close,
    /// A reset of the connection.
    Reset,
    /// The same, later.
    Later(Duration, Box<Self>),
}

/// An answer with a body of known length.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Sent as they are, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer without headers or body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A text answer.
    #[must_use]
    pub fn text(status: u16, body: &str) -> Self {
        Self::status(status)
            .header("Content-Type", "text/plain; charset=utf-8")
            .body(body)
    }

    /// A JSON answer.
    #[must_use]
    pub fn json(body: &Value) -> Self {
        Self::raw_json(body.to_string())
    }

    /// An answer that says it is JSON, whatever its body is.
    #[must_use]
    pub fn raw_json(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200)
            .header("Content-Type", "application/json")
            .body(body)
    }

    /// The request as it came, head and body, with its content type.
    #[must_use]
    pub fn echo(request: &Seen) -> Self {
        let mut body = request.head.clone().into_bytes();
        body.extend_from_slice(&request.body);
        let kind = request.header("content-type").unwrap_or("text/plain");
        Self::status(200).header("Content-Type", kind).body(body)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Status line and headers, with this framing header unless the status forbids one.
    pub(crate) fn head(&self, framing: &str) -> Vec<u8> {
        let reason = match self.status {
            101 => "Switching Protocols",
            200..=299 => "OK",
            _ => "Scripted",
        };
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.status >= 200 && !matches!(self.status, 204 | 304) {
            head.push_str(framing);
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}
