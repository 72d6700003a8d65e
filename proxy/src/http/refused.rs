//! Which rule a head breaks that httparse refused. Cold: the connection is lost anyway, the
//! reason is for the answer's status and the metric's label.

use httparse::Error;

use crate::fault::Reject;
use crate::http::Refusal;

/// For a request.
#[cold]
pub(super) fn request(head: &[u8], error: Error, seen: &httparse::Request<'_, '_>) -> Refusal {
    let line = first_line(head);
    match error {
        Error::TooManyHeaders => Refusal::new(431, Reject::HeadTooLarge),
        _ if has_bare_line_end(head) => Refusal::new(400, Reject::BareLineEnd),
        Error::Token if matches!(head.first(), Some(b' ' | b'\t')) => {
            Refusal::new(400, Reject::Syntax)
        }
        Error::Token if seen.method.is_none() => Refusal::new(400, Reject::Method),
        // `GET /` alone is HTTP/0.9.
        Error::Token if spaces(line) == 1 => Refusal::new(400, Reject::Version),
        Error::Token => Refusal::new(400, Reject::TargetBytes),
        Error::Version => {
            let version = line.splitn(3, |byte| *byte == b' ').nth(2);
            let known_form = version.is_some_and(is_version);
            Refusal::new(if known_form { 505 } else { 400 }, Reject::Version)
        }
        // Something stands behind the version.
        Error::NewLine => Refusal::new(400, Reject::Version),
        _ => Refusal::new(400, field_reason(head)),
    }
}

/// For a reply.
#[cold]
pub(super) fn response(head: &[u8], error: Error) -> Refusal {
    let why = match error {
        Error::TooManyHeaders => Reject::HeadTooLarge,
        _ if has_bare_line_end(head) => Reject::BareLineEnd,
        Error::Version => Reject::Version,
        Error::Status | Error::Token => Reject::Syntax,
        _ => field_reason(head),
    };
    Refusal::new(502, why)
}

/// Folded lines begin with white space (RFC 9112 §5.2); before the first field it is no folding.
fn field_reason(head: &[u8]) -> Reject {
    let mut lines = head.split(|byte| *byte == b'\n').skip(1);
    let is_indented = |line: &[u8]| matches!(line.first(), Some(b' ' | b'\t'));
    if lines.next().is_some_and(is_indented) {
        Reject::Syntax
    } else if lines.any(is_indented) {
        Reject::ObsFold
    } else {
        Reject::HeaderBytes
    }
}

fn has_bare_line_end(head: &[u8]) -> bool {
    let mut previous = 0;
    head.iter().any(|&byte| {
        let bare = (previous == b'\r') != (byte == b'\n');
        previous = byte;
        bare
    })
}

/// `HTTP/` and one digit, with or without another one behind a dot.
fn is_version(text: &[u8]) -> bool {
    match text.strip_prefix(b"HTTP/") {
        Some([major]) => major.is_ascii_digit(),
        Some([major, b'.', minor]) => major.is_ascii_digit() && minor.is_ascii_digit(),
        _ => false,
    }
}

fn first_line(head: &[u8]) -> &[u8] {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn spaces(line: &[u8]) -> usize {
    line.iter().filter(|byte| **byte == b' ').count()
}
