//! The parsed heads: borrowed from the buffer, no allocation.

use std::mem::MaybeUninit;

use memchr::memchr_iter;

use crate::fault::Reject;
use crate::limits::{HEAD_BYTES_MAX, HEADER_BYTES_MAX, METHOD_BYTES_MAX, TARGET_BYTES_MAX};

/// Room for parsed header fields on the caller's stack; not zeroed.
pub type HeaderSlots<'b, const N: usize> = [MaybeUninit<httparse::Header<'b>>; N];

/// A refused message: the status to answer with and the reason to count.
///
/// On the request side the answer is sent and the connection closed. On the response side the
/// function's connection is killed and the client gets 502 whatever `status` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the gateway's answer.
    pub status: u16,
    /// The reason's metric label.
    pub why: Reject,
}

impl Refusal {
    pub(super) const fn new(status: u16, why: Reject) -> Self {
        Self { status, why }
    }
}

/// HTTP version of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// The methods whose semantics the gateway needs; the rest are forwarded by their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD: its reply has no body whatever its headers say.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
    /// PATCH.
    Patch,
    /// Any other token.
    Other,
}

/// How a message's body ends (RFC 9112 §6.3). Decided once, by `framing.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// Exactly this many bytes; `Length(0)` is a body that is empty but declared.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
    /// Until the connection closes (replies only).
    UntilClose,
}

/// Whether a chunked body's trailer section is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trailers {
    /// Passed on, less the fields that may not stand there (RFC 9110 §6.5.1).
    Forward,
    /// Read and dropped.
    Drop,
}

/// Finds the end of a head over any number of reads, in one pass over the bytes.
///
/// It refuses what no later byte can repair: a bare LF, a line or a head over its limit, and on
/// the request side a TLS or an HTTP/2 client. Every answer depends on the bytes alone, never on
/// how the reads cut them.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadEnd {
    /// `line_start <= scanned`: where the line that is being read begins.
    line_start: usize,
    /// `scanned <= bytes.len()`: bytes looked at so far.
    scanned: usize,
    /// Which line is being read, and which limit it has.
    line: Line,
}

/// The line of a head that is being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    /// Nothing yet of a request; one empty line may precede it (RFC 9112 §2.2).
    #[default]
    RequestFirst,
    /// The request line itself.
    Request,
    /// The status line.
    Status,
    /// A field line or the empty line.
    Field,
}

/// A complete request head.
///
/// `'b` is the buffer, `'h` the slots its headers lie in.
#[derive(Debug)]
pub struct RequestHead<'b, 'h> {
    /// The method as a value.
    pub method: Method,
    /// The method as sent.
    pub method_bytes: &'b [u8],
    /// Origin-form path, raw bytes, beginning with `/` (or `*` for `OPTIONS *`).
    pub path: &'b [u8],
    /// Raw query without `?`; `Some(b"")` when there was a bare `?`.
    pub query: Option<&'b [u8]>,
    /// The client's version.
    pub version: Version,
    /// All fields as sent, in order.
    pub headers: &'h [httparse::Header<'b>],
    /// The effective Host: absolute-form authority, else the Host field. `None` only in HTTP/1.0.
    pub host: Option<&'b [u8]>,
    /// How the body ends; never `UntilClose`.
    pub framing: Framing,
    /// Whether the client allows another request on the connection.
    pub keep_alive: bool,
    /// `Expect: 100-continue` on HTTP/1.1 with a body.
    pub expect_continue: bool,
    /// A valid WebSocket upgrade request: GET, HTTP/1.1, no body, `Connection: upgrade`.
    pub websocket: bool,
    /// `TE: trailers` was sent.
    pub wants_trailers: bool,
    /// A usable `X-Call-Id`: 1 to 64 token characters.
    pub call_id: Option<&'b [u8]>,
    /// The bytes `headers` point into: runs of kept lines are copied from here.
    pub(super) raw: &'b [u8],
    /// A `Connection` field names end-to-end fields, which must not be passed on.
    pub(super) nominates: bool,
    /// `traceparent` is well-formed: it and `tracestate` are passed on.
    pub(super) traced: bool,
}

/// A complete reply head from a function.
#[derive(Debug)]
pub struct ResponseHead<'b, 'h> {
    /// 100 to 599.
    pub status: u16,
    /// Reason phrase as sent, may be empty.
    pub reason: &'b [u8],
    /// The function's version.
    pub version: Version,
    /// All fields as sent, in order.
    pub headers: &'h [httparse::Header<'b>],
    /// How the body ends, given the request's method and the status.
    pub framing: Framing,
    /// Whether the function allows another request on its connection.
    pub keep_alive: bool,
    /// A 101 whose `Upgrade` is exactly websocket.
    pub websocket: bool,
    /// The `Content-Length` of a reply to HEAD or of a 304: passed on, though no body follows.
    pub declared_length: Option<u64>,
    /// The bytes `headers` point into: runs of kept lines are copied from here.
    pub(super) raw: &'b [u8],
    /// A `Connection` field names end-to-end fields, which must not be passed on.
    pub(super) nominates: bool,
}

