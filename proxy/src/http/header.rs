//! The header fields the gateway acts on, and the lists in their values.
//!
//! A name is recognised by its length, its first letter and one comparison that ignores case
//! and takes `_` for `-`: receivers that map names to variables (CGI) see no difference between
//! the two, so a request may not use one for the other (see [`is_disguised`]).

use httparse::Header;

use crate::fault::Reject;
use crate::http::Version;
use crate::limits::CONNECTION_OPTIONS_MAX;

/// A field by what the gateway does with it; all that it only passes on is `Other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// `Authorization`.
    Authorization,
    /// `X-Call-Id`.
    CallId,
    /// `Connection`.
    Connection,
    /// `Content-Length`.
    ContentLength,
    /// `Cookie`.
    Cookie,
    /// `Expect`.
    Expect,
    /// `Forwarded`, and `X-Forwarded-…` other than the three below.
    Forwarded,
    /// `X-Forwarded-For`.
    ForwardedFor,
    /// `X-Forwarded-Host`.
    ForwardedHost,
    /// `X-Forwarded-Proto`.
    ForwardedProto,
    /// `Host`.
    Host,
    /// About one connection only and never passed on: `Keep-Alive`, `Proxy-Connection`,
    /// `Proxy-Authenticate`, `Proxy-Authorization`, `HTTP2-Settings`.
    HopByHop,
    /// `X-Ringway-…`: said by the gateway to its control plane, by nobody else.
    Ringway,
    /// `X-Served-By`.
    ServedBy,
    /// `Set-Cookie`.
    SetCookie,
    /// `X-Start-Time`.
    StartTime,
    /// `TE`.
    Te,
    /// `traceparent`.
    TraceParent,
    /// `tracestate`.
    TraceState,
    /// `Trailer`.
    Trailer,
    /// `Transfer-Encoding`.
    TransferEncoding,
    /// `Upgrade`.
    Upgrade,
    /// Any other field.
    Other,
}

/// Recognises a field's name.
pub(super) fn field(name: &[u8]) -> Field {
    let Some(&first) = name.first() else {
        return Field::Other;
    };
    let (known, is): (&[u8], Field) = match (name.len(), first | 0x20) {
        (2, b't') => (b"te", Field::Te),
        (4, b'h') => (b"host", Field::Host),
        (6, b'c') => (b"cookie", Field::Cookie),
        (6, b'e') => (b"expect", Field::Expect),
        (7, b't') => (b"trailer", Field::Trailer),
        (7, b'u') => (b"upgrade", Field::Upgrade),
        (9, b'f') => (b"forwarded", Field::Forwarded),
        (9, b'x') => (b"x-call-id", Field::CallId),
        (10, b'c') => (b"connection", Field::Connection),
        (10, b'k') => (b"keep-alive", Field::HopByHop),
        (10, b's') => (b"set-cookie", Field::SetCookie),
        (10, b't') => (b"tracestate", Field::TraceState),
        (11, b't') => (b"traceparent", Field::TraceParent),
        (11, b'x') => (b"x-served-by", Field::ServedBy),
        (12, b'x') => (b"x-start-time", Field::StartTime),
        (13, b'a') => (b"authorization", Field::Authorization),
        (14, b'c') => (b"content-length", Field::ContentLength),
        (14, b'h') => (b"http2-settings", Field::HopByHop),
        (15, b'x') => (b"x-forwarded-for", Field::ForwardedFor),
        (16, b'p') => (b"proxy-connection", Field::HopByHop),
        (16, b'x') => (b"x-forwarded-host", Field::ForwardedHost),
        (17, b't') => (b"transfer-encoding", Field::TransferEncoding),
        (17, b'x') => (b"x-forwarded-proto", Field::ForwardedProto),
        (18, b'p') => (b"proxy-authenticate", Field::HopByHop),
        (19, b'p') => (b"proxy-authorization", Field::HopByHop),
        _ => (b"", Field::Other),
    };
    if folds_to(name, known) {
        return is;
    }
    match name {
        [b'x' | b'X', _, b'f' | b'F', ..] if starts_folded(name, b"x-forwarded-") => {
            Field::Forwarded
        }
        [b'x' | b'X', _, b'r' | b'R', ..] if starts_folded(name, b"x-ringway-") => Field::Ringway,
        _ => Field::Other,
    }
}

/// Whether a recognised name is written with `_` for `-`: one receiver reads the field, the
/// other does not.
pub(super) fn is_disguised(name: &[u8], field: Field) -> bool {
    field != Field::Other && name.contains(&b'_')
}

