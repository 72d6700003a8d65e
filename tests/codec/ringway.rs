//! A connection as our codec reads it, and what we would send to a function for each request.

use ringway_proxy::http::forward::{self, ToFunction};
use ringway_proxy::http::{
    BodyCursor, Framing, HeadEnd, RequestHead, Trailers, parse_request, request_slots,
};

use super::mutate::Random;
use super::{End, Reading, Seen};

/// A reading, and for each request in it the bytes that we would forward.
pub(super) struct Forwarded {
    pub(super) reading: Reading,
    pub(super) forwarded: Vec<Vec<u8>>,
}

/// Reads a connection's bytes, received in random pieces.
pub(super) fn read(random: &mut Random, stream: &[u8]) -> Forwarded {
    let mut requests = Vec::new();
    let mut forwarded = Vec::new();
    let mut rest = stream;
    let end = loop {
        if rest.is_empty() {
            break End::Clean;
        }
        let head_bytes = match find_head(random, rest) {
            Ok(Some(len)) => len,
            Ok(None) => break End::Incomplete,
            Err(()) => break End::Refused,
        };
        let (head_bytes, body_bytes) = rest.split_at(head_bytes);
        let mut slots = request_slots();
        let Ok(head) = parse_request(head_bytes, &mut slots) else {
            break End::Refused;
        };
        let mut out = Vec::new();
        forward::request(&head, &to(&head), &mut out);
        let cursor = BodyCursor::new(head.framing, Trailers::Forward);
        let used = match pass(random, cursor, body_bytes, &mut out) {
            Ok(Some(used)) => used,
            Ok(None) => break End::Incomplete,
            Err(()) => break End::Refused,
        };
        requests.push(Seen {
            method: String::from_utf8_lossy(head.method_bytes).into_owned(),
            target: target(&head),
            body: data(head.framing, &body_bytes[..used]),
        });
        forwarded.push(out);
        if !head.keep_alive {
            break End::Closed;
        }
        rest = &body_bytes[used..];
    };
    Forwarded {
        reading: Reading { requests, end },
        forwarded,
    }
}

fn to<'a>(head: &RequestHead<'a, '_>) -> ToFunction<'a> {
    ToFunction {
        prefix: b"",
        rest: head.path,
        host: b"function:8080",
        peer: [192, 0, 2, 7].into(),
        peer_is_trusted: true,
        call_id: b"call",
        start_time: b"17",
    }
}

fn target(head: &RequestHead<'_, '_>) -> String {
    let mut target = head.path.to_vec();
    if let Some(query) = head.query {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    String::from_utf8_lossy(&target).into_owned()
}

/// Finds the head's end over random reads.
fn find_head(random: &mut Random, bytes: &[u8]) -> Result<Option<usize>, ()> {
    let mut end = HeadEnd::request();
    let mut received = 0;
    while received < bytes.len() {
        received = (received + random.piece(bytes.len())).min(bytes.len());
        match end.find(&bytes[..received]) {
            Ok(None) => {}
            Ok(found) => return Ok(found),
            Err(_) => return Err(()),
        }
    }
    Ok(None)
}

/// Passes the body on over random reads; how many bytes it was, once it has ended.
fn pass(
    random: &mut Random,
    mut cursor: BodyCursor,
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> Result<Option<usize>, ()> {
    let mut used = 0;
    let mut received = 0;
    while !cursor.is_done() && received < bytes.len() {
        received = (received + random.piece(bytes.len())).min(bytes.len());
        loop {
            let input = &bytes[used..received];
            let step = cursor.step(input).map_err(drop)?;
            let sent = step.skip + step.forward;
            if sent == 0 {
                break;
            }
            out.extend_from_slice(step.prefix.as_bytes());
            out.extend_from_slice(&input[step.skip..sent]);
            used += sent;
        }
    }
    if !cursor.is_done() {
        return Ok(None);
    }
    out.extend_from_slice(cursor.tail());
    Ok(Some(used))
}

/// The data of a whole body.
fn data(framing: Framing, body: &[u8]) -> Vec<u8> {
    if framing != Framing::Chunked {
        return body.to_vec();
    }
    let mut cursor = BodyCursor::dechunk();
    let mut data = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let step = cursor.step(rest).expect("it was accepted before");
        let sent = step.skip + step.forward;
        assert_ne!(sent, 0, "both cursors see the same end");
        data.extend_from_slice(&rest[step.skip..sent]);
        rest = &rest[sent..];
    }
    assert!(cursor.is_done());
    data
}
