//! The request target (RFC 9112 §3.2) and the authority in it.

use crate::fault::Reject;
use crate::http::{Method, Refusal};
use crate::limits::TARGET_BYTES_MAX;

/// A request target taken apart.
#[derive(Debug)]
pub(super) struct Target<'b> {
    /// Begins with `/`, or is `*`.
    pub(super) path: &'b [u8],
    /// Without its `?`.
    pub(super) query: Option<&'b [u8]>,
    /// Of the absolute form.
    pub(super) authority: Option<Authority<'b>>,
}

/// `host[:port]` of an absolute-form target, never empty.
#[derive(Debug)]
pub(super) struct Authority<'b> {
    pub(super) text: &'b [u8],
    /// The port meant when none is written.
    default_port: &'static [u8],
}

/// Takes a target apart.
pub(super) fn parse(target: &[u8], method: Method) -> Result<Target<'_>, Refusal> {
    if target.len() > TARGET_BYTES_MAX {
        return Err(Refusal::new(414, Reject::TargetTooLong));
    }
    if !target.iter().copied().all(is_target_byte) {
        return Err(Refusal::new(400, Reject::TargetBytes));
    }
    match target {
        [b'/', ..] => {
            let (path, query) = split_query(target);
            Ok(Target {
                path,
                query,
                authority: None,
            })
        }
        b"*" if method == Method::Options => Ok(Target {
            path: target,
            query: None,
            authority: None,
        }),
        _ => absolute(target, method),
    }
}

/// `http://authority/path?query`; any other form is refused: CONNECT alone has the authority
/// form, and it is not served.
fn absolute(target: &[u8], method: Method) -> Result<Target<'_>, Refusal> {
    let (default_port, rest): (&'static [u8], _) = if let Some(rest) = after(target, b"http://") {
        (b"80", rest)
    } else if let Some(rest) = after(target, b"https://") {
        (b"443", rest)
    } else {
        return Err(Refusal::new(400, Reject::TargetForm));
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
    let (text, rest) = rest.split_at(end.unwrap_or(rest.len()));
    if text.is_empty() || text.first() == Some(&b':') || !is_host(text) {
        return Err(Refusal::new(400, Reject::TargetAuthority));
    }
    let (path, query) = split_query(rest);
    let path = match path {
        // RFC 9112 §3.2.4: the asterisk form for the last proxy of a chain.
        b"" if query.is_none() && method == Method::Options => b"*",
        b"" => b"/",
        path => path,
    };
    Ok(Target {
        path,
        query,
        authority: Some(Authority { text, default_port }),
    })
}

impl Authority<'_> {
    /// Whether a `Host` field names the same place: case does not count, nor does writing out
    /// the default port (RFC 9110 §4.2.3).
    pub(super) fn names(&self, host: &[u8]) -> bool {
        let (own_name, own_port) = split_port(self.text);
        let (name, port) = split_port(host);
        let or_default = |port: Option<&[u8]>| -> bool {
            port.is_none_or(|port| port.is_empty() || port == self.default_port)
        };
        own_name.eq_ignore_ascii_case(name)
            && (own_port == port || or_default(own_port) && or_default(port))
    }
}

/// Whether `text` may stand in `Host`: `host[:port]` or nothing (RFC 9110 §7.2), without the
/// bytes that begin another part of a URI.
pub(super) fn is_host(text: &[u8]) -> bool {
    let (name, port) = split_port(text);
    if port.is_some_and(|port| !port.iter().all(u8::is_ascii_digit)) {
        return false;
    }
    match name {
        [b'[', inner @ .., b']'] => {
            !inner.is_empty() && inner.iter().all(|byte| is_ip_literal_byte(*byte))
        }
        name => name.iter().all(|byte| is_name_byte(*byte)),
    }
}

/// Whether `byte` may stand in a target: RFC 3986's bytes, and `|`, which browsers send.
pub(super) const fn is_target_byte(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~')
        && !matches!(
            byte,
            b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'}'
        )
}

fn split_query(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'?', text).and_then(|at| text.split_at_checked(at)) {
        Some((path, query)) => (path, query.strip_prefix(b"?")),
        None => (text, None),
    }
}

/// At the first colon that is not inside `[…]`.
fn split_port(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let literal_end = match text.first() {
        Some(b'[') => memchr::memchr(b']', text).unwrap_or(0),
        _ => 0,
    };
    let colon = text
        .iter()
        .skip(literal_end)
        .position(|byte| *byte == b':')
        .and_then(|at| at.checked_add(literal_end));
    match colon.and_then(|at| text.split_at_checked(at)) {
        Some((name, port)) => (name, port.strip_prefix(b":")),
        None => (text, None),
    }
}

fn after<'b>(text: &'b [u8], prefix: &[u8]) -> Option<&'b [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// RFC 3986's reg-name without the comma, which joins repeated fields.
const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b';'
                | b'='
        )
}

/// An IPv6 address, with or without a zone, or a future version's (RFC 3986 §3.2.2).
const fn is_ip_literal_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'.' | b'%' | b'-' | b'_' | b'~')
}
