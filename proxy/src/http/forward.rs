//! Writes the head sent to the function, to the control plane, and back to the client.
//!
//! **Invariant:** fields about framing or about the connection are never copied: they are
//! written anew from what was parsed, or not at all.

use std::fmt::{self, Write as _};
use std::mem::take;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use httparse::Header;

use crate::http::digits::{octet_and_dot, push_decimal};
use crate::http::header::{self, Field, elements, is_nominated};
use crate::http::response::STATUS_LINE_BYTES;
use crate::http::trailer::may_trail;
use crate::http::{Framing, RequestHead, ResponseHead, Version};

/// What the head sent to a function says besides the client's own fields.
#[derive(Clone, Copy, Debug)]
pub struct ToFunction<'a> {
    /// Put in front of `rest`; often empty.
    pub prefix: &'a [u8],
    /// The client's own bytes of the path, all of them or those after the function's name; sent
    /// as `/` when empty.
    pub rest: &'a [u8],
    /// `Host`.
    pub host: &'a [u8],
    /// The client's address, appended to `X-Forwarded-For`.
    pub peer: IpAddr,
    /// Whether incoming `X-Forwarded-*` are believed (kept and appended to) or replaced.
    pub peer_is_trusted: bool,
    /// `X-Call-Id` to send: the client's when usable, else a new one.
    pub call_id: &'a [u8],
    /// `X-Start-Time`: Unix nanoseconds in decimal.
    pub start_time: &'a [u8],
}

/// What the head sent to the control plane says besides the client's own fields.
#[derive(Clone, Copy, Debug)]
pub struct ToControl<'a> {
    /// The client's address, sent as `X-Ringway-Peer`.
    pub peer: SocketAddr,
    /// `X-Call-Id` to send.
    pub call_id: &'a [u8],
}

/// What the head sent to the client says besides the function's own fields.
#[derive(Clone, Copy, Debug)]
pub struct ToClient<'a> {
    /// The client's version.
    pub version: Version,
    /// The framing the client is given (the pump may re-chunk or de-chunk).
    pub framing: Framing,
    /// Whether the connection closes after this reply.
    pub close: bool,
    /// Whether trailers will be passed on.
    pub trailers: bool,
    /// The gateway's own three fields; one of the same name from the function wins.
    pub ids: Option<Ids<'a>>,
    /// Field lines that let pages of another origin read the reply, each with its line end;
    /// mostly none. A function that says who may read its reply has its way.
    pub cors: &'a [u8],
}

/// The gateway's own reply fields.
#[derive(Clone, Copy, Debug)]
pub struct Ids<'a> {
    /// `X-Call-Id`.
    pub call_id: &'a [u8],
    /// `X-Start-Time`.
    pub start_time: &'a [u8],
    /// `X-Served-By`.
    pub served_by: &'a [u8],
}

