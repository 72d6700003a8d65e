//! Bodies that are not chunked, and those that become so.

use super::split::{Passed, pass, pass_all_ways};
use crate::fault::Reject;
use crate::http::{BodyCursor, Framing, Trailers};

fn cursor(framing: Framing) -> BodyCursor {
    BodyCursor::new(framing, Trailers::Drop)
}

#[track_caller]
fn passes(framing: Framing, input: &[u8], out: &[u8], done: bool) {
    let expected = Passed {
        out: out.to_vec(),
        used: out.len(),
        done,
    };
    assert_eq!(pass_all_ways(|| cursor(framing), input), Ok(expected));
}

#[test]
fn a_length_takes_its_bytes_and_no_more() {
    passes(Framing::Length(5), b"hello", b"hello", true);
    passes(Framing::Length(5), b"helloGET / HTTP/1.1", b"hello", true);
    passes(Framing::Length(5), b"hell", b"hell", false);
    passes(Framing::Length(0), b"GET", b"", true);
    passes(Framing::None, b"GET", b"", true);
}

#[test]
fn what_remains_is_counted() {
    let mut body = cursor(Framing::Length(5));
    assert_eq!(body.remaining(), Some(5));
    assert_eq!(body.step(b"he").unwrap().forward, 2);
    assert_eq!(body.remaining(), Some(3));
    let mut huge = cursor(Framing::Length(i64::MAX as u64));
    assert_eq!(huge.step(b"he").unwrap().forward, 2);
    assert_eq!(huge.remaining(), Some(i64::MAX as u64 - 2));
    assert_eq!(cursor(Framing::Chunked).remaining(), None);
    assert_eq!(cursor(Framing::UntilClose).remaining(), None);
}

#[test]
fn row_38_only_some_bodies_may_end_with_their_connection() {
    for framing in [Framing::Length(5), Framing::Chunked] {
        assert_eq!(cursor(framing).end_of_stream(), Err(Reject::Truncated));
    }
    let mut body = cursor(Framing::Length(5));
    body.step(b"hell").unwrap();
    assert_eq!(body.end_of_stream(), Err(Reject::Truncated));
    body.step(b"o").unwrap();
    assert_eq!(body.end_of_stream(), Ok(()));
    assert_eq!(cursor(Framing::None).end_of_stream(), Ok(()));
    let mut body = cursor(Framing::UntilClose);
    assert_eq!(body.end_of_stream(), Ok(()));
    assert!(body.is_done() && body.tail().is_empty());
    let mut body = BodyCursor::dechunk();
    body.step(b"5\r\nhello\r\n0\r\n").unwrap();
    assert_eq!(body.end_of_stream(), Err(Reject::Truncated));
}

#[test]
fn until_close_passes_all() {
    passes(Framing::UntilClose, b"any\r\nthing", b"any\r\nthing", false);
}

#[test]
fn rechunking_makes_a_chunk_of_each_read() {
    let long = vec![b'x'; 0x1234];
    let passed = pass(BodyCursor::rechunk(), &[b"hello", b"", &long]).unwrap();
    let mut expected = b"5\r\nhello\r\n1234\r\n".to_vec();
    expected.extend_from_slice(&long);
    expected.extend_from_slice(b"\r\n");
    assert_eq!(passed.out, expected);
    assert!(!passed.done);

    let mut body = BodyCursor::rechunk();
    assert_eq!(body.end_of_stream(), Ok(()));
    assert!(body.is_done());
    assert_eq!(body.tail(), b"0\r\n\r\n");
    let step = body.step(b"more").unwrap();
    assert_eq!((step.skip, step.forward), (0, 0));
}
