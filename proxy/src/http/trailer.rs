//! The trailer section behind a chunked body (RFC 9112 §7.1.2): read whole, bounded, and written
//! anew with the fields that may stand there.

use crate::fault::Reject;
use crate::http::header::{self, Field, is_token, is_value_byte, trim};
use crate::limits::{TRAILER_BYTES_MAX, TRAILERS_MAX};

/// A trailer section that is being read.
#[derive(Debug)]
pub(super) struct Section {
    /// The line that is being read.
    line: Vec<u8>,
    /// The last chunk and the fields kept so far.
    written: Vec<u8>,
    /// `bytes <= TRAILER_BYTES_MAX`: bytes read.
    bytes: usize,
    /// `fields <= TRAILERS_MAX`: fields read.
    fields: usize,
    /// Whether fields are passed on at all.
    keep: bool,
    /// The empty line was read.
    ended: bool,
}

/// What becomes of a trailer field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Passed,
    Dropped,
    Refused,
}

impl Section {
    pub(super) fn new(keep: bool) -> Self {
        Self {
            line: Vec::new(),
            written: b"0\r\n".to_vec(),
            bytes: 0,
            fields: 0,
            keep,
            ended: false,
        }
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// The last chunk, the fields that are passed on, and the empty line.
    pub(super) fn written(&self) -> &[u8] {
        &self.written
    }

    /// Reads up to the end of the section or of the input; the number of bytes used.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<usize, Reject> {
        let mut rest = input;
        while !rest.is_empty() && !self.ended {
            let line_feed = memchr::memchr(b'\n', rest);
            let line_bytes = line_feed.map_or(rest.len(), |at| at.saturating_add(1));
            let (piece, after) = rest.split_at_checked(line_bytes).unwrap_or((rest, b""));
            self.bytes = self.bytes.saturating_add(piece.len());
            if self.bytes > TRAILER_BYTES_MAX {
                return Err(Reject::Trailers);
            }
            self.line.extend_from_slice(piece);
            if line_feed.is_some() {
                self.end_line()?;
            }
            rest = after;
        }
        Ok(input.len().saturating_sub(rest.len()))
    }

    fn end_line(&mut self) -> Result<(), Reject> {
        let line = self.line.strip_suffix(b"\r\n").ok_or(Reject::Trailers)?;
        if line.is_empty() {
            self.ended = true;
            self.written.extend_from_slice(b"\r\n");
            return Ok(());
        }
        self.fields = self.fields.saturating_add(1);
        if self.fields > TRAILERS_MAX {
            return Err(Reject::Trailers);
        }
        let colon = memchr::memchr(b':', line).ok_or(Reject::Trailers)?;
        let (name, value) = line.split_at_checked(colon).ok_or(Reject::Trailers)?;
        let value = trim(value.strip_prefix(b":").unwrap_or(value));
        // A folded line begins with white space, which is not a token.
        if !is_token(name) || !value.iter().copied().all(is_value_byte) {
            return Err(Reject::Trailers);
        }
        match fate(name) {
            Fate::Refused => return Err(Reject::Trailers),
            Fate::Passed if self.keep => {
                for part in [name, b": ", value, b"\r\n"] {
                    self.written.extend_from_slice(part);
                }
            }
            Fate::Passed | Fate::Dropped => {}
        }
        self.line.clear();
        Ok(())
    }
}

/// Whether a field may be announced in `Trailer` and stand in a trailer section.
pub(super) fn may_trail(name: &[u8]) -> bool {
    is_token(name) && fate(name) == Fate::Passed
}

/// A receiver may merge trailers into the head (RFC 9110 §6.5.1): what would change framing
/// there is refused; what would change routing, authority or the meaning of the content goes.
fn fate(name: &[u8]) -> Fate {
    match header::field(name) {
        Field::ContentLength | Field::TransferEncoding | Field::Host => Fate::Refused,
        Field::Other if is_control(name) => Fate::Dropped,
        Field::Other => Fate::Passed,
        _ => Fate::Dropped,
    }
}

/// Authentication, request and reply control, caching, conditions and content (RFC 9110 §6.5.1),
/// as far as the gateway has no other use for the name.
fn is_control(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 18] = [
        b"www-authenticate",
        b"authentication-info",
        b"proxy-authentication-info",
        b"cache-control",
        b"pragma",
        b"expires",
        b"age",
        b"date",
        b"vary",
        b"warning",
        b"location",
        b"retry-after",
        b"range",
        b"max-forwards",
        b"x-real-ip",
        b"early-data",
        b"alt-svc",
        b"clear-site-data",
    ];
    const PREFIXES: [&[u8]; 3] = [b"content-", b"if-", b"sec-"];
    let same = |known: &&[u8]| header::folds_to(name, known);
    let starts = |prefix: &&[u8]| header::starts_folded(name, prefix);
    NAMES.iter().any(same) || PREFIXES.iter().any(starts)
}
