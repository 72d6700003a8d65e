//! Bytes of a complete head to a [`RequestHead`], or the refusal.
//!
//! httparse finds the tokens; what it lets through and we do not is checked here. It never sees
//! an incomplete head, nor a bare LF: [`HeadEnd`](super::HeadEnd) comes first.

use std::mem::MaybeUninit;

use httparse::Header;

use crate::fault::Reject;
use crate::http::framing::{self, FramingFields};
use crate::http::header::{self, Connection, Field, elements, is_token};
use crate::http::refused;
use crate::http::target::{self, Target};
use crate::http::{Framing, HeaderSlots, Method, Refusal, RequestHead, Version};
use crate::limits::{CALL_ID_BYTES_MAX, METHOD_BYTES_MAX, REQUEST_HEADERS_MAX};

/// Slots for [`parse_request`], not zeroed.
#[must_use]
pub fn request_slots<'b>() -> HeaderSlots<'b, REQUEST_HEADERS_MAX> {
    [MaybeUninit::uninit(); REQUEST_HEADERS_MAX]
}

/// Parses `head`: the bytes up to and including the empty line, as
/// [`HeadEnd`](super::HeadEnd) found them.
///
/// # Errors
/// The status to answer with and the reason; the connection is closed after it.
pub fn parse_request<'b, 'h>(
    head: &'b [u8],
    slots: &'h mut HeaderSlots<'b, REQUEST_HEADERS_MAX>,
) -> Result<RequestHead<'b, 'h>, Refusal> {
    // One empty line may precede a request (RFC 9112 §2.2); httparse would skip any number.
    let head = head.strip_prefix(b"\r\n").unwrap_or(head);
    if matches!(head.first(), Some(b'\r' | b'\n') | None) {
        return Err(Refusal::new(400, Reject::Syntax));
    }
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(head, slots) {
        Ok(httparse::Status::Complete(len)) if len == head.len() => {}
        // Bytes behind what httparse takes for the end: it and `HeadEnd` disagree.
        Ok(_) => return Err(Refusal::new(400, Reject::Syntax)),
        Err(error) => return Err(refused::request(head, error, &parsed)),
    }
    let version = match parsed.version {
        Some(1) => Version::Http11,
        _ => Version::Http10,
    };
    let method_bytes = parsed.method.unwrap_or_default().as_bytes();
    let method = method(method_bytes)?;
    let target = target::parse(parsed.path.unwrap_or_default().as_bytes(), method)?;
    let headers: &'h [Header<'b>] = parsed.headers;
    let fields = Fields::read(headers, version)?;
    let host = host(&fields, &target, version)?;
    let framing = framing::request(&fields.framing, version, method)?;
    let has_body = !matches!(framing, Framing::None | Framing::Length(0));
    let websocket = websocket(&fields, version, method, has_body)?;
    Ok(RequestHead {
        method,
        method_bytes,
        path: target.path,
        query: target.query,
        version,
        headers,
        host,
        framing,
        keep_alive: fields.connection.keeps(version),
        expect_continue: fields.expect && version == Version::Http11 && has_body,
        websocket,
        wants_trailers: fields.wants_trailers && version == Version::Http11,
        call_id: fields.call_id.filter(|id| is_usable_call_id(id)),
        raw: head,
        nominates: fields.connection.nominates,
        traced: fields.trace.one().is_some_and(is_trace_parent),
    })
}

/// What the fields of a request say, gathered in one pass.
#[derive(Default)]
struct Fields<'b> {
    framing: FramingFields<'b>,
    connection: Connection,
    host: Option<&'b [u8]>,
    call_id: Option<&'b [u8]>,
    trace: Single<'b>,
    upgrade: Single<'b>,
    expect: bool,
    wants_trailers: bool,
}

/// A field that counts only when it was sent exactly once.
#[derive(Clone, Copy, Default)]
enum Single<'b> {
    #[default]
    Absent,
    Once(&'b [u8]),
    Repeated,
}

impl<'b> Single<'b> {
    fn read(&mut self, value: &'b [u8]) {
        *self = match self {
            Self::Absent => Self::Once(value),
            _ => Self::Repeated,
        };
    }

    fn one(self) -> Option<&'b [u8]> {
        match self {
            Self::Once(value) => Some(value),
            Self::Absent | Self::Repeated => None,
        }
    }
}

