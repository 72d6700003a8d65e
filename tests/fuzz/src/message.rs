//! Heads and bodies: the same result however the reads fall, and what is sent on says the same
//! thing as what came.

use ringway_proxy::http::forward::{self, Ids, ToClient, ToFunction};
use ringway_proxy::http::{
    BodyCursor, Framing, HeadEnd, Method, Trailers, Version, parse_request, parse_response,
    request_slots, response_slots,
};

use ringway_proxy::limits::REQUEST_HEADERS_MAX;

use super::cuts::Cuts;

/// Field lines that a request may have more when it is sent on: `Host`, `Connection`, four
/// `X-Forwarded-*`, `X-Call-Id`, `X-Start-Time`.
const FIELDS_ADDED: usize = 8;

/// A client's bytes.
pub fn request(input: &[u8]) {
    let (cuts, stream) = Cuts::of(input);
    let Some(len) = head_len(HeadEnd::request(), cuts.clone(), stream) else {
        return;
    };
    let (head_bytes, body) = stream.split_at(len);
    let mut slots = request_slots();
    let Ok(head) = parse_request(head_bytes, &mut slots) else {
        return;
    };
    let mut sent = Vec::new();
    let to = ToFunction {
        prefix: b"",
        rest: head.path,
        host: b"function:8080",
        peer: [192, 0, 2, 7].into(),
        peer_is_trusted: len % 2 == 0,
        call_id: b"call",
        start_time: b"17",
    };
    forward::request(&head, &to, &mut sent);
    // Ours again: the same request, and nothing behind its head.
    assert_eq!(HeadEnd::request().find(&sent), Ok(Some(sent.len())));
    if head.headers.len() + FIELDS_ADDED > REQUEST_HEADERS_MAX {
        // A function need not have a gateway's limits.
        return;
    }
    let mut slots = request_slots();
    let again = parse_request(&sent, &mut slots).expect("what we send is a request");
    assert_eq!(
        (again.method_bytes, again.framing, again.websocket),
        (head.method_bytes, head.framing, head.websocket)
    );
    assert_eq!((again.path, again.query), (head.path, head.query));
    assert_eq!(again.host, Some(&b"function:8080"[..]));
    assert_eq!(again.only(b"x-call-id"), Some(&b"call"[..]));
    body_is_the_same(head.framing, body, cuts);
}

/// A function's bytes.
pub fn response(input: &[u8]) {
    let (mut cuts, stream) = Cuts::of(input);
    let Some(len) = head_len(HeadEnd::response(), cuts.clone(), stream) else {
        return;
    };
    let (head_bytes, body) = stream.split_at(len);
    let method = match cuts.next(3) {
        1 => Method::Get,
        2 => Method::Head,
        _ => Method::Post,
    };
    let mut slots = response_slots();
    let Ok(head) = parse_response(head_bytes, &mut slots, method) else {
        return;
    };
    let framing = match head.framing {
        // As the gateway does for a client that may reuse its connection.
        Framing::UntilClose => Framing::Chunked,
        framing => framing,
    };
    let mut sent = Vec::new();
    if head.status < 200 && head.status != 101 {
        forward::interim(&head, &mut sent);
    } else {
        let to = ToClient {
            version: Version::Http11,
            framing,
            close: len % 2 == 0,
            trailers: true,
            ids: Some(Ids {
                call_id: b"call",
                start_time: b"17",
                served_by: b"fuzz",
            }),
            cors: b"",
        };
        forward::response(&head, &to, &mut sent);
    }
    assert_eq!(HeadEnd::response().find(&sent), Ok(Some(sent.len())));
    let mut slots = response_slots();
    let again = parse_response(&sent, &mut slots, method).expect("what we send is a reply");
    assert_eq!(again.status, head.status);
    if head.status >= 200 {
        assert_eq!(again.framing, framing);
    }
    body_is_the_same(head.framing, body, cuts);
}

/// A chunked body.
pub fn chunked(input: &[u8]) {
    let (cuts, body) = Cuts::of(input);
    body_is_the_same(Framing::Chunked, body, cuts);
}

/// Where a head ends, found over reads; checked against one single read.
fn head_len(mut end: HeadEnd, mut cuts: Cuts, stream: &[u8]) -> Option<usize> {
    let mut whole = end;
    let at_once = whole.find(stream);
    let mut received = 0;
    let mut found = Ok(None);
    while received < stream.len() && found == Ok(None) {
        received += cuts.next(stream.len() - received);
        found = end.find(&stream[..received]);
    }
    assert_eq!(found, at_once, "the reads decide");
    found.ok().flatten()
}

/// A body sent on over reads: the same bytes, the same end, as in one read; and its data is what
/// a reader of what we send sees.
fn body_is_the_same(framing: Framing, body: &[u8], cuts: Cuts) {
    if framing == Framing::UntilClose {
        return;
    }
    let new = || BodyCursor::new(framing, Trailers::Forward);
    let at_once = pass(new(), body, |left| left, false);
    for unseen in [false, true] {
        let mut cuts = cuts.clone();
        let over_reads = pass(new(), body, |left| cuts.next(left), unseen);
        assert_eq!(at_once, over_reads, "the reads decide");
    }
    if framing != Framing::Chunked {
        return;
    }
    if let Some((sent, used)) = at_once {
        let data = pass(BodyCursor::dechunk(), &body[..used], |left| left, false);
        let data_sent = pass(BodyCursor::dechunk(), &sent, |left| left, true);
        let (data, _) = data.expect("both cursors see the same end");
        let (data_sent, used_sent) = data_sent.expect("what we send is a chunked body");
        assert_eq!(data, data_sent);
        assert_eq!(used_sent, sent.len(), "nothing is hidden behind the end");
    }
}

/// What is sent on, and how many bytes the body had; `None` when it does not end well. `unseen`: what
/// need not be looked at is not.
fn pass(
    mut cursor: BodyCursor,
    body: &[u8],
    mut read: impl FnMut(usize) -> usize,
    unseen: bool,
) -> Option<(Vec<u8>, usize)> {
    let (mut sent, mut used, mut received) = (Vec::new(), 0, 0);
    while !cursor.is_done() && received < body.len() {
        received += read(body.len() - received);
        loop {
            if unseen {
                let over = usize::try_from(cursor.verbatim()).unwrap_or(usize::MAX);
                let over = over.min(received - used);
                sent.extend_from_slice(&body[used..used + over]);
                cursor.passed(over as u64);
                used += over;
            }
            let input = &body[used..received];
            let step = cursor.step(input).ok()?;
            let taken = step.skip + step.forward;
            if taken == 0 {
                break;
            }
            sent.extend_from_slice(step.prefix.as_bytes());
            sent.extend_from_slice(&input[step.skip..taken]);
            used += taken;
        }
    }
    if !cursor.is_done() {
        return None;
    }
    sent.extend_from_slice(cursor.tail());
    Some((sent, used))
}
