//! Reply heads.

use super::{distrusts, ok, trusts};
use crate::fault::Reject;
use crate::http::Version;
use crate::limits::RESPONSE_HEADERS_MAX;

#[test]
fn what_a_plain_reply_says() {
    trusts("HTTP/1.1 404 Not  Found \r\nA: b\r\n\r\n", |head| {
        assert_eq!(head.status, 404);
        assert_eq!(head.reason, b"Not  Found ");
        assert_eq!(head.version, Version::Http11);
        assert_eq!(head.headers.len(), 1);
        assert!(!head.websocket);
    });
    trusts("HTTP/1.0 200\r\n\r\n", |head| {
        assert_eq!((head.status, head.reason), (200, &b""[..]));
        assert_eq!(head.version, Version::Http10);
    });
    trusts("HTTP/1.1 200 \r\n\r\n", |head| assert_eq!(head.reason, b""));
    // httparse would drop this one.
    trusts("HTTP/1.1 200 gr\u{fc}n\r\n\r\n", |head| {
        assert_eq!(head.reason, "gr\u{fc}n".as_bytes());
    });
}

#[test]
fn row_49_status_codes() {
    for good in ["100", "199", "200", "599"] {
        trusts(format!("HTTP/1.1 {good} x\r\n\r\n"), |head| {
            assert_eq!(head.status.to_string(), good);
        });
    }
    for bad in [
        "099", "000", "600", "999", "20", "2000", "2xx", "+20", "-20", " 20", "", "20a",
    ] {
        distrusts(format!("HTTP/1.1 {bad} x\r\n\r\n"), Reject::Syntax);
    }
}

#[test]
fn row_30_versions() {
    for bad in ["HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/1.10"] {
        distrusts(format!("{bad} 200 OK\r\n\r\n"), Reject::Version);
    }
    for bad in ["http/1.1", "ICY", "HTTP", " HTTP/1.1"] {
        distrusts(format!("{bad} 200 OK\r\n\r\n"), Reject::Syntax);
    }
}

#[test]
fn rows_15_to_21_fields() {
    distrusts(ok("a: b\r\n c\r\n"), Reject::ObsFold);
    distrusts(ok(" a: b\r\n"), Reject::Syntax);
    distrusts(ok("a: b\rc\r\n"), Reject::BareLineEnd);
    distrusts("HTTP/1.1 200 O\rK\r\n\r\n", Reject::BareLineEnd);
    distrusts("HTTP/1.1 200 O\0K\r\n\r\n", Reject::Syntax);
    for bad in ["a : b", ": b", "a", "a: b\0", "a: \x0b", "\u{e9}: b"] {
        distrusts(ok(&format!("{bad}\r\n")), Reject::HeaderBytes);
    }
    trusts(ok("a: gr\u{fc}n\r\nSet_Cookie: x\r\n"), |head| {
        assert_eq!(head.headers.len(), 2);
    });
}

#[test]
fn row_41_nominations() {
    distrusts(ok("Connection: content-length\r\n"), Reject::Nomination);
    distrusts(ok("Connection: Transfer-Encoding\r\n"), Reject::Nomination);
    trusts(ok("Connection: x-mine\r\n"), |head| assert!(head.nominates));
    trusts(ok("Connection: set-cookie, close\r\n"), |head| {
        assert!(!head.nominates && !head.keep_alive);
    });
}

#[test]
fn row_44_only_a_101_to_websocket_is_one() {
    let websocket = |text: &str| trusts(text, |head| head.websocket);
    let fields = "Connection: Upgrade\r\nUpgrade: WebSocket\r\n";
    assert!(websocket(&format!("HTTP/1.1 101 x\r\n{fields}\r\n")));
    assert!(!websocket(&format!("HTTP/1.1 200 x\r\n{fields}\r\n")));
    assert!(!websocket(&format!("HTTP/1.0 101 x\r\n{fields}\r\n")));
    assert!(!websocket("HTTP/1.1 101 x\r\nConnection: Upgrade\r\n\r\n"));
    assert!(!websocket("HTTP/1.1 101 x\r\nUpgrade: h2c\r\n\r\n"));
    assert!(!websocket(
        "HTTP/1.1 101 x\r\nUpgrade: websocket, h2c\r\n\r\n"
    ));
    assert!(!websocket(&format!(
        "HTTP/1.1 101 x\r\n{fields}Upgrade: websocket\r\n\r\n"
    )));
}

#[test]
fn row_48_most_fields() {
    let with = |fields: usize| ok(&"a: b\r\n".repeat(fields));
    trusts(with(RESPONSE_HEADERS_MAX), |head| {
        assert_eq!(head.headers.len(), RESPONSE_HEADERS_MAX);
    });
    distrusts(with(RESPONSE_HEADERS_MAX + 1), Reject::HeadTooLarge);
}