impl<'b> Fields<'b> {
    fn read(headers: &[Header<'b>], version: Version) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        let mut call_id = Single::Absent;
        for Header { name, value } in headers {
            let name = name.as_bytes();
            let field = header::field(name);
            if header::is_disguised(name, field) {
                return Err(Refusal::new(400, Reject::Underscore));
            }
            match field {
                Field::ContentLength => fields.framing.read_length(value),
                Field::TransferEncoding => fields.framing.read_coding(value),
                Field::Connection => fields
                    .connection
                    .read(value)
                    .map_err(|why| Refusal::new(400, why))?,
                Field::Host if fields.host.is_some() => {
                    return Err(Refusal::new(400, Reject::Host));
                }
                Field::Host => fields.host = Some(value),
                Field::Expect if value.eq_ignore_ascii_case(b"100-continue") => {
                    fields.expect = true;
                }
                Field::Expect => return Err(Refusal::new(417, Reject::Expect)),
                Field::Te => {
                    fields.wants_trailers |=
                        elements(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
                }
                Field::Upgrade => fields.upgrade.read(value),
                Field::CallId => call_id.read(value),
                Field::TraceParent => fields.trace.read(value),
                _ => {}
            }
        }
        if fields.host.is_none() && version == Version::Http11 {
            return Err(Refusal::new(400, Reject::Host));
        }
        fields.call_id = call_id.one();
        Ok(fields)
    }
}

/// The method, checked: a short token, and none of those a gateway must not pass on.
fn method(name: &[u8]) -> Result<Method, Refusal> {
    if !is_token(name) || name.len() > METHOD_BYTES_MAX {
        return Err(Refusal::new(400, Reject::Method));
    }
    Ok(match name {
        b"GET" => Method::Get,
        b"HEAD" => Method::Head,
        b"POST" => Method::Post,
        b"PUT" => Method::Put,
        b"DELETE" => Method::Delete,
        b"OPTIONS" => Method::Options,
        b"PATCH" => Method::Patch,
        // TRACE shows a client what hops added for the function alone; CONNECT asks for a
        // tunnel. Methods are case-sensitive, but a lax function might not know.
        other
            if [&b"TRACE"[..], b"TRACK", b"CONNECT"]
                .iter()
                .any(|refused| other.eq_ignore_ascii_case(refused)) =>
        {
            return Err(Refusal::new(405, Reject::MethodRefused));
        }
        _ => Method::Other,
    })
}

/// The effective host (RFC 9112 §3.3): the target's authority, else the `Host` field; where
/// both stand they must agree, or another receiver may believe the other one.
fn host<'b>(
    fields: &Fields<'b>,
    target: &Target<'b>,
    version: Version,
) -> Result<Option<&'b [u8]>, Refusal> {
    debug_assert!(fields.host.is_some() || version == Version::Http10);
    if fields.host.is_some_and(|host| !target::is_host(host)) {
        return Err(Refusal::new(400, Reject::Host));
    }
    let Some(authority) = &target.authority else {
        return Ok(fields.host);
    };
    if fields.host.is_some_and(|host| !authority.names(host)) {
        return Err(Refusal::new(400, Reject::TargetAuthority));
    }
    Ok(Some(authority.text))
}

/// Whether this is a WebSocket handshake (RFC 6455 §4.1). Any other upgrade is not one: its
/// fields are stripped and the request goes on without them.
fn websocket(
    fields: &Fields<'_>,
    version: Version,
    method: Method,
    has_body: bool,
) -> Result<bool, Refusal> {
    let asked = version == Version::Http11
        && fields.connection.upgrade
        && (fields.upgrade.one()).is_some_and(|to| to.eq_ignore_ascii_case(b"websocket"));
    if asked && has_body {
        // Whether these bytes are the body or the tunnel's is what receivers differ on.
        return Err(Refusal::new(400, Reject::UpgradeBody));
    }
    Ok(asked && method == Method::Get)
}

fn is_usable_call_id(id: &[u8]) -> bool {
    id.len() <= CALL_ID_BYTES_MAX && is_token(id)
}

/// Whether `text` is a `traceparent` of the layout of version 00 (W3C Trace Context §3.2):
/// `version-trace_id-parent_id-flags` in lower-case hexadecimal, no id all zero.
fn is_trace_parent(text: &[u8]) -> bool {
    let mut parts = text.split(|byte| *byte == b'-');
    let mut part = |len: usize| {
        parts.next().filter(|part| {
            part.len() == len && part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    let (Some(version), Some(trace), Some(parent), Some(_)) =
        (part(2), part(32), part(16), part(2))
    else {
        return false;
    };
    let is_zero = |id: &[u8]| id.iter().all(|byte| *byte == b'0');
    version != b"ff" && !is_zero(trace) && !is_zero(parent) && parts.next().is_none()
}
