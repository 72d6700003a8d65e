//! Chunked bodies: passed on, rewritten, undone and refused.

use super::split::{Passed, partition, pass, pass_all_ways};
use super::{Random, rounds};
use crate::fault::Reject;
use crate::http::{BodyCursor, Framing, Trailers};
use crate::limits::{
    CHUNK_EXTENSION_BYTES_MAX, CHUNK_EXTENSIONS_BYTES_MAX, CHUNK_SIZE_DIGITS_MAX,
    TRAILER_BYTES_MAX, TRAILERS_MAX,
};

fn forward() -> BodyCursor {
    BodyCursor::new(Framing::Chunked, Trailers::Forward)
}

fn drop_trailers() -> BodyCursor {
    BodyCursor::new(Framing::Chunked, Trailers::Drop)
}

/// `input` comes out as `out`, and behind it another message begins.
#[track_caller]
fn becomes(input: impl AsRef<[u8]>, out: impl AsRef<[u8]>) {
    let input = input.as_ref();
    let mut stream = input.to_vec();
    stream.extend_from_slice(b"GET / HTTP/1.1\r\n");
    let expected = Passed {
        out: out.as_ref().to_vec(),
        used: input.len(),
        done: true,
    };
    let passed = pass_all_ways(forward, &stream);
    assert_eq!(passed, Ok(expected), "{}", input.escape_ascii());
}

#[track_caller]
fn unchanged(input: impl AsRef<[u8]>) {
    becomes(input.as_ref(), input.as_ref());
}

#[track_caller]
fn refused(input: impl AsRef<[u8]>, why: Reject) {
    let input = input.as_ref();
    for new in [forward, drop_trailers, BodyCursor::dechunk] {
        assert_eq!(
            pass_all_ways(new, input),
            Err(why),
            "{}",
            input.escape_ascii()
        );
    }
}

#[test]
fn canonical_bodies_are_not_changed() {
    unchanged("0\r\n\r\n");
    unchanged("5\r\nhello\r\n0\r\n\r\n");
    unchanged("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    unchanged("5\r\n0\r\n\r\n\r\n0\r\n\r\n");
    unchanged(format!(
        "1A\r\n{0}\r\n1a\r\n{0}\r\n0\r\n\r\n",
        "x".repeat(26)
    ));
}

#[test]
fn canonical_bodies_are_forwarded_in_one_step() {
    let input = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET";
    let mut body = forward();
    let step = body.step(input).unwrap();
    assert_eq!(
        (step.skip, step.forward, step.crlf),
        (0, input.len() - 3, false)
    );
    assert!(step.prefix.as_bytes().is_empty());
    assert!(body.is_done());
    assert_eq!(body.tail(), b"");
}

#[test]
fn rows_34_and_35_legal_lines_are_written_anew() {
    becomes("005\r\nhello\r\n00\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n");
    becomes("5;a=b\r\nhello\r\n0;c\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n");
    becomes(
        "5 \t;a=\"b;c\"\r\nhello\r\n0 \r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
    );
    becomes("5;\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n");
    becomes("5;\u{e9}\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n");
    let data = "x".repeat(0xab);
    becomes(
        format!("00aB;x\r\n{data}\r\n000\r\n\r\n"),
        format!("aB\r\n{data}\r\n0\r\n\r\n"),
    );
}

#[test]
fn row_34_sizes() {
    for bad in [
        "\r\n", ";a\r\n", "x\r\n", "+5\r\n", "-5\r\n", "0x5\r\n", " 5\r\n", "5 5\r\n", "5g\r\n",
        "5 a\r\n", "5,5\r\n", "5.\r\n", "\t5\r\n", "\0\r\n",
    ] {
        refused(format!("{bad}hello\r\n0\r\n\r\n"), Reject::Chunked);
    }
    let zeros = "0".repeat(CHUNK_SIZE_DIGITS_MAX - 1);
    becomes(
        format!("{zeros}5\r\nhello\r\n0\r\n\r\n"),
        "5\r\nhello\r\n0\r\n\r\n",
    );
    refused(format!("0{zeros}5\r\nhello\r\n0\r\n\r\n"), Reject::Chunked);
    refused(format!("00{zeros}\r\n\r\n"), Reject::Chunked);
    let largest = "f".repeat(CHUNK_SIZE_DIGITS_MAX);
    let input = format!("{largest}\r\nx");
    let passed = pass_all_ways(forward, input.as_bytes()).unwrap();
    assert_eq!((passed.out, passed.done), (input.into_bytes(), false));
    refused(format!("f{largest}\r\nx"), Reject::Chunked);
}

#[test]
fn row_35_extensions() {
    for bad in [
        "5;a\n",
        "5;a\0b\r\n",
        "5;a\rb\r\n",
        "5;\x7f\r\n",
        "5;\x01\r\n",
        "5;a\r\r\n",
    ] {
        refused(format!("{bad}hello\r\n0\r\n\r\n"), Reject::Chunked);
    }
    let of = |bytes: usize| format!("5;{}\r\nhello\r\n", "e".repeat(bytes - 1));
    let longest = of(CHUNK_EXTENSION_BYTES_MAX);
    becomes(format!("{longest}0\r\n\r\n"), "5\r\nhello\r\n0\r\n\r\n");
    let longer = of(CHUNK_EXTENSION_BYTES_MAX + 1);
    refused(format!("{longer}0\r\n\r\n"), Reject::Chunked);
    let most = CHUNK_EXTENSIONS_BYTES_MAX / CHUNK_EXTENSION_BYTES_MAX;
    let body = longest.repeat(most);
    becomes(
        format!("{body}0\r\n\r\n"),
        format!("{}0\r\n\r\n", "5\r\nhello\r\n".repeat(most)),
    );
    refused(format!("{body}5;\r\nhello\r\n0\r\n\r\n"), Reject::Chunked);
}

#[test]
fn rows_36_and_37_line_ends() {
    for bad in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhell\r\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "5\rhello",
        "0\r\n\rx",
    ] {
        refused(bad, Reject::Chunked);
    }
    refused("0\r\n\n", Reject::Trailers);
    refused("0\r\na: b\n\r\n", Reject::Trailers);
    refused("0\r\na: b\r\n\n", Reject::Trailers);
}

