//! The replies that the function `vice` cuts at any byte; its callers know what they should be.

/// Their body.
pub const BODY: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

/// With a length, up to the end of its head.
pub const LENGTH_HEAD: &str = "HTTP/1.1 200 OK\r\nX-Cut: length\r\nContent-Length: 26\r\n\r\n";

/// Chunked, up to the end of its head.
pub const CHUNKED_HEAD: &str =
    "HTTP/1.1 200 OK\r\nX-Cut: chunked\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The head and the whole reply, `chunked` or with a length.
#[must_use]
pub fn reply(chunked: bool) -> (&'static str, Vec<u8>) {
    let head = if chunked { CHUNKED_HEAD } else { LENGTH_HEAD };
    let mut reply = head.as_bytes().to_vec();
    if chunked {
        let (few, rest) = BODY.split_at(5);
        for piece in [few, rest] {
            reply.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            reply.extend_from_slice(piece);
            reply.extend_from_slice(b"\r\n");
        }
        reply.extend_from_slice(b"0\r\n\r\n");
    } else {
        reply.extend_from_slice(BODY);
    }
    (head, reply)
}
