//! The end of a head, and what is refused before it is reached.

use super::{accepts, get, refuses, split};
use crate::fault::Reject;
use crate::http::{HeadEnd, Refusal};
use crate::limits::{HEAD_BYTES_MAX, HEADER_BYTES_MAX, METHOD_BYTES_MAX, TARGET_BYTES_MAX};

#[track_caller]
fn finds(bytes: impl AsRef<[u8]>, expected: Option<usize>) {
    let found = split::head_end(bytes.as_ref(), HeadEnd::request);
    assert_eq!(found, Ok(expected), "{}", bytes.as_ref().escape_ascii());
}

#[track_caller]
fn refused(bytes: impl AsRef<[u8]>, new: fn() -> HeadEnd, status: u16, why: Reject) {
    let found = split::head_end(bytes.as_ref(), new);
    assert_eq!(found, Err(Refusal { status, why }));
}

#[test]
fn the_head_ends_behind_its_empty_line() {
    finds("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(27));
    finds("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", Some(18));
    finds("GET / HTTP/1.1\r\nHost: a\r\n\r", None);
    finds("", None);
}

#[test]
fn row_16_bare_lf_is_refused_at_once() {
    for bytes in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "\nGET / HTTP/1.1\r\n",
        "\r\n\n",
    ] {
        refused(bytes, HeadEnd::request, 400, Reject::BareLineEnd);
    }
    let reply = "HTTP/1.1 200 OK\nA: b\r\n\r\n";
    refused(reply, HeadEnd::response, 400, Reject::BareLineEnd);
}

#[test]
fn row_22_one_empty_line_may_come_first() {
    finds("\r\nGET / HTTP/1.1\r\n\r\n", Some(20));
    accepts(format!("\r\n{}", get("")), |head| {
        assert_eq!(head.path, b"/function/x");
    });
    let two = format!("\r\n\r\n{}", get(""));
    refused(two, HeadEnd::request, 400, Reject::Syntax);
    refuses("\r\n\r\nGET / HTTP/1.1\r\n\r\n", 400, Reject::Syntax);
    let reply = "\r\nHTTP/1.1 200 OK\r\n\r\n";
    refused(reply, HeadEnd::response, 400, Reject::Syntax);
}

#[test]
fn row_25_the_longest_request_line() {
    let line = |target: usize| {
        let method = "M".repeat(METHOD_BYTES_MAX);
        format!("{method} /{} HTTP/1.1\r\n", "t".repeat(target - 1))
    };
    finds(line(TARGET_BYTES_MAX), None);
    refused(
        line(TARGET_BYTES_MAX + 1),
        HeadEnd::request,
        414,
        Reject::TargetTooLong,
    );
    refused(
        vec![b'x'; 2 * TARGET_BYTES_MAX],
        HeadEnd::request,
        414,
        Reject::TargetTooLong,
    );
}

#[test]
fn row_33_the_longest_field_line() {
    let head = |bytes: usize| {
        let value = "v".repeat(bytes - "name: \r\n".len());
        get(&format!("name: {value}\r\n"))
    };
    accepts(head(HEADER_BYTES_MAX), |head| {
        assert_eq!(head.headers.len(), 2);
    });
    refuses(head(HEADER_BYTES_MAX + 1), 431, Reject::HeadTooLarge);
    let endless = head(3 * HEADER_BYTES_MAX).replace("\r\n\r\n", "");
    refuses(endless, 431, Reject::HeadTooLarge);
}

#[test]
fn rows_33_and_48_the_longest_head() {
    let head = |bytes: usize, first: &str| {
        let mut head = String::from(first);
        while head.len() + 1_100 < bytes {
            head.push_str(&format!("a: {}\r\n", "v".repeat(1_000)));
        }
        let fill = bytes - head.len() - "a: \r\n\r\n".len();
        head.push_str(&format!("a: {}\r\n\r\n", "v".repeat(fill)));
        assert_eq!(head.len(), bytes);
        head
    };
    let line = "GET / HTTP/1.1\r\nHost: a\r\n";
    accepts(head(HEAD_BYTES_MAX, line), |head| {
        assert_eq!(head.path, b"/")
    });
    refuses(head(HEAD_BYTES_MAX + 1, line), 431, Reject::HeadTooLarge);
    let status = "HTTP/1.1 200 OK\r\n";
    let reply = head(HEAD_BYTES_MAX + 1, status);
    refused(reply, HeadEnd::response, 431, Reject::HeadTooLarge);
    let reply = head(HEAD_BYTES_MAX, status);
    let found = split::head_end(reply.as_bytes(), HeadEnd::response);
    assert_eq!(found, Ok(Some(HEAD_BYTES_MAX)));
}

#[test]
fn row_31_http2_clients_are_told() {
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    refused(preface, HeadEnd::request, 505, Reject::Http2Preface);
    finds("PRI * HTTP/2", None);
    // A token like any other.
    let prim = "PRIM /function/x HTTP/1.1\r\nHost: a\r\n\r\n";
    accepts(prim, |head| assert_eq!(head.method_bytes, b"PRIM"));
}

#[test]
fn row_32_tls_is_closed_silently() {
    refused(
        b"\x16\x03\x01\x02\x00\x01",
        HeadEnd::request,
        0,
        Reject::Tls,
    );
    finds(b"\x16", None);
    // A reply is never TLS; what it is instead the parser says.
    let found = split::head_end(b"\x16\x03\x01", HeadEnd::response);
    assert_eq!(found, Ok(None));
}
