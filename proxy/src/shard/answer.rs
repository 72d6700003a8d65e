//! The gateway's own answers on a client connection.

use crate::buf::{Buf, Class};
use crate::fault::{Failure, Reject};
use crate::http::{Method, Refusal, Reply};
use crate::limits::HEADROOM_BYTES;
use crate::shard::Shard;
use crate::shard::alarm::{Act, Slot};
use crate::shard::call::{CLIENT_GONE, log_local};
use crate::shard::conn::Conn;
use crate::shard::plan::Stamp;

/// A plain answer of `status`.
pub(crate) const fn plain<'a>(status: u16, text: &'a str) -> Reply<'a> {
    Reply {
        status,
        text,
        retry_after: None,
        location: None,
        extra: b"",
        close: false,
        head_only: false,
        ids: None,
    }
}

/// Sends an answer. `false` when the client is gone.
pub(crate) async fn send(conn: &Conn, reply: &Reply<'_>) -> bool {
    let buf = {
        let mut scratch = conn.shard.scratch.borrow_mut();
        scratch.clear();
        reply.write(&mut scratch);
        holding(conn.shard, &scratch)
    };
    conn.deadline(Slot::Down, conn.shard.config.write_timeout, Act::EndClient);
    conn.shard.counters.bytes_out.add(buf.len() as u64);
    let (result, _) = conn.sock.send(buf, false).await;
    conn.alarm.clear(Slot::Down);
    result.is_ok()
}

/// A buffer that holds `bytes` (at most the largest class's room).
pub(crate) fn holding(shard: &Shard, bytes: &[u8]) -> Buf {
    let mut class = Class::for_bytes((bytes.len() + HEADROOM_BYTES) as u64);
    loop {
        let mut buf = shard.buffers.take(class);
        match (buf.append(bytes), class.larger()) {
            (false, Some(larger)) => class = larger,
            _ => return buf,
        }
    }
}

/// Answers a request that was refused before it was understood, and ends the connection.
/// `method`: as far as it is known.
pub(crate) async fn refuse(conn: &Conn, refusal: Refusal, method: Method, extra: &[u8]) {
    conn.shard.counters.reject(refusal.why);
    if refusal.status == 0 {
        return;
    }
    let allow: &[u8] = match refusal.why {
        Reject::MethodRefused => b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n",
        _ => b"",
    };
    let extra = if extra.is_empty() { allow } else { extra };
    let head_only = method == Method::Head;
    if last_words(conn, refusal.status, text_of(refusal), head_only, extra).await {
        Box::pin(conn.linger()).await;
    }
}

/// Sends and logs the answer to a request that was never understood. `false` when the client
/// is gone.
async fn last_words(conn: &Conn, status: u16, text: &str, head_only: bool, extra: &[u8]) -> bool {
    let stamp = Stamp::anonymous(conn.shard);
    let reply = Reply {
        close: true,
        head_only,
        extra,
        ids: Some(stamp.ids(conn.shard)),
        retry_after: (status == 503).then_some(1),
        ..plain(status, text)
    };
    let sent = send(conn, &reply).await;
    log_local(conn, &stamp, if sent { status } else { CLIENT_GONE });
    sent
}

/// Answers 408 after the read side was ended by its deadline.
pub(crate) async fn timed_out(conn: &Conn, text: &str) {
    if last_words(conn, 408, text, false, b"").await {
        // Shutting the write side as well, or closing at once, would reset a client that still
        // sends, and its kernel would throw the answer away.
        crate::shard::rt::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// What the client is told about a refused request.
pub(crate) fn text_of(refusal: Refusal) -> &'static str {
    match refusal.why {
        Reject::Memory => Failure::OutOfMemory.said().text,
        Reject::HeadTooLarge => "the request head is too large",
        Reject::TargetTooLong => "the request target is too long",
        Reject::BareLineEnd => "a line of the request head does not end with CRLF",
        Reject::HeaderBytes => "a header has bytes that may not stand there",
        Reject::ObsFold => "a header is folded over lines",
        Reject::LengthAndChunked => "both Content-Length and Transfer-Encoding were sent",
        Reject::RepeatedLength => "more than one Content-Length was sent",
        Reject::BadLength => "Content-Length is not a plain number",
        Reject::BadTransferEncoding => "Transfer-Encoding is not exactly chunked",
        Reject::ChunkedHttp10 => "Transfer-Encoding was sent in HTTP/1.0",
        Reject::BodyHttp10 => "this method has no body in HTTP/1.0",
        Reject::Underscore => "a protected header was sent with an underscore in its name",
        Reject::Nomination => "Connection names a header it may not remove",
        Reject::ConnectionOptions => "Connection has too many elements",
        Reject::Method => "the method is not a token",
        Reject::MethodRefused => "this method is not allowed",
        Reject::TargetBytes => "the request target has bytes that may not stand there",
        Reject::TargetForm => "the request target has the wrong form for its method",
        Reject::TargetAuthority => "the request target and Host disagree",
        Reject::Host => "Host is missing, repeated or malformed",
        Reject::Version => "this HTTP version is not supported",
        Reject::Http2Preface => "HTTP/2 is not supported on this port",
        Reject::Expect => "this expectation is not supported",
        Reject::UpgradeBody => "an upgrade request may not have a body",
        Reject::Chunked => "the chunked body is malformed",
        Reject::Trailers => "the trailers are malformed or too large",
        Reject::Path => "the path could be read as another one",
        _ => "the request is malformed",
    }
}
