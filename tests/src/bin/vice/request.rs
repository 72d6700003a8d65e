//! Just enough of HTTP/1.1 to read what the gateway sends.

use crate::Stream;

/// One request's head, and where its body begins in `buffered`.
pub(crate) struct Request {
    pub(crate) head: Vec<u8>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Bytes that were read behind the head.
    pub(crate) buffered: Vec<u8>,
}

impl Request {
    /// Reads a head; `None` at the end of the connection.
    pub(crate) fn read(stream: &mut dyn Stream, mut buffered: Vec<u8>) -> Option<Self> {
        loop {
            if let Some(end) = find(&buffered, b"\r\n\r\n") {
                let rest = buffered.split_off(end + 4);
                return Self::parse(buffered, rest);
            }
            let mut chunk = [0; 16 * 1024];
            match stream.read(&mut chunk) {
                Ok(n) if n > 0 => buffered.extend_from_slice(&chunk[..n]),
                _ => return None,
            }
        }
    }

    fn parse(head: Vec<u8>, buffered: Vec<u8>) -> Option<Self> {
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut lines = text.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let method = first.next()?.to_owned();
        let target = first.next()?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Some(Self {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            head,
            buffered,
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// A number from the query, such as `n=5`.
    pub(crate) fn number(&self, name: &str, default: u64) -> u64 {
        self.word(name)
            .and_then(|v| v.parse().ok())
            .unwrap_or(default)
    }

    /// A word from the query, such as `fault=reset`.
    pub(crate) fn word(&self, name: &str) -> Option<&str> {
        self.query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// Reads the body, calling `each` with its data as it comes. `Err` when it is cut.
    pub(crate) fn body(
        &mut self,
        stream: &mut dyn Stream,
        mut each: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        if self.header("transfer-encoding").is_some() {
            return self.chunked(stream, &mut each);
        }
        let mut left: u64 = self
            .header("content-length")
            .and_then(|n| n.parse().ok())
            .unwrap_or(0);
        while left > 0 {
            self.fill(stream)?;
            let n = self
                .buffered
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            each(&self.buffered[..n])?;
            self.buffered.drain(..n);
            left -= n as u64;
        }
        Ok(())
    }

    fn chunked(
        &mut self,
        stream: &mut dyn Stream,
        each: &mut impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        loop {
            let line = self.line(stream)?;
            let mut left = usize::from_str_radix(&line, 16).map_err(std::io::Error::other)?;
            if left == 0 {
                // Trailers, up to the empty line.
                loop {
                    let line = self.line(stream)?;
                    if line.is_empty() {
                        return Ok(());
                    }
                    self.headers.push(("trailer-seen".into(), line));
                }
            }
            while left > 0 {
                self.fill(stream)?;
                let n = self.buffered.len().min(left);
                each(&self.buffered[..n])?;
                self.buffered.drain(..n);
                left -= n;
            }
            self.line(stream)?;
        }
    }

    fn line(&mut self, stream: &mut dyn Stream) -> std::io::Result<String> {
        loop {
            if let Some(end) = find(&self.buffered, b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffered[..end]).into_owned();
                self.buffered.drain(..end + 2);
                return Ok(line);
            }
            self.more(stream)?;
        }
    }

    fn fill(&mut self, stream: &mut dyn Stream) -> std::io::Result<()> {
        if self.buffered.is_empty() {
            self.more(stream)
        } else {
            Ok(())
        }
    }

    fn more(&mut self, stream: &mut dyn Stream) -> std::io::Result<()> {
        let mut chunk = vec![0; 64 * 1024];
        let n = stream.read(&mut chunk)?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.buffered.extend_from_slice(&chunk[..n]);
        Ok(())
    }
}

/// Where `needle` begins in `haystack`.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}