/// What the `Connection` fields of a message say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Connection {
    /// `close`.
    pub(super) close: bool,
    /// `keep-alive`.
    pub(super) keep_alive: bool,
    /// `upgrade`.
    pub(super) upgrade: bool,
    /// Names at least one field that would otherwise be passed on.
    pub(super) nominates: bool,
    /// `options <= CONNECTION_OPTIONS_MAX`: list elements seen, empty ones included.
    options: usize,
}

impl Connection {
    /// Adds one `Connection` field.
    ///
    /// Fields that the gateway recognises cannot be nominated: `Connection: authorization`
    /// would let a client strip what a hop before it added.
    pub(super) fn read(&mut self, value: &[u8]) -> Result<(), Reject> {
        for option in elements(value) {
            self.options = self.options.saturating_add(1);
            if self.options > CONNECTION_OPTIONS_MAX {
                return Err(Reject::ConnectionOptions);
            }
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else if !option.is_empty() {
                match field(option) {
                    Field::ContentLength | Field::TransferEncoding | Field::Host => {
                        return Err(Reject::Nomination);
                    }
                    Field::Other => self.nominates = true,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Whether the sender allows another message on the connection (RFC 9112 §9.3).
    pub(super) const fn keeps(&self, version: Version) -> bool {
        let keeps = match version {
            Version::Http11 => true,
            Version::Http10 => self.keep_alive,
        };
        keeps && !self.close
    }
}

/// Whether a `Connection` field among `headers` names `name`. Cold: asked only about messages
/// that nominate something, whose options are bounded.
pub(super) fn is_nominated(headers: &[Header<'_>], name: &[u8]) -> bool {
    headers
        .iter()
        .filter(|header| field(header.name.as_bytes()) == Field::Connection)
        .flat_map(|header| elements(header.value))
        .any(|option| option.eq_ignore_ascii_case(name))
}

/// The elements of a comma-separated list, trimmed; empty ones too (RFC 9110 §5.6.1).
pub(super) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim)
}

/// `text` without the white space around it: SP and HTAB only (RFC 9110 §5.6.3).
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = text.iter().take_while(|byte| is_space(byte)).count();
    let text = text.get(start..).unwrap_or_default();
    let end = text.iter().rposition(|byte| !is_space(byte));
    end.and_then(|end| text.get(..=end)).unwrap_or_default()
}

/// Whether `text` is a token (RFC 9110 §5.6.2).
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token_byte)
}

/// Whether `text` is made of tokens, commas and spaces, and of something at all.
#[must_use]
pub fn is_list_of_tokens(text: &[u8]) -> bool {
    let allowed = |byte: &u8| is_token_byte(*byte) || matches!(byte, b',' | b' ');
    !text.is_empty() && text.iter().all(allowed)
}

/// Whether `byte` may stand in a field's value (RFC 9110 §5.5): no control byte but HTAB.
pub(super) const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Whether `name` is `known`, which is in lower case, but for case and `_` for `-`.
pub(super) fn folds_to(name: &[u8], known: &[u8]) -> bool {
    let folds = |(byte, is): (&u8, &u8)| fold(*byte) == *is;
    name.len() == known.len()
        && (same_but_for_case(name, known) || name.iter().zip(known).all(folds))
}

/// Compares eight bytes at once; the last eight overlap those before them. `false` for names of less
/// than four bytes, too.
fn same_but_for_case(name: &[u8], known: &[u8]) -> bool {
    // Two letters that differ only in this bit are the same letter.
    let differ = |name: u64, known: u64| (name ^ known) & !((known & LETTERS) >> 1) != 0;
    let word = |text: &[u8; 8]| u64::from_ne_bytes(*text);
    let half = |text: &[u8; 4]| u32::from_ne_bytes(*text).into();
    if let (Some(name_end), Some(known_end)) = (name.last_chunk(), known.last_chunk()) {
        let (names, _) = name.as_chunks();
        let (knowns, _) = known.as_chunks();
        let mut words = names.iter().zip(knowns);
        return !differ(word(name_end), word(known_end))
            && !words.any(|(name, known)| differ(word(name), word(known)));
    }
    let halves = |text: &[u8]| Some((half(text.first_chunk()?), half(text.last_chunk()?)));
    match (halves(name), halves(known)) {
        (Some(name), Some(known)) => !differ(name.0, known.0) && !differ(name.1, known.1),
        _ => false,
    }
}

/// The bit that letters have, and digits and `-` have not.
const LETTERS: u64 = u64::from_ne_bytes([0x40; 8]);

pub(super) fn starts_folded(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| folds_to(start, prefix))
}

const fn fold(byte: u8) -> u8 {
    match byte {
        b'_' => b'-',
        _ => byte.to_ascii_lowercase(),
    }
}
