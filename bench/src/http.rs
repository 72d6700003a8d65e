//! As much HTTP as the function server and the load generator need; both know what they will be
//! sent. Apart from the code that is measured, so that an error there does not hide itself here.

use httparse::{EMPTY_HEADER, Header, Status};

/// A request's head.
pub(crate) struct RequestHead<'b> {
    /// Its bytes, the empty line included.
    pub(crate) length: usize,
    pub(crate) path: &'b str,
    pub(crate) end: BodyEnd,
    pub(crate) closes: bool,
}

/// A reply's head.
pub(crate) struct ReplyHead {
    pub(crate) length: usize,
    pub(crate) status: u16,
    pub(crate) end: BodyEnd,
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    /// After so many bytes more.
    Length(u64),
    /// In a chunk of which so many bytes are to come, its line end included.
    Chunk(u64),
    /// In a line that gives a chunk's size, which is this so far.
    Size { size: u64, digits: bool },
    /// In the lines after the last chunk; whether the present one is still empty.
    Trailers { empty: bool },
}

/// The head of a request; `None` while it is incomplete.
pub(crate) fn request_head(bytes: &[u8]) -> anyhow::Result<Option<RequestHead<'_>>> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let Status::Complete(length) = request.parse(bytes)? else {
        return Ok(None);
    };
    let path = request.path.unwrap_or_default();
    let (end, closes) = framing(request.headers);
    Ok(Some(RequestHead {
        length,
        path,
        end: end.unwrap_or(BodyEnd::Length(0)),
        closes,
    }))
}

/// The head of a reply; `None` while it is incomplete.
pub(crate) fn reply_head(bytes: &[u8]) -> anyhow::Result<Option<ReplyHead>> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut reply = httparse::Response::new(&mut headers);
    let Status::Complete(length) = reply.parse(bytes)? else {
        return Ok(None);
    };
    let (end, _) = framing(reply.headers);
    Ok(Some(ReplyHead {
        length,
        status: reply.code.unwrap_or_default(),
        // Until the connection ends; nothing here replies so to a well-made request.
        end: end.unwrap_or(BodyEnd::Length(u64::MAX)),
    }))
}

fn framing(headers: &[Header<'_>]) -> (Option<BodyEnd>, bool) {
    let (mut end, mut closes) = (None, false);
    for header in headers {
        let value = std::str::from_utf8(header.value).unwrap_or_default();
        if header.name.eq_ignore_ascii_case("Content-Length") {
            end = value.trim().parse().ok().map(BodyEnd::Length);
        } else if header.name.eq_ignore_ascii_case("Transfer-Encoding") {
            end = Some(BodyEnd::CHUNKED);
        } else if header.name.eq_ignore_ascii_case("Connection") {
            closes = value.eq_ignore_ascii_case("close");
        }
    }
    (end, closes)
}

impl BodyEnd {
    /// Before the first chunk.
    pub(crate) const CHUNKED: Self = Self::Size {
        size: 0,
        digits: false,
    };

    pub(crate) fn is_done(&self) -> bool {
        *self == Self::Length(0)
    }

    /// Takes the body's bytes from the front of the input and says how many those were; the
    /// content is appended to `kept`. `None`: this is no chunked body.
    pub(crate) fn take(&mut self, input: &[u8], mut kept: Option<&mut Vec<u8>>) -> Option<usize> {
        let mut taken = 0;
        while taken < input.len() && !self.is_done() {
            let rest = &input[taken..];
            taken += match *self {
                Self::Length(left) => {
                    let n = fitting(left, rest);
                    if let Some(kept) = kept.as_deref_mut() {
                        kept.extend_from_slice(&rest[..n]);
                    }
                    *self = Self::Length(left - n as u64);
                    n
                }
                Self::Chunk(left) => {
                    let n = fitting(left, rest);
                    if let Some(kept) = kept.as_deref_mut() {
                        let content = fitting(left.saturating_sub(2), rest);
                        kept.extend_from_slice(&rest[..content]);
                    }
                    let left = left - n as u64;
                    *self = match left {
                        0 => Self::CHUNKED,
                        _ => Self::Chunk(left),
                    };
                    n
                }
                Self::Size { size, digits } => {
                    *self = Self::after_size(size, digits, rest[0])?;
                    1
                }
                Self::Trailers { empty } => {
                    *self = match rest[0] {
                        b'\n' if empty => Self::Length(0),
                        b'\n' => Self::Trailers { empty: true },
                        b'\r' => *self,
                        _ => Self::Trailers { empty: false },
                    };
                    1
                }
            };
        }
        Some(taken)
    }

    fn after_size(size: u64, digits: bool, byte: u8) -> Option<Self> {
        match char::from(byte).to_digit(16) {
            Some(digit) => Some(Self::Size {
                size: size.checked_mul(16)? + u64::from(digit),
                digits: true,
            }),
            None if byte == b'\r' && digits => Some(Self::Size { size, digits }),
            None if byte == b'\n' && digits && size == 0 => Some(Self::Trailers { empty: true }),
            None if byte == b'\n' && digits => Some(Self::Chunk(size.checked_add(2)?)),
            None => None,
        }
    }
}

/// How many of `left` bytes are in `bytes`.
fn fitting(left: u64, bytes: &[u8]) -> usize {
    usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()))
}

const HEADERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// The content of a chunked body, read in pieces of `piece` bytes.
    fn content(body: &[u8], piece: usize) -> Option<(Vec<u8>, bool)> {
        let mut end = BodyEnd::CHUNKED;
        let mut kept = Vec::new();
        for piece in body.chunks(piece) {
            assert_eq!(end.take(piece, Some(&mut kept))?, piece.len());
        }
        Some((kept, end.is_done()))
    }

    #[test]
    fn chunked_bodies_end_where_they_end() {
        let body = b"3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n";
        for piece in 1..body.len() {
            let wanted = b"abc0123456789abcdef".to_vec();
            assert_eq!(content(body, piece), Some((wanted, true)), "{piece}");
        }
        assert_eq!(content(b"2\r\nab\r\n", 99), Some((b"ab".to_vec(), false)));
        assert_eq!(content(b"x\r\n", 99), None);
        assert_eq!(content(b"\r\n", 99), None);
    }

    #[test]
    fn bytes_after_a_body_are_left() {
        let mut end = BodyEnd::Length(3);
        assert_eq!(end.take(b"abcdef", None), Some(3));
        assert!(end.is_done());
    }

    #[test]
    fn heads_say_how_bodies_end() {
        let head = b"POST /a/echo HTTP/1.1\r\nContent-Length: 7\r\nConnection: close\r\n\r\n";
        let request = request_head(head).unwrap().unwrap();
        assert_eq!((request.path, request.length), ("/a/echo", head.len()));
        assert_eq!((request.end, request.closes), (BodyEnd::Length(7), true));
        assert!(request_head(&head[..20]).unwrap().is_none());
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let reply = reply_head(head).unwrap().unwrap();
        assert_eq!((reply.status, reply.end), (200, BodyEnd::CHUNKED));
    }
}
