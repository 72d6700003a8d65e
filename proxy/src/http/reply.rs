//! The gateway's own answers: short text/plain that says what happened.

use crate::http::digits::push_decimal;
use crate::http::forward::{Ids, push_field};

/// `100 Continue`.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// One answer of the gateway itself.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The status.
    pub status: u16,
    /// One line of text, without line end; empty for no body.
    pub text: &'a str,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u32>,
    /// `Location`, for 301; already safe to insert (checked: no control bytes).
    pub location: Option<&'a [u8]>,
    /// Whether the connection closes after it.
    pub close: bool,
    /// Whether the request was HEAD: the body is left out, its length is kept.
    pub head_only: bool,
    /// Further field lines, each with its line end; already safe to insert.
    pub extra: &'a [u8],
    /// Call id and times, where the request got that far.
    pub ids: Option<Ids<'a>>,
}

impl Reply<'_> {
    /// Writes head and body into `out` (appended).
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"HTTP/1.1 ");
        push_decimal(out, u64::from(self.status));
        out.push(b' ');
        out.extend_from_slice(reason(self.status).as_bytes());
        let line_end: &[u8] = if self.text.is_empty() { b"" } else { b"\n" };
        // RFC 9110 §8.6: a 204 has no length, not even 0.
        let has_content = self.status != 204;
        if has_content {
            let body_bytes = self.text.len().saturating_add(line_end.len());
            out.extend_from_slice(
                b"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ",
            );
            push_decimal(out, u64::try_from(body_bytes).unwrap_or(u64::MAX));
            out.extend_from_slice(b"\r\nX-Content-Type-Options: nosniff");
        }
        out.extend_from_slice(b"\r\nX-OpenFaaS-Internal: gateway\r\n");
        if let Some(ids) = &self.ids {
            for (name, value) in [
                (&b"X-Call-Id"[..], ids.call_id),
                (b"X-Start-Time", ids.start_time),
                (b"X-Served-By", ids.served_by),
            ] {
                if !value.is_empty() {
                    push_field(out, name, value);
                }
            }
        }
        if let Some(seconds) = self.retry_after {
            out.extend_from_slice(b"Retry-After: ");
            push_decimal(out, u64::from(seconds));
            out.extend_from_slice(b"\r\n");
        }
        if let Some(location) = self.location {
            push_field(out, b"Location", location);
        }
        out.extend_from_slice(self.extra);
        if self.close {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        if has_content && !self.head_only {
            out.extend_from_slice(self.text.as_bytes());
            out.extend_from_slice(line_end);
        }
    }
}

/// The reason phrase of a status (RFC 9110 §15), empty when unknown.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
