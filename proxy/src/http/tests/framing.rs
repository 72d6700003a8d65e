//! The framing of requests and of replies.

use super::{accepts, distrusts, get, ok, old, post, refuses, trusts, trusts_for};
use crate::fault::Reject;
use crate::http::{Framing, Method};

#[track_caller]
fn frames(text: String, framing: Framing) {
    assert_eq!(accepts(&text, |head| head.framing), framing, "{text}");
}

#[track_caller]
fn reply_frames(text: impl AsRef<[u8]>, framing: Framing, keep_alive: bool) {
    trusts(text, |head| {
        assert_eq!(head.framing, framing);
        assert_eq!(head.keep_alive, keep_alive);
    });
}

#[test]
fn plain_requests() {
    frames(get(""), Framing::None);
    frames(post(""), Framing::None);
    frames(post("Content-Length: 0\r\n"), Framing::Length(0));
    frames(post("Content-Length: 5\r\n"), Framing::Length(5));
    frames(post("content-length:5\r\n"), Framing::Length(5));
    frames(post("Transfer-Encoding: chunked\r\n"), Framing::Chunked);
}

#[test]
fn row_1_length_and_chunked() {
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    refuses(post(both), 400, Reject::LengthAndChunked);
    let both = "Transfer-Encoding: gzip\r\nContent-Length: 0\r\n";
    refuses(get(both), 400, Reject::LengthAndChunked);
    refuses(old("POST", both), 400, Reject::LengthAndChunked);
}

#[test]
fn row_2_length_and_chunked_in_a_reply() {
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    reply_frames(ok(both), Framing::Chunked, false);
    let broken = "Content-Length: x\r\nTransfer-Encoding: chunked\r\n";
    distrusts(ok(broken), Reject::BadLength);
}

#[test]
fn rows_3_to_5_repeated_lengths() {
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5,6\r\n",
        "Content-Length: ,5\r\n",
    ] {
        refuses(post(fields), 400, Reject::RepeatedLength);
    }
    let same = "Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 05\r\n";
    reply_frames(ok(same), Framing::Length(5), true);
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: x\r\n",
        "Content-Length: 5, 5\r\n",
    ] {
        distrusts(ok(fields), Reject::RepeatedLength);
    }
    let both_broken = "Content-Length: x\r\nContent-Length: y\r\n";
    distrusts(ok(both_broken), Reject::BadLength);
}

#[test]
fn rows_6_and_7_digits() {
    for bad in [
        "+5",
        "-5",
        "0x5",
        "5 5",
        "",
        "5;",
        "5.0",
        "1e1",
        "\u{0665}",
        "9223372036854775808",
        "99999999999999999999",
        "00000000000000000005",
    ] {
        let field = format!("Content-Length: {bad}\r\n");
        refuses(post(&field), 400, Reject::BadLength);
        distrusts(ok(&field), Reject::BadLength);
    }
    frames(post("Content-Length: 005\r\n"), Framing::Length(5));
    frames(post("Content-Length: \t 5 \t\r\n"), Framing::Length(5));
    let most = Framing::Length(i64::MAX as u64);
    frames(post("Content-Length: 9223372036854775807\r\n"), most);
    reply_frames(ok("Content-Length: 005\r\n"), Framing::Length(5), true);
}

#[test]
fn row_8_bodies_on_bodiless_methods() {
    for method in ["GET", "HEAD", "DELETE"] {
        let text = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
        frames(text, Framing::Length(5));
        refuses(
            old(method, "Content-Length: 5\r\n"),
            413,
            Reject::BodyHttp10,
        );
        frames(old(method, "Content-Length: 0\r\n"), Framing::Length(0));
    }
    frames(old("POST", "Content-Length: 5\r\n"), Framing::Length(5));
}