#[test]
fn row_38_unfinished_bodies_are_not_done() {
    let input = b"5\r\nhello\r\n0\r\na: b\r\n\r\n";
    for len in 0..input.len() {
        for new in [forward, drop_trailers, BodyCursor::dechunk] {
            let passed = pass_all_ways(new, &input[..len]).unwrap();
            assert!(!passed.done);
            assert_eq!(passed.used, len);
            assert!(!passed.out.windows(3).any(|three| three == b"0\r\n"));
        }
    }
}

#[test]
fn trailers_are_passed_on_normalised() {
    unchanged("0\r\nX-Sum: 1\r\n\r\n");
    becomes(
        "5;x\r\nhello\r\n00;y\r\nX-Sum:\t1 \r\nb:\r\ngrpc-status: 0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-Sum: 1\r\nb: \r\ngrpc-status: 0\r\n\r\n",
    );
    let input = b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";
    let passed = pass_all_ways(drop_trailers, input).unwrap();
    assert_eq!(passed.out, b"5\r\nhello\r\n0\r\n\r\n");
    assert_eq!((passed.used, passed.done), (input.len(), true));
}

#[test]
fn row_39_most_trailers() {
    let of = |fields: usize| format!("0\r\n{}\r\n", "a: b\r\n".repeat(fields));
    unchanged(of(TRAILERS_MAX));
    refused(of(TRAILERS_MAX + 1), Reject::Trailers);
    let long = |bytes: usize| {
        let value = "v".repeat(bytes - "a: \r\n\r\n".len());
        format!("0\r\na: {value}\r\n\r\n")
    };
    unchanged(long(TRAILER_BYTES_MAX));
    refused(long(TRAILER_BYTES_MAX + 1), Reject::Trailers);
    refused(
        format!("0\r\n{}", "a".repeat(TRAILER_BYTES_MAX + 1)),
        Reject::Trailers,
    );
}

#[test]
fn row_40_names_that_may_not_trail() {
    for name in [
        "Content-Length",
        "transfer-encoding",
        "Host",
        "Content_Length",
    ] {
        refused(format!("0\r\n{name}: 5\r\n\r\n"), Reject::Trailers);
    }
    for name in [
        "Trailer",
        "Connection",
        "TE",
        "Upgrade",
        "Keep-Alive",
        "Proxy-Authorization",
        "X-Forwarded-For",
        "x-forwarded-any",
        "Forwarded",
        "Authorization",
        "Cookie",
        "Set-Cookie",
        "WWW-Authenticate",
        "Content-Type",
        "content-encoding",
        "Cache-Control",
        "Expires",
        "If-Match",
        "Range",
        "Age",
        "Vary",
        "Location",
        "X-Ringway-Peer",
        "X-Call-Id",
        "Expect",
        "traceparent",
        "authorization",
        "Sec-WebSocket-Key",
    ] {
        becomes(
            format!("0\r\n{name}: 5\r\nok: 1\r\n\r\n"),
            "0\r\nok: 1\r\n\r\n",
        );
    }
}

