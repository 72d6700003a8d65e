//! What is written is what was read: a forwarded head, read again by our parser and by httparse,
//! is the head that came, but for the fields of one connection.

use httparse::{EMPTY_HEADER, Header};

use super::random::{bytes, message};
use super::{Random, ok, rounds};
use crate::http::forward::{self, ToClient, ToFunction};
use crate::http::{
    HeadEnd, Method, Version, parse_request, parse_response, request_slots, response_slots,
};

/// Fields that only pass through: here, those with a name of one letter.
fn passing(headers: &[Header<'_>]) -> Vec<(String, Vec<u8>)> {
    let own = headers.iter().filter(|h| h.name.len() == 1);
    own.map(|h| (h.name.to_owned(), h.value.to_vec())).collect()
}

/// Whether `Connection` fields name no other: those are stripped.
fn names_none(headers: &[Header<'_>]) -> bool {
    let mut all = headers.iter();
    !all.any(|h| h.name.eq_ignore_ascii_case("connection"))
}

#[track_caller]
fn same(ours: &[Header<'_>], theirs: &[Header<'_>], out: &[u8]) {
    let of = |headers: &[Header<'_>]| -> Vec<(String, Vec<u8>)> {
        let all = headers.iter();
        all.map(|h| (h.name.to_owned(), h.value.to_vec())).collect()
    };
    assert_eq!(of(ours), of(theirs), "{}", out.escape_ascii());
}

#[test]
fn a_forwarded_request_is_the_request() {
    let mut random = Random::new(4);
    let mut compared = 0;
    for _ in 0..rounds(30_000) {
        let message = message(&mut random);
        let bytes = bytes(&mut random, &message);
        let Ok(Some(len)) = HeadEnd::request().find(&bytes) else {
            continue;
        };
        let mut slots = request_slots();
        let Ok(head) = parse_request(&bytes[..len], &mut slots) else {
            continue;
        };
        let to = ToFunction {
            prefix: b"",
            rest: head.path,
            host: b"h",
            peer: "::1".parse().unwrap(),
            peer_is_trusted: random.one_in(2),
            call_id: b"1",
            start_time: b"2",
        };
        let mut out = Vec::new();
        forward::request(&head, &to, &mut out);
        let mut slots = request_slots();
        let again = parse_request(&out, &mut slots).unwrap();
        assert_eq!(again.method_bytes, head.method_bytes);
        assert_eq!((again.path, again.query), (head.path, head.query));
        assert_eq!(again.framing, head.framing);
        if names_none(head.headers) {
            compared += 1;
            assert_eq!(passing(again.headers), passing(head.headers));
        }
        let mut fields = [EMPTY_HEADER; 256];
        let mut theirs = httparse::Request::new(&mut fields);
        assert!(theirs.parse(&out).is_ok_and(|status| status.is_complete()));
        assert_eq!(theirs.method.map(str::as_bytes), Some(head.method_bytes));
        same(again.headers, theirs.headers, &out);
    }
    assert!(
        compared > rounds(30_000) / 30,
        "{compared}: the test tests little"
    );
}

#[test]
fn a_forwarded_reply_is_the_reply() {
    let mut random = Random::new(5);
    let mut compared = 0;
    for _ in 0..rounds(30_000) {
        let message = ok(random.pick(&["Content-Length: 5\r\na: b\r\n", "a:b\r\nc:  d \r\n", ""]));
        let bytes = bytes(&mut random, &message);
        let method = [Method::Get, Method::Head][random.below(2)];
        let Ok(Some(len)) = HeadEnd::response().find(&bytes) else {
            continue;
        };
        let mut slots = response_slots();
        let Ok(head) = parse_response(&bytes[..len], &mut slots, method) else {
            continue;
        };
        let to = ToClient {
            version: Version::Http11,
            framing: head.framing,
            close: random.one_in(2),
            trailers: false,
            ids: None,
            cors: b"",
        };
        let mut out = Vec::new();
        forward::response(&head, &to, &mut out);
        let mut slots = response_slots();
        let again = parse_response(&out, &mut slots, method).unwrap();
        assert_eq!((again.status, again.framing), (head.status, head.framing));
        if names_none(head.headers) {
            compared += 1;
            assert_eq!(passing(again.headers), passing(head.headers));
        }
        let mut fields = [EMPTY_HEADER; 512];
        let mut theirs = httparse::Response::new(&mut fields);
        assert!(theirs.parse(&out).is_ok_and(|status| status.is_complete()));
        assert_eq!(theirs.code, Some(head.status));
        same(again.headers, theirs.headers, &out);
    }
    assert!(
        compared > rounds(30_000) / 30,
        "{compared}: the test tests little"
    );
}
