//! Bytes of a complete head to a [`ResponseHead`], or the refusal.

use std::mem::MaybeUninit;

use httparse::Header;

use crate::fault::Reject;
use crate::http::framing::{self, FramingFields};
use crate::http::header::{self, Connection, Field};
use crate::http::refused;
use crate::http::{HeaderSlots, Method, Refusal, ResponseHead, Version};
use crate::limits::RESPONSE_HEADERS_MAX;

/// Slots for [`parse_response`], not zeroed.
#[must_use]
pub fn response_slots<'b>() -> HeaderSlots<'b, RESPONSE_HEADERS_MAX> {
    [MaybeUninit::uninit(); RESPONSE_HEADERS_MAX]
}

/// Parses `head`: the bytes up to and including the empty line. `method` is the request's.
///
/// # Errors
/// The reply cannot be trusted: 502 and the function's connection is killed.
pub fn parse_response<'b, 'h>(
    head: &'b [u8],
    slots: &'h mut HeaderSlots<'b, RESPONSE_HEADERS_MAX>,
    method: Method,
) -> Result<ResponseHead<'b, 'h>, Refusal> {
    // httparse would skip empty lines; bytes before a reply belong to no reply.
    if !head.starts_with(b"HTTP/") {
        return Err(Refusal::new(502, Reject::Syntax));
    }
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    match config.parse_response_with_uninit_headers(&mut parsed, head, slots) {
        Ok(httparse::Status::Complete(len)) if len == head.len() => {}
        // Bytes behind what httparse takes for the end: it and `HeadEnd` disagree.
        Ok(_) => return Err(Refusal::new(502, Reject::Syntax)),
        Err(error) => return Err(refused::response(head, error)),
    }
    let version = match parsed.version {
        Some(1) => Version::Http11,
        _ => Version::Http10,
    };
    let status = parsed.code.unwrap_or_default();
    if !(100..=599).contains(&status) {
        return Err(Refusal::new(502, Reject::Syntax));
    }
    let headers: &'h [Header<'b>] = parsed.headers;
    let fields = Fields::read(headers)?;
    let framing = framing::response(&fields.framing, version, method, status)?;
    Ok(ResponseHead {
        status,
        reason: reason(head),
        version,
        headers,
        framing: framing.framing,
        keep_alive: framing.reusable && fields.connection.keeps(version),
        websocket: status == 101
            && version == Version::Http11
            && fields.upgrades == Upgrades::WebSocket,
        declared_length: framing.declared,
        raw: head,
        nominates: fields.connection.nominates,
    })
}

/// What the fields of a reply say, gathered in one pass.
#[derive(Default)]
struct Fields<'b> {
    framing: FramingFields<'b>,
    connection: Connection,
    upgrades: Upgrades,
}

/// What the `Upgrade` fields of a reply name.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Upgrades {
    #[default]
    Nothing,
    /// Exactly `websocket`, once.
    WebSocket,
    Else,
}

impl<'b> Fields<'b> {
    fn read(headers: &[Header<'b>]) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for Header { name, value } in headers {
            let name = name.as_bytes();
            let field = header::field(name);
            if header::is_disguised(name, field) {
                // Replies may name fields as they like; these are not the gateway's.
                continue;
            }
            match field {
                Field::ContentLength => fields.framing.read_length(value),
                Field::TransferEncoding => fields.framing.read_coding(value),
                Field::Connection => fields
                    .connection
                    .read(value)
                    .map_err(|why| Refusal::new(502, why))?,
                Field::Upgrade => {
                    fields.upgrades = if fields.upgrades == Upgrades::Nothing
                        && value.eq_ignore_ascii_case(b"websocket")
                    {
                        Upgrades::WebSocket
                    } else {
                        Upgrades::Else
                    };
                }
                _ => {}
            }
        }
        Ok(fields)
    }
}

/// The reason phrase as sent: httparse drops it when it has bytes beyond ASCII.
fn reason(head: &[u8]) -> &[u8] {
    let (Some(b' '), Some(after)) = (
        head.get(STATUS_LINE_BYTES - 1),
        head.get(STATUS_LINE_BYTES..),
    ) else {
        return b"";
    };
    let mut lines = after.split(|byte| matches!(byte, b'\r' | b'\n'));
    lines.next().unwrap_or_default()
}

/// `HTTP/1.1 200 `.
pub(super) const STATUS_LINE_BYTES: usize = 13;