#[test]
fn rows_9_to_11_transfer_codings() {
    for good in ["chunked", "Chunked", "CHUNKED", " \tchunked\t "] {
        let field = format!("Transfer-Encoding:{good}\r\n");
        frames(post(&field), Framing::Chunked);
        reply_frames(ok(&field), Framing::Chunked, true);
    }
    for bad in [
        "chunked, chunked",
        "chunked;q=1",
        ",chunked",
        "chunked,",
        "xchunked",
        "chunkedx",
        "identity",
        "\"chunked\"",
        "",
        ",",
        "gzip",
        "chunked, gzip",
        "gzip, chunked, chunked",
        "identity, chunked",
        "x, chunked",
        "chunked chunked",
        "'chunked'",
        "gzip chunked",
        "gzip,, chunked",
    ] {
        let field = format!("Transfer-Encoding: {bad}\r\n");
        refuses(post(&field), 400, Reject::BadTransferEncoding);
        distrusts(ok(&field), Reject::BadTransferEncoding);
    }
    for bad in [
        "chunked\x0b",
        "\x0bchunked",
        "chunked\0",
        "\x0cchunked",
        "chunked\x08",
    ] {
        let field = format!("Transfer-Encoding: {bad}\r\n");
        refuses(post(&field), 400, Reject::HeaderBytes);
        distrusts(ok(&field), Reject::HeaderBytes);
    }
    for unsupported in [
        "gzip, chunked",
        "deflate,chunked",
        "x-gzip, compress, chunked",
    ] {
        let field = format!("Transfer-Encoding: {unsupported}\r\n");
        refuses(post(&field), 501, Reject::BadTransferEncoding);
        distrusts(ok(&field), Reject::BadTransferEncoding);
    }
    for (one, two) in [
        ("chunked", "chunked"),
        ("chunked", "identity"),
        ("gzip", "chunked"),
    ] {
        let fields = format!("Transfer-Encoding: {one}\r\nTransfer-encoding: {two}\r\n");
        refuses(post(&fields), 400, Reject::BadTransferEncoding);
        distrusts(ok(&fields), Reject::BadTransferEncoding);
    }
}

#[test]
fn rows_12_and_13_chunked_in_http10() {
    let field = "Transfer-Encoding: chunked\r\n";
    refuses(old("POST", field), 400, Reject::ChunkedHttp10);
    let reply = format!("HTTP/1.0 200 OK\r\n{field}\r\n");
    distrusts(reply, Reject::ChunkedHttp10);
}

#[test]
fn replies_without_framing_end_with_their_connection() {
    reply_frames(ok(""), Framing::UntilClose, false);
    reply_frames(ok("Connection: keep-alive\r\n"), Framing::UntilClose, false);
    reply_frames("HTTP/1.0 200 OK\r\n\r\n", Framing::UntilClose, false);
    let old = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n";
    reply_frames(format!("{old}\r\n"), Framing::Length(5), false);
    reply_frames(
        format!("{old}Connection: keep-alive\r\n\r\n"),
        Framing::Length(5),
        true,
    );
    reply_frames(
        ok("Content-Length: 5\r\nConnection: close\r\n"),
        Framing::Length(5),
        false,
    );
}

#[test]
fn rows_46_and_47_replies_without_a_body() {
    let fields = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    for status in [100, 103, 199, 204] {
        let text = format!("HTTP/1.1 {status} x\r\n{fields}Content-Length: y\r\n\r\n");
        reply_frames(text, Framing::None, true);
    }
    reply_frames("HTTP/1.1 101 x\r\n\r\n", Framing::None, false);
    let not_modified = "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n";
    trusts(not_modified, |head| {
        assert_eq!(head.framing, Framing::None);
        assert_eq!(head.declared_length, Some(5));
        assert!(head.keep_alive);
    });
    trusts_for(Method::Head, ok("Content-Length: 5\r\n"), |head| {
        assert_eq!(head.framing, Framing::None);
        assert_eq!(head.declared_length, Some(5));
        assert!(head.keep_alive);
    });
    trusts_for(Method::Head, ok(""), |head| {
        assert_eq!((head.framing, head.declared_length), (Framing::None, None));
        assert!(head.keep_alive);
    });
    trusts_for(Method::Head, ok(fields), |head| {
        assert_eq!((head.framing, head.declared_length), (Framing::None, None));
        assert!(!head.keep_alive);
    });
    trusts_for(Method::Get, ok("Content-Length: 5\r\n"), |head| {
        assert_eq!(head.declared_length, None);
    });
}