#[test]
fn trailers_obey_the_rules_of_fields() {
    for bad in [
        "a : b",
        ": b",
        "a",
        " a: b",
        "a: b\r\n c",
        "a: \0",
        "a: b\rc",
        "a: \x0b",
        "\u{e9}: b",
        "a: \x7f",
        "a b: c",
    ] {
        refused(format!("0\r\n{bad}\r\n\r\n"), Reject::Trailers);
    }
    unchanged("0\r\na: gr\u{fc}n\r\n\r\n");
}

#[test]
fn undone_bodies_are_bare_data() {
    let undo = |input: &str| pass_all_ways(BodyCursor::dechunk, input.as_bytes()).unwrap();
    let passed = undo("5\r\nhello\r\n006;x\r\n world\r\n0\r\na: b\r\n\r\nGET");
    assert_eq!((&passed.out[..], passed.done), (&b"hello world"[..], true));
    assert_eq!(
        passed.used,
        "5\r\nhello\r\n006;x\r\n world\r\n0\r\na: b\r\n\r\n".len()
    );
    let passed = undo("0\r\n\r\n");
    assert_eq!((&passed.out[..], passed.done), (&b""[..], true));
}

/// A body as a peer might write it, its data, and its trailers as they come out.
fn random_body(random: &mut Random) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let (mut wire, mut canonical, mut data) = (Vec::new(), Vec::new(), Vec::new());
    let line = |random: &mut Random, size: usize, wire: &mut Vec<u8>| {
        let zeros = if random.one_in(3) { random.below(8) } else { 0 };
        let digits = if random.one_in(2) {
            format!("{size:x}")
        } else {
            format!("{size:X}")
        };
        wire.extend(std::iter::repeat_n(b'0', zeros));
        wire.extend_from_slice(digits.as_bytes());
        wire.extend_from_slice(
            random
                .pick(&["", "", "", ";", " ;a=b", "\t", ";q=\"\"\r\n"])
                .trim_end_matches("\r\n")
                .as_bytes(),
        );
        wire.extend_from_slice(b"\r\n");
        digits
    };
    for _ in 0..random.below(6) {
        let chunk: Vec<u8> = random.bytes(300);
        if chunk.is_empty() {
            continue;
        }
        let digits = line(random, chunk.len(), &mut wire);
        wire.extend_from_slice(&chunk);
        wire.extend_from_slice(b"\r\n");
        canonical.extend_from_slice(format!("{digits}\r\n").as_bytes());
        canonical.extend_from_slice(&chunk);
        canonical.extend_from_slice(b"\r\n");
        data.extend_from_slice(&chunk);
    }
    line(random, 0, &mut wire);
    canonical.extend_from_slice(b"0\r\n");
    for _ in 0..random.below(3) {
        let (sent, kept) = [
            ("a:b\r\n", "a: b\r\n"),
            ("Sum: 1 \r\n", "Sum: 1\r\n"),
            ("Cookie: x\r\n", ""),
        ][random.below(3)];
        wire.extend_from_slice(sent.as_bytes());
        canonical.extend_from_slice(kept.as_bytes());
    }
    wire.extend_from_slice(b"\r\n");
    canonical.extend_from_slice(b"\r\n");
    (wire, canonical, data)
}

#[test]
fn any_partition_gives_the_same_bytes() {
    let mut random = Random::new(34);
    for _ in 0..rounds(3_000) {
        let (wire, canonical, data) = random_body(&mut random);
        let mut stream = wire.clone();
        stream.extend_from_slice(&random.bytes(20));
        let pieces = partition(&mut random, &stream);
        let passed = pass(forward(), &pieces).unwrap();
        assert_eq!(
            passed.out.escape_ascii().to_string(),
            canonical.escape_ascii().to_string()
        );
        assert_eq!((passed.used, passed.done), (wire.len(), true));
        let undone = pass(BodyCursor::dechunk(), &pieces).unwrap();
        assert_eq!((undone.out, undone.used), (data, wire.len()));
        let again = pass(forward(), &[&canonical]).unwrap();
        assert_eq!(again.out, canonical, "canonical is not changed again");
    }
}

#[test]
fn broken_bodies_are_refused_alike_in_any_partition() {
    let mut random = Random::new(35);
    for _ in 0..rounds(3_000) {
        let (mut wire, _, _) = random_body(&mut random);
        for _ in 0..=random.below(3) {
            let at = random.below(wire.len());
            match random.below(3) {
                0 => {
                    wire[at] = *random
                        .pick(&[b"\r", b"\n", b"0", b";", b"f", b" ", b"\0"])
                        .first()
                        .unwrap()
                }
                1 => drop(wire.remove(at)),
                _ => wire.insert(at, random.next() as u8),
            }
        }
        for new in [forward, drop_trailers, BodyCursor::dechunk] {
            let whole = pass(new(), &[&wire]);
            let pieces = partition(&mut random, &wire);
            assert_eq!(pass(new(), &pieces), whole, "{}", wire.escape_ascii());
        }
    }
}
