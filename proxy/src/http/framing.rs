//! The framing decision: how a message's body ends (RFC 9112 §6.3). Taken here, once, for both
//! directions; nobody else looks at `Content-Length` or `Transfer-Encoding`.
//!
//! **Invariant:** a request whose framing two parsers could read differently is refused. A reply
//! is refused too, but for two harmless cases that common servers produce: the same
//! `Content-Length` twice, and a `Content-Length` beside `chunked` (the connection is then not
//! used again).

use crate::fault::Reject;
use crate::http::digits::decimal;
use crate::http::header::elements;
use crate::http::{Framing, Method, Refusal, Version};

/// The framing fields of one head, as sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FramingFields<'b> {
    /// The first `Content-Length`.
    length: Option<&'b [u8]>,
    /// How the other ones compare with it.
    repeated: Repeated,
    /// The first `Transfer-Encoding`.
    coding: Option<&'b [u8]>,
    /// There are other ones.
    coding_repeated: bool,
}

/// Whether `Content-Length` was sent more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Repeated {
    /// Once at most.
    #[default]
    No,
    /// Always with the same value.
    Same,
    /// With different values.
    Different,
}

/// How a reply ends, and what follows from the way it was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReplyFraming {
    /// How the body ends.
    pub(super) framing: Framing,
    /// The length that a reply without a body speaks of (HEAD, 304).
    pub(super) declared: Option<u64>,
    /// Whether the connection can carry another reply after this one.
    pub(super) reusable: bool,
}

impl<'b> FramingFields<'b> {
    /// Adds one `Content-Length` field.
    pub(super) fn read_length(&mut self, value: &'b [u8]) {
        match self.length {
            None => self.length = Some(value),
            Some(first) if decimal(first) == decimal(value) => {
                if self.repeated == Repeated::No {
                    self.repeated = Repeated::Same;
                }
            }
            Some(_) => self.repeated = Repeated::Different,
        }
    }

    /// Adds one `Transfer-Encoding` field.
    pub(super) fn read_coding(&mut self, value: &'b [u8]) {
        self.coding_repeated = self.coding.is_some();
        self.coding.get_or_insert(value);
    }
}

/// Decides for a request.
pub(super) fn request(
    fields: &FramingFields<'_>,
    version: Version,
    method: Method,
) -> Result<Framing, Refusal> {
    if fields.coding.is_some() && fields.length.is_some() {
        return Err(Refusal::new(400, Reject::LengthAndChunked));
    }
    if let Some(coding) = fields.coding {
        if version == Version::Http10 {
            return Err(Refusal::new(400, Reject::ChunkedHttp10));
        }
        if fields.coding_repeated || !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(refused_coding(fields, coding));
        }
        return Ok(Framing::Chunked);
    }
    let Some(length) = fields.length else {
        return Ok(Framing::None);
    };
    if fields.repeated != Repeated::No || length.contains(&b',') {
        return Err(Refusal::new(400, Reject::RepeatedLength));
    }
    let length = decimal(length).ok_or(Refusal::new(400, Reject::BadLength))?;
    // HTTP/1.0 receivers need not expect a body on these methods (RFC 1945 §8) and would take
    // it for the next request.
    let bodiless = matches!(method, Method::Get | Method::Head | Method::Delete);
    if version == Version::Http10 && bodiless && length > 0 {
        return Err(Refusal::new(413, Reject::BodyHttp10));
    }
    Ok(Framing::Length(length))
}

/// Decides for a reply with `status` to a request with `method`; the order is RFC 9112 §6.3's.
pub(super) fn response(
    fields: &FramingFields<'_>,
    version: Version,
    method: Method,
    status: u16,
) -> Result<ReplyFraming, Refusal> {
    // Framing fields may not stand here; the head is complete without them, so they are ignored.
    if status < 200 || status == 204 {
        return Ok(ReplyFraming {
            framing: Framing::None,
            declared: None,
            reusable: status != 101,
        });
    }
    if fields.repeated == Repeated::Different {
        return Err(Refusal::new(502, Reject::RepeatedLength));
    }
    let length = match fields.length {
        None => None,
        Some(list) if list.contains(&b',') => {
            return Err(Refusal::new(502, Reject::RepeatedLength));
        }
        Some(text) => Some(decimal(text).ok_or(Refusal::new(502, Reject::BadLength))?),
    };
    if let Some(coding) = fields.coding {
        if version == Version::Http10 {
            return Err(Refusal::new(502, Reject::ChunkedHttp10));
        }
        if fields.coding_repeated || !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::new(502, Reject::BadTransferEncoding));
        }
    }
    let (framing, declared) = match (fields.coding, length) {
        _ if method == Method::Head || status == 304 => {
            (Framing::None, length.filter(|_| fields.coding.is_none()))
        }
        (Some(_), _) => (Framing::Chunked, None),
        (None, Some(length)) => (Framing::Length(length), None),
        (None, None) => (Framing::UntilClose, None),
    };
    let contradictory = fields.coding.is_some() && length.is_some();
    Ok(ReplyFraming {
        framing,
        declared,
        reusable: framing != Framing::UntilClose && !contradictory,
    })
}

/// 501 for codings that exist but are not undone here (RFC 9112 §6.1), 400 for the rest.
#[cold]
fn refused_coding(fields: &FramingFields<'_>, coding: &[u8]) -> Refusal {
    let mut codings = 0_usize;
    let mut all_known = true;
    let mut last_is_chunked = false;
    for element in elements(coding) {
        codings = codings.saturating_add(1);
        all_known &= !last_is_chunked && is_known_coding(element);
        last_is_chunked = element.eq_ignore_ascii_case(b"chunked");
    }
    let understood = all_known && last_is_chunked && codings > 1 && !fields.coding_repeated;
    Refusal::new(
        if understood { 501 } else { 400 },
        Reject::BadTransferEncoding,
    )
}

fn is_known_coding(name: &[u8]) -> bool {
    [
        &b"chunked"[..],
        b"gzip",
        b"x-gzip",
        b"deflate",
        b"compress",
        b"x-compress",
    ]
    .iter()
    .any(|known| name.eq_ignore_ascii_case(known))
}