/// Writes the head for a function into `out` (appended).
pub fn request(head: &RequestHead<'_, '_>, to: &ToFunction<'_>, out: &mut Vec<u8>) {
    out.reserve(head.raw.len().saturating_add(ADDED_BYTES));
    let rest = if to.rest.is_empty() { b"/" } else { to.rest };
    push_request_line(head, &[to.prefix, rest], out);
    push_field(out, b"Host", to.host);
    let (mut seen_for, mut seen_host, mut seen_proto) = (false, false, false);
    let mut kept = Kept::new(head.raw, out);
    for header in head.headers {
        let name = header.name.as_bytes();
        let keep = match header::field(name) {
            Field::Other => !head.nominates || !is_nominated(head.headers, name),
            Field::Authorization | Field::Cookie | Field::SetCookie | Field::ServedBy => true,
            Field::TraceParent | Field::TraceState => head.traced,
            Field::Forwarded => to.peer_is_trusted,
            Field::ForwardedFor => {
                seen_for = true;
                false
            }
            Field::ForwardedHost => {
                seen_host |= to.peer_is_trusted;
                to.peer_is_trusted
            }
            Field::ForwardedProto => {
                seen_proto |= to.peer_is_trusted;
                to.peer_is_trusted
            }
            _ => false,
        };
        if keep {
            kept.push(header);
        }
    }
    kept.flush();
    push_request_framing(head, out);
    if head.websocket {
        out.extend_from_slice(UPGRADE);
    }
    push_all(
        out,
        &[
            b"X-Call-Id: ",
            to.call_id,
            b"\r\nX-Start-Time: ",
            to.start_time,
            b"\r\nX-Forwarded-For: ",
        ],
    );
    if seen_for && to.peer_is_trusted {
        push_forwarded_for(head.headers, out);
    }
    push_address(out, to.peer);
    if let (false, Some(host)) = (seen_host, head.host)
        && !host.is_empty()
    {
        push_all(out, &[b"\r\nX-Forwarded-Host: ", host]);
    }
    out.extend_from_slice(match seen_proto {
        true => b"\r\n\r\n",
        false => b"\r\nX-Forwarded-Proto: http\r\n\r\n",
    });
}

/// Writes the head for the control plane into `out` (appended): target and Host as sent.
pub fn control_request(head: &RequestHead<'_, '_>, to: &ToControl<'_>, out: &mut Vec<u8>) {
    out.reserve(head.raw.len().saturating_add(ADDED_BYTES));
    push_request_line(head, &[head.path], out);
    // RFC 9110 §7.2: a request for no authority says so with an empty field.
    push_field(out, b"Host", head.host.unwrap_or_default());
    let mut kept = Kept::new(head.raw, out);
    for header in head.headers {
        let name = header.name.as_bytes();
        let keep = match header::field(name) {
            Field::Other => !head.nominates || !is_nominated(head.headers, name),
            Field::TraceParent | Field::TraceState => head.traced,
            Field::Authorization
            | Field::Cookie
            | Field::SetCookie
            | Field::ServedBy
            | Field::StartTime
            | Field::Forwarded
            | Field::ForwardedFor
            | Field::ForwardedHost
            | Field::ForwardedProto => true,
            _ => false,
        };
        if keep {
            kept.push(header);
        }
    }
    kept.flush();
    push_request_framing(head, out);
    push_field(out, b"X-Call-Id", to.call_id);
    out.extend_from_slice(b"X-Ringway-Peer: ");
    match to.peer.ip().to_canonical() {
        IpAddr::V4(address) => push_address(out, IpAddr::V4(address)),
        IpAddr::V6(address) => {
            out.push(b'[');
            push_address(out, IpAddr::V6(address));
            out.push(b']');
        }
    }
    out.push(b':');
    push_decimal(out, u64::from(to.peer.port()));
    out.extend_from_slice(b"\r\n\r\n");
}

