//! As much HTTP/1.1 as the world's clients and functions speak: written apart from the gateway's,
//! so that both are not wrong in the same way.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;

use super::net::End;

/// A connection with what was read and not used.
pub(super) struct Peer {
    pub(super) end: Rc<End>,
    buffered: Vec<u8>,
}

/// A head: its first line, its fields in lower case.
pub(super) struct Head {
    pub(super) line: String,
    fields: Vec<(String, String)>,
}

impl Head {
    /// A field's value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn is_chunked(&self) -> bool {
        self.get("transfer-encoding") == Some("chunked")
    }

    pub(super) fn length(&self) -> Option<usize> {
        self.get("content-length").and_then(|n| n.parse().ok())
    }

    pub(super) fn closes(&self) -> bool {
        self.get("connection").is_some_and(|c| c.contains("close"))
    }

    /// The call it belongs to.
    pub(super) fn id(&self) -> Option<usize> {
        self.get("x-sim-id").and_then(|id| id.parse().ok())
    }
}

impl Peer {
    pub(super) const fn new(end: Rc<End>) -> Self {
        Self {
            end,
            buffered: Vec::new(),
        }
    }

    /// Whether bytes were read that nobody has used.
    pub(super) fn has_surplus(&self) -> bool {
        !self.buffered.is_empty()
    }

    /// Reads more; the end of the stream is an error.
    async fn more(&mut self) -> io::Result<()> {
        let bytes = poll_fn(|cx| self.end.read(64 * 1024, Some(cx))).await?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffered.extend(bytes);
        Ok(())
    }

    /// A head; `None` when the connection ended before its first byte.
    pub(super) async fn head(&mut self) -> io::Result<Option<Head>> {
        let mut looked = 0;
        let end = loop {
            let found = self.buffered[looked..]
                .windows(4)
                .position(|w| w == b"\r\n\r\n");
            if let Some(at) = found {
                break looked + at + 4;
            }
            looked = self.buffered.len().saturating_sub(3);
            match self.more().await {
                Ok(()) => {}
                Err(_) if self.buffered.is_empty() => return Ok(None),
                Err(e) => return Err(e),
            }
        };
        let head: Vec<u8> = self.buffered.drain(..end).collect();
        let head = String::from_utf8(head).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut lines = head.trim_end().split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let fields = lines.filter_map(|line| line.split_once(": "));
        let fields = fields.map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()));
        Ok(Some(Head {
            line,
            fields: fields.collect(),
        }))
    }

    pub(super) async fn exactly(&mut self, n: usize) -> io::Result<Vec<u8>> {
        while self.buffered.len() < n {
            self.more().await?;
        }
        Ok(self.buffered.drain(..n).collect())
    }

    pub(super) async fn rest(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.more().await {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    return Ok(std::mem::take(&mut self.buffered));
                }
                Err(e) => return Err(e),
            }
        }
    }

    pub(super) async fn chunked(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.line().await?;
            let size = usize::from_str_radix(&size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.exactly(size).await?);
            if self.exactly(2).await? != b"\r\n" {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.buffered.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.buffered.drain(..at + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            self.more().await?;
        }
    }

    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut at = 0;
        while at < bytes.len() {
            at += poll_fn(|cx| self.end.write(&bytes[at..], Some(cx))).await?;
        }
        Ok(())
    }
}

/// A body in chunks of any size.
pub(super) fn in_chunks(body: &[u8]) -> Vec<u8> {
    let world = super::world::world();
    let mut out = Vec::with_capacity(body.len() + 64);
    let mut rest = body;
    while !rest.is_empty() {
        let n = 1 + usize::try_from(world.below(rest.len() as u64)).unwrap_or(0);
        let (chunk, behind) = rest.split_at(n);
        out.extend_from_slice(format!("{n:x}\r\n").as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
        rest = behind;
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}