impl<'b> RequestHead<'b, '_> {
    /// The value of the field `name` (in any case), if it was sent exactly once.
    #[must_use]
    pub fn only(&self, name: &[u8]) -> Option<&'b [u8]> {
        let mut values = self.headers.iter().filter_map(|header| {
            let same = header.name.as_bytes().eq_ignore_ascii_case(name);
            same.then_some(header.value)
        });
        let only = values.next()?;
        values.next().is_none().then_some(only)
    }
}

impl ResponseHead<'_, '_> {
    /// Whether it comes from a provider or a gateway itself, not from a function behind it.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.has(b"X-OpenFaaS-Internal")
    }

    /// Whether the field `name` (in any case) was sent.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        let mut names = self.headers.iter().map(|header| header.name.as_bytes());
        names.any(|sent| sent.eq_ignore_ascii_case(name))
    }
}

impl HeadEnd {
    /// For a request's head.
    #[must_use]
    pub fn request() -> Self {
        Self::default()
    }

    /// For a reply's head.
    #[must_use]
    pub fn response() -> Self {
        Self {
            line: Line::Status,
            ..Self::default()
        }
    }

    /// Looks at `bytes`: all that was received of the head so far, from its first byte on.
    /// Answers with the head's length, the empty line included, once it is complete.
    ///
    /// # Errors
    /// The head is refused; status 0 means: close without an answer.
    pub fn find(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        self.refuse_other_protocols(bytes)?;
        // One byte past the limit is enough to know that it is passed.
        let window = bytes
            .get(..HEAD_BYTES_MAX.saturating_add(1))
            .unwrap_or(bytes);
        let unseen_start = self.scanned;
        let unseen = window.get(unseen_start..).unwrap_or_default();
        let may_be_long = window.len() > LINE_BYTES_MAX_LEAST;
        for ahead in memchr_iter(b'\n', unseen) {
            let line_feed = unseen_start.saturating_add(ahead);
            let next = line_feed.saturating_add(1);
            if may_be_long {
                self.refuse_long(next)?;
            }
            let line = window.get(self.line_start..line_feed).unwrap_or_default();
            let Some(line) = line.strip_suffix(b"\r") else {
                return Err(Refusal::new(400, Reject::BareLineEnd));
            };
            self.scanned = next;
            self.line_start = next;
            match self.line {
                Line::Field if line.is_empty() => return Ok(Some(next)),
                Line::Request | Line::Status if line.is_empty() => {
                    return Err(Refusal::new(400, Reject::Syntax));
                }
                Line::RequestFirst if line.is_empty() => self.line = Line::Request,
                _ => self.line = Line::Field,
            }
        }
        self.scanned = window.len();
        self.refuse_long(window.len())?;
        Ok(None)
    }

    /// Refuses when the bytes up to `end` pass the limit of the head or of the current line.
    fn refuse_long(&self, end: usize) -> Result<(), Refusal> {
        let line_bytes = end.saturating_sub(self.line_start);
        let of_request = matches!(self.line, Line::RequestFirst | Line::Request);
        if of_request && line_bytes > REQUEST_LINE_BYTES_MAX {
            return Err(Refusal::new(414, Reject::TargetTooLong));
        }
        if line_bytes > HEADER_BYTES_MAX || end > HEAD_BYTES_MAX {
            return Err(Refusal::new(431, Reject::HeadTooLarge));
        }
        Ok(())
    }

    /// A TLS or an HTTP/2 client shows itself in its first bytes.
    fn refuse_other_protocols(&self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.line != Line::RequestFirst || self.scanned >= HTTP2_PREFACE.len() {
            return Ok(());
        }
        if bytes.starts_with(TLS_HANDSHAKE) {
            return Err(Refusal::new(0, Reject::Tls));
        }
        if bytes.starts_with(HTTP2_PREFACE) {
            return Err(Refusal::new(505, Reject::Http2Preface));
        }
        Ok(())
    }
}

/// `METHOD SP target SP HTTP/1.1 CRLF`, each at its longest.
const REQUEST_LINE_BYTES_MAX: usize = METHOD_BYTES_MAX + 1 + TARGET_BYTES_MAX + 1 + 8 + 2;
/// Whatever is shorter passes no limit of a line or of a head.
const LINE_BYTES_MAX_LEAST: usize = REQUEST_LINE_BYTES_MAX;
/// A TLS record of the handshake type, any version (RFC 8446 §5.1).
const TLS_HANDSHAKE: &[u8] = b"\x16\x03";
/// The line that begins the HTTP/2 connection preface (RFC 9113 §3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0";

const _: () = assert!(REQUEST_LINE_BYTES_MAX <= HEADER_BYTES_MAX);