/// Writes a final reply's head for the client into `out` (appended).
pub fn response(head: &ResponseHead<'_, '_>, to: &ToClient<'_>, out: &mut Vec<u8>) {
    out.reserve(head.raw.len().saturating_add(ADDED_BYTES));
    let (mut call_id, mut start_time, mut served_by) = (false, false, false);
    let mut kept = Kept::new(head.raw, out);
    kept.push_status_line(head);
    for header in head.headers {
        let field = header::field(header.name.as_bytes());
        match field {
            Field::CallId => call_id = true,
            Field::StartTime => start_time = true,
            Field::ServedBy => served_by = true,
            _ => {}
        }
        if passes_back(head, header, field) {
            kept.push(header);
        }
    }
    kept.flush();
    match (to.framing, head.declared_length) {
        // What a body would have had: the one framing field that frames nothing.
        (Framing::None, Some(length)) => push_framing(Framing::Length(length), out),
        (framing, _) => push_framing(framing, out),
    }
    if to.trailers && to.framing == Framing::Chunked {
        push_trailer_names(head.headers, out);
    }
    if head.websocket {
        out.extend_from_slice(UPGRADE);
    } else if to.close {
        out.extend_from_slice(b"Connection: close\r\n");
    } else if to.version == Version::Http10 {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
    if let Some(ids) = &to.ids {
        for (name, value, sent) in [
            (&b"X-Call-Id: "[..], ids.call_id, call_id),
            (b"X-Start-Time: ", ids.start_time, start_time),
            (b"X-Served-By: ", ids.served_by, served_by),
        ] {
            if !sent && !value.is_empty() {
                push_all(out, &[name, value, b"\r\n"]);
            }
        }
    }
    if !to.cors.is_empty() && !head.has(b"Access-Control-Allow-Origin") {
        out.extend_from_slice(to.cors);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes an interim (1xx) reply's head for the client into `out` (appended).
pub fn interim(head: &ResponseHead<'_, '_>, out: &mut Vec<u8>) {
    out.reserve(head.raw.len());
    let mut kept = Kept::new(head.raw, out);
    kept.push_status_line(head);
    for header in head.headers {
        if passes_back(head, header, header::field(header.name.as_bytes())) {
            kept.push(header);
        }
    }
    kept.flush();
    out.extend_from_slice(b"\r\n");
}

/// Appends `name: value CRLF`.
pub(super) fn push_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    push_all(out, &[name, b": ", value, b"\r\n"]);
}

fn push_all(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Copies lines that are passed on; lines that follow each other are copied at once.
struct Kept<'b, 'o> {
    raw: &'b [u8],
    out: &'o mut Vec<u8>,
    /// A run of lines of `raw` that is still to be copied.
    run: Range<usize>,
}

impl<'b, 'o> Kept<'b, 'o> {
    fn new(raw: &'b [u8], out: &'o mut Vec<u8>) -> Self {
        Self {
            raw,
            out,
            run: 0..0,
        }
    }

    /// The first line of a reply, as one of HTTP/1.1 (RFC 9112 §4); comes before all fields.
    fn push_status_line(&mut self, head: &ResponseHead<'_, '_>) {
        let end = STATUS_LINE_BYTES.saturating_add(head.reason.len());
        let after = end.saturating_add(2);
        let canonical = self.raw.starts_with(b"HTTP/1.1 ")
            && self.raw.get(STATUS_LINE_BYTES - 1) == Some(&b' ')
            && self.raw.get(end..after) == Some(b"\r\n");
        if canonical {
            self.run = 0..after;
            return;
        }
        self.out.extend_from_slice(b"HTTP/1.1 ");
        push_decimal(self.out, u64::from(head.status));
        self.out.push(b' ');
        self.out.extend_from_slice(head.reason);
        self.out.extend_from_slice(b"\r\n");
    }

    fn push(&mut self, header: &Header<'b>) {
        match self.canonical_line(header) {
            Some(line) if line.start == self.run.end => self.run.end = line.end,
            Some(line) => {
                self.flush();
                self.run = line;
            }
            None => {
                self.flush();
                push_field(self.out, header.name.as_bytes(), header.value);
            }
        }
    }

    fn flush(&mut self) {
        let run = self.raw.get(take(&mut self.run)).unwrap_or_default();
        self.out.extend_from_slice(run);
    }

    /// Where the field's line lies, if it is exactly `name: value CRLF`; any other white space
    /// is written anew.
    fn canonical_line(&self, header: &Header<'b>) -> Option<Range<usize>> {
        let offset = |part: &[u8]| part.as_ptr().addr().checked_sub(self.raw.as_ptr().addr());
        let start = offset(header.name.as_bytes())?;
        let colon = start.checked_add(header.name.len())?;
        let value = offset(header.value)?;
        let value_end = value.checked_add(header.value.len())?;
        let end = value_end.checked_add(2)?;
        let canonical =
            self.raw.get(colon..value)? == b": " && self.raw.get(value_end..end)? == b"\r\n";
        canonical.then_some(start..end)
    }
}

/// Whether a reply's field is passed on. `Upgrade`, `Trailer` and framing are written anew.
fn passes_back(head: &ResponseHead<'_, '_>, header: &Header<'_>, field: Field) -> bool {
    match field {
        Field::Other => !head.nominates || !is_nominated(head.headers, header.name.as_bytes()),
        Field::ContentLength
        | Field::TransferEncoding
        | Field::Connection
        | Field::HopByHop
        | Field::Te
        | Field::Trailer
        | Field::Upgrade => false,
        _ => true,
    }
}

fn push_request_line(head: &RequestHead<'_, '_>, path: &[&[u8]], out: &mut Vec<u8>) {
    out.extend_from_slice(head.method_bytes);
    out.push(b' ');
    for part in path {
        out.extend_from_slice(part);
    }
    if let Some(query) = head.query {
        out.push(b'?');
        out.extend_from_slice(query);
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// What the gateway says anew about a request's body, and whether it takes trailers back.
fn push_request_framing(head: &RequestHead<'_, '_>, out: &mut Vec<u8>) {
    push_framing(head.framing, out);
    if head.framing == Framing::Chunked {
        push_trailer_names(head.headers, out);
    }
    if head.wants_trailers {
        push_field(out, b"TE", b"trailers");
    }
    if head.expect_continue {
        push_field(out, b"Expect", b"100-continue");
    }
}

fn push_framing(framing: Framing, out: &mut Vec<u8>) {
    match framing {
        Framing::None | Framing::UntilClose => {}
        Framing::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            push_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => push_field(out, b"Transfer-Encoding", b"chunked"),
    }
}

/// `Trailer`, with the names of those announced that will be passed on.
fn push_trailer_names(headers: &[Header<'_>], out: &mut Vec<u8>) {
    let mut names = headers
        .iter()
        .filter(|header| header::field(header.name.as_bytes()) == Field::Trailer)
        .flat_map(|header| elements(header.value))
        .filter(|name| may_trail(name));
    let Some(first) = names.next() else { return };
    out.extend_from_slice(b"Trailer: ");
    out.extend_from_slice(first);
    for name in names {
        out.extend_from_slice(b", ");
        out.extend_from_slice(name);
    }
    out.extend_from_slice(b"\r\n");
}

/// The list so far, with its last comma.
fn push_forwarded_for(headers: &[Header<'_>], out: &mut Vec<u8>) {
    for header in headers {
        if header::field(header.name.as_bytes()) == Field::ForwardedFor && !header.value.is_empty()
        {
            out.extend_from_slice(header.value);
            out.extend_from_slice(b", ");
        }
    }
}

/// An address without its port; an IPv4 client of a dual-stack socket as IPv4.
fn push_address(out: &mut Vec<u8>, address: IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let mut text = [0; 4 * 4];
            let mut len = 0usize;
            for octet in address.octets() {
                let (digits, digits_len) = octet_and_dot(octet);
                if let Some(room) = text.get_mut(len..).and_then(<[u8]>::first_chunk_mut) {
                    *room = digits;
                }
                len = len.saturating_add(digits_len);
            }
            // Without the last dot.
            let text = text.get(..len.saturating_sub(1));
            out.extend_from_slice(text.unwrap_or_default());
        }
        IpAddr::V6(address) => {
            // Writing into a vector does not fail.
            let _ = write!(Text(out), "{address}");
        }
    }
}

/// Bytes as the target of formatting.
struct Text<'o>(&'o mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Written only for a WebSocket handshake and its 101 (RFC 9110 §7.8).
const UPGRADE: &[u8] = b"Connection: Upgrade\r\nUpgrade: websocket\r\n";
/// About what the gateway adds to a head: a first guess, so that `out` grows once.
const ADDED_BYTES: usize = 512;
