//! No bytes make a parser panic, and no cut changes what it says.

use super::split::{self, partition, pass};
use super::{Random, get, ok, post, rounds};
use crate::http::forward::{self, ToClient, ToControl, ToFunction};
use crate::http::{
    BodyCursor, Framing, HeadEnd, Method, Trailers, Version, parse_request, parse_response,
    request_slots, response_slots,
};

const PIECES: [&str; 40] = [
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    ":",
    ": ",
    ",",
    ";",
    "\0",
    "\u{e9}",
    "/",
    "?",
    "*",
    "HTTP/1.1",
    "HTTP/1.0",
    "GET ",
    "POST ",
    "HEAD ",
    "http://h",
    "Host: a\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: ",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: ",
    "chunked",
    "Connection: ",
    "close",
    "Upgrade: websocket\r\n",
    "Trailer: a\r\n",
    "TE: trailers\r\n",
    "X-Forwarded-For: 1.2.3.4\r\n",
    "Expect: 100-continue\r\n",
    "\r\n\r\n",
    "5",
    "0",
    "a",
    "_",
    "%2f",
    "x-call-id: 1\r\n",
];

/// Random bytes, random pieces of messages, or a message with a few changes.
pub(super) fn bytes(random: &mut Random, message: &str) -> Vec<u8> {
    if random.one_in(8) {
        return random.bytes(120);
    }
    let mut bytes = Vec::new();
    if random.one_in(3) {
        for _ in 0..random.below(25) {
            bytes.extend_from_slice(random.pick(&PIECES).as_bytes());
        }
    } else {
        bytes.extend_from_slice(message.as_bytes());
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len() + 1);
            let piece = random.pick(&PIECES).as_bytes();
            let to = (at + random.below(3)).min(bytes.len());
            bytes.splice(at..to, piece.iter().copied());
        }
    }
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes
}

pub(super) fn message(random: &mut Random) -> String {
    let fields = random.pick(&[
        "Content-Length: 5\r\nA: b\r\n",
        "Transfer-Encoding: chunked\r\nTrailer: a, b\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\n",
        "a:b\r\nConnection: a, close\r\nc:  d \r\n",
        "X-Forwarded-For: 1\r\nForwarded: x\r\nX-Call-Id: 1\r\n",
    ]);
    match random.below(3) {
        0 => get(fields),
        1 => post(fields),
        _ => ok(fields),
    }
}

#[test]
fn requests() {
    let mut random = Random::new(1);
    let mut accepted = 0;
    for _ in 0..rounds(30_000) {
        let message = message(&mut random);
        let bytes = bytes(&mut random, &message);
        let whole = HeadEnd::request().find(&bytes);
        let mut end = HeadEnd::request();
        let mut seen = Ok(None);
        let mut len = 0;
        for piece in partition(&mut random, &bytes) {
            len += piece.len();
            seen = end.find(&bytes[..len]);
            if seen != Ok(None) {
                break;
            }
        }
        assert_eq!(seen, whole, "{}", bytes.escape_ascii());
        let mut slots = request_slots();
        let Ok(Some(len)) = whole else {
            // Not what the callers do, but it must not panic either.
            let _ = parse_request(&bytes, &mut slots);
            continue;
        };
        let Ok(head) = parse_request(&bytes[..len], &mut slots) else {
            continue;
        };
        accepted += 1;
        let mut out = Vec::new();
        let to = ToFunction {
            prefix: b"",
            rest: b"",
            host: b"h",
            peer: "::1".parse().unwrap(),
            peer_is_trusted: random.one_in(2),
            call_id: b"1",
            start_time: b"2",
        };
        forward::request(&head, &to, &mut out);
        let again = split::head_end(&out, HeadEnd::request);
        assert_eq!(again, Ok(Some(out.len())), "{}", out.escape_ascii());
        let mut slots = request_slots();
        let again = parse_request(&out, &mut slots).unwrap();
        assert_eq!(again.framing, head.framing);
        assert_eq!(again.method, head.method);
        let to = ToControl {
            peer: "1.2.3.4:5".parse().unwrap(),
            call_id: b"1",
        };
        let mut out = Vec::new();
        forward::control_request(&head, &to, &mut out);
        let mut slots = request_slots();
        let again = parse_request(&out, &mut slots).unwrap();
        assert_eq!((again.path, again.query), (head.path, head.query));
    }
    assert!(
        accepted > 1_000,
        "{accepted} accepted: the test tests little"
    );
}

#[test]
fn replies() {
    let mut random = Random::new(2);
    let mut accepted = 0;
    for _ in 0..rounds(30_000) {
        let message = ok(random.pick(&["Content-Length: 5\r\n", "a:b\r\n", ""]));
        let bytes = bytes(&mut random, &message);
        let method = [Method::Get, Method::Head][random.below(2)];
        let mut slots = response_slots();
        let Ok(Some(len)) = split::head_end(&bytes, HeadEnd::response) else {
            let _ = parse_response(&bytes, &mut slots, method);
            continue;
        };
        let Ok(head) = parse_response(&bytes[..len], &mut slots, method) else {
            continue;
        };
        accepted += 1;
        let mut out = Vec::new();
        let to = ToClient {
            version: [Version::Http10, Version::Http11][random.below(2)],
            framing: head.framing,
            close: random.one_in(2),
            trailers: random.one_in(2),
            ids: None,
            cors: b"",
        };
        forward::response(&head, &to, &mut out);
        let again = split::head_end(&out, HeadEnd::response);
        assert_eq!(again, Ok(Some(out.len())), "{}", out.escape_ascii());
        let mut slots = response_slots();
        let again = parse_response(&out, &mut slots, method).unwrap();
        assert_eq!(again.framing, head.framing);
        assert_eq!(again.declared_length, head.declared_length);
        out.clear();
        forward::interim(&head, &mut out);
        assert!(out.ends_with(b"\r\n\r\n"));
    }
    assert!(
        accepted > 1_000,
        "{accepted} accepted: the test tests little"
    );
}

#[test]
fn bodies() {
    let mut random = Random::new(3);
    let all = [
        || BodyCursor::new(Framing::Chunked, Trailers::Forward),
        || BodyCursor::new(Framing::Chunked, Trailers::Drop),
        || BodyCursor::new(Framing::Length(10), Trailers::Drop),
        BodyCursor::dechunk,
        BodyCursor::rechunk,
    ];
    const CHUNKS: [&str; 12] = [
        "5\r\nhello\r\n",
        "0\r\n",
        "\r\n",
        "5",
        "0",
        ";",
        "a",
        "A: b\r\n",
        "\r",
        "\n",
        " ",
        "f",
    ];
    for _ in 0..rounds(30_000) {
        let input: Vec<u8> = if random.one_in(4) {
            random.bytes(60)
        } else {
            let pieces: Vec<&str> = (0..random.below(10))
                .map(|_| random.pick(&CHUNKS))
                .collect();
            pieces.concat().into_bytes()
        };
        for new in all {
            let pieces = partition(&mut random, &input);
            let cut = pass(new(), &pieces);
            let whole = pass(new(), &[&input]);
            match (cut, whole) {
                // Each read becomes a chunk: only here the cuts show, as they may.
                (Ok(cut), Ok(whole)) if cut.out != whole.out => {
                    assert!(new().step(b"x").unwrap().crlf);
                    assert_eq!(cut.used, whole.used);
                }
                (cut, whole) => assert_eq!(cut, whole, "{}", input.escape_ascii()),
            }
        }
    }
}
