//! The client: sends an input as it is, and reads every reply until the connection ends.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ringway_tests::read;

use crate::reading::find;

/// One reply, interim ones left out.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// What the origin says it saw, when it is the origin's.
    pub(crate) seen: Option<String>,
    pub(crate) body: Vec<u8>,
    /// Whether it came to the end that its framing says.
    pub(crate) whole: bool,
}

/// How the connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    /// Nothing more came.
    Silent,
    /// Bytes that are no reply.
    Garbage(String),
}

/// What a client got on one connection.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) answers: Vec<Answer>,
    pub(crate) end: End,
}

impl View {
    /// Whether a reply has this mark of the origin.
    pub(crate) fn has(&self, seen: &str) -> bool {
        self.answers.iter().any(|a| a.seen.as_deref() == Some(seen))
    }
}

/// Sends bytes and reads to the end, or until nothing came for [`PATIENCE`].
pub(crate) fn exchange(to: SocketAddr, bytes: &[u8], is_head: bool) -> View {
    let mut received = Vec::new();
    let end = match converse(to, bytes, &mut received) {
        Ok(()) => End::Closed,
        Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => End::Silent,
        Err(_) => End::Closed,
    };
    let mut view = View {
        answers: Vec::new(),
        end,
    };
    let mut rest = &received[..];
    while !rest.is_empty() {
        match answer(rest, is_head && view.answers.is_empty()) {
            Some((answer, used)) => {
                rest = &rest[used..];
                view.answers.extend(answer);
            }
            None => {
                view.end = End::Garbage(rest[..rest.len().min(200)].escape_ascii().to_string());
                break;
            }
        }
    }
    view
}

fn converse(to: SocketAddr, bytes: &[u8], received: &mut Vec<u8>) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(bytes)?;
    let mut piece = [0; 16 * 1024];
    loop {
        match read(&mut stream, &mut piece)? {
            0 => return Ok(()),
            count => received.extend_from_slice(&piece[..count]),
        }
    }
}

/// The first reply, and how many bytes it is; `None` when it is none.
fn answer(bytes: &[u8], is_head: bool) -> Option<(Option<Answer>, usize)> {
    let end = find(bytes, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status: u16 = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    if (100..200).contains(&status) && status != 101 {
        return Some((None, end));
    }
    let field = |name: &str| {
        let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
        let mut named = lines.filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim().to_owned())
    };
    let seen = field("x-seen");
    let rest = &bytes[end..];
    // A refusal of what was not understood may have a body, though HEAD was meant.
    let refusal = is_head && seen.is_none() && !rest.starts_with(b"HTTP/1.");
    let bare = is_head || field("x-method").as_deref() == Some("HEAD");
    let (body, used, whole) = if (bare && !refusal) || [101, 204, 304].contains(&status) {
        (Vec::new(), 0, true)
    } else if field("transfer-encoding").is_some() {
        dechunk(rest)?
    } else {
        let length = field("content-length").map(|l| l.parse::<usize>());
        let length = length.transpose().ok()?.unwrap_or(rest.len());
        let used = length.min(rest.len());
        (rest[..used].to_vec(), used, used == length)
    };
    let answer = Answer { seen, body, whole };
    Some((Some(answer), end + used))
}

/// Data, bytes used, and whether the end was there.
fn dechunk(bytes: &[u8]) -> Option<(Vec<u8>, usize, bool)> {
    let mut data = Vec::new();
    let mut at = 0;
    loop {
        let Some(end) = find(&bytes[at..], b"\r\n") else {
            return Some((data, bytes.len(), false));
        };
        let size = std::str::from_utf8(&bytes[at..at + end]).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        at += end + 2;
        if size == 0 {
            let tail = &bytes[at..];
            let trailers = if tail.starts_with(b"\r\n") {
                Some(2)
            } else {
                None
            };
            let trailers = trailers.or_else(|| find(tail, b"\r\n\r\n").map(|end| end + 4));
            return Some((
                data,
                at + trailers.unwrap_or(tail.len()),
                trailers.is_some(),
            ));
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else {
            data.extend_from_slice(&bytes[at..bytes.len().min(at + size)]);
            return Some((data, bytes.len(), false));
        };
        data.extend_from_slice(chunk.strip_suffix(b"\r\n")?);
        at += size + 2;
    }
}

/// Longer than the gateway waits for a function's 100.
const PATIENCE: Duration = Duration::from_millis(1_500);
