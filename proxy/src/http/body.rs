//! `BodyCursor`: how much of this buffer is the body's, and what is written in its place.
//!
//! It copies no body byte: it answers with lengths, and the pump sends the buffer itself.
//!
//! **Invariant:** what is sent, and where the body ends, depends on the bytes alone, never on
//! how the reads cut them.

use crate::fault::Reject;
use crate::http::chunked::{Chunked, LAST_CHUNK};
use crate::http::digits::{HEX_BYTES_MAX, write_hex};
use crate::http::{Framing, Trailers};

/// Follows one body in one direction.
#[derive(Debug)]
pub struct BodyCursor {
    body: Body,
}

/// How the rest of the body is read and written.
#[derive(Debug)]
enum Body {
    /// It has ended; `tail` is what is still to be written.
    Done { tail: &'static [u8] },
    /// So many bytes are to come, more than none.
    Length { remaining: u64 },
    /// Chunked, and written chunked or bare.
    Chunked(Chunked),
    /// Ends with the connection, and written so.
    UntilClose,
    /// Ends with the connection, and written chunked.
    Rechunk,
}

/// What to do with the front of the unread bytes.
///
/// Drop `skip` bytes, send `prefix`, send the next `forward` bytes as they are, then send CRLF
/// if `crlf` says so. `prefix` always fits in the `skip` bytes plus 24 bytes of headroom.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step {
    /// Bytes of the input that are consumed and not sent.
    pub skip: usize,
    /// Bytes to send before the forwarded ones.
    pub prefix: Prefix,
    /// Bytes of the input, after the skipped ones, to send as they are.
    pub forward: usize,
    /// Whether CRLF follows (re-chunking).
    pub crlf: bool,
}

/// At most 24 bytes written by the gateway: a chunk-size line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prefix {
    bytes: [u8; 24],
    /// `len <= 24`
    len: u8,
}

impl Prefix {
    /// A chunk-size line; `digits` are 1 to 16 bytes.
    pub(super) fn size_line(digits: &[u8]) -> Self {
        let mut line = Self::default();
        line.push(digits);
        line.push(b"\r\n");
        line
    }

    /// The bytes to send.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    fn push(&mut self, more: &[u8]) {
        let start = usize::from(self.len);
        let end = start.saturating_add(more.len());
        let Some(room) = self.bytes.get_mut(start..end) else {
            debug_assert!(false, "a size line has at most 18 bytes");
            return;
        };
        room.copy_from_slice(more);
        self.len = u8::try_from(end).unwrap_or(self.len);
    }
}

impl BodyCursor {
    /// A body framed as `from`, passed on with the same framing.
    #[must_use]
    pub fn new(from: Framing, trailers: Trailers) -> Self {
        let body = match from {
            Framing::None | Framing::Length(0) => Body::Done { tail: b"" },
            Framing::Length(remaining) => Body::Length { remaining },
            Framing::Chunked => Body::Chunked(Chunked::passed_on(trailers)),
            Framing::UntilClose => Body::UntilClose,
        };
        Self { body }
    }

    /// A body that ends with its connection, passed on chunked (to an HTTP/1.1 client).
    #[must_use]
    pub fn rechunk() -> Self {
        Self {
            body: Body::Rechunk,
        }
    }

    /// A chunked body passed on without chunks (to an HTTP/1.0 client, ended by close).
    #[must_use]
    pub fn dechunk() -> Self {
        Self {
            body: Body::Chunked(Chunked::undone()),
        }
    }

    /// Looks at unread bytes. Call again with what is left until `skip + forward` is 0.
    ///
    /// # Errors
    /// The framing is broken; the reason to count.
    pub fn step(&mut self, input: &[u8]) -> Result<Step, Reject> {
        if input.is_empty() {
            return Ok(Step::default());
        }
        match &mut self.body {
            Body::Done { .. } => Ok(Step::default()),
            Body::Length { remaining } => {
                let forward = take(remaining, input);
                if *remaining == 0 {
                    self.body = Body::Done { tail: b"" };
                }
                Ok(Step {
                    forward,
                    ..Step::default()
                })
            }
            Body::Chunked(chunked) => chunked.step(input),
            Body::UntilClose => Ok(Step {
                forward: input.len(),
                ..Step::default()
            }),
            Body::Rechunk => Ok(Step {
                prefix: size_line(input.len()),
                forward: input.len(),
                crlf: true,
                ..Step::default()
            }),
        }
    }

    /// The connection ended. `Ok` when that is how this body ends; then [`Self::tail`] is due.
    ///
    /// # Errors
    /// The body is truncated.
    pub fn end_of_stream(&mut self) -> Result<(), Reject> {
        let tail: &[u8] = match self.body {
            Body::UntilClose => b"",
            Body::Rechunk => LAST_CHUNK,
            _ if self.is_done() => return Ok(()),
            _ => return Err(Reject::Truncated),
        };
        self.body = Body::Done { tail };
        Ok(())
    }

    /// Whether the body has ended: bytes left in the input are the next message's.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.body {
            Body::Done { .. } => true,
            Body::Chunked(chunked) => chunked.is_done(),
            Body::Length { .. } | Body::UntilClose | Body::Rechunk => false,
        }
    }

    /// Once done: bytes still to be sent (a rewritten last chunk and trailers; often empty).
    #[must_use]
    pub fn tail(&self) -> &[u8] {
        match &self.body {
            Body::Done { tail } => tail,
            Body::Chunked(chunked) => chunked.tail(),
            Body::Length { .. } | Body::UntilClose | Body::Rechunk => b"",
        }
    }

    /// Bytes of a `Length` body still to come; `None` for other framings.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        match self.body {
            Body::Length { remaining } => Some(remaining),
            _ => None,
        }
    }

    /// Bytes that come next and are passed on whatever they are: the rest of a `Length` body or of a
    /// chunk's data. They need not be looked at.
    #[must_use]
    pub fn verbatim(&self) -> u64 {
        self.remaining()
            .unwrap_or_else(|| self.remaining_of_chunk())
    }

    /// The next `n` of the [`verbatim`](Self::verbatim) bytes were passed on without a look.
    pub fn passed(&mut self, n: u64) {
        debug_assert!(n <= self.verbatim(), "more than is known to come");
        match &mut self.body {
            Body::Length { remaining } => {
                *remaining = remaining.saturating_sub(n);
                if *remaining == 0 {
                    self.body = Body::Done { tail: b"" };
                }
            }
            Body::Chunked(chunked) => chunked.passed(n),
            Body::Done { .. } | Body::UntilClose | Body::Rechunk => {}
        }
    }

    /// Bytes of a `Chunked` body's present chunk still to come, as far as is known; 0 for other
    /// framings.
    #[must_use]
    pub fn remaining_of_chunk(&self) -> u64 {
        match &self.body {
            Body::Chunked(chunked) => chunked.left(),
            _ => 0,
        }
    }
}

/// Takes as much of `remaining` as `input` holds; how much that is.
pub(super) fn take(remaining: &mut u64, input: &[u8]) -> usize {
    let wanted = usize::try_from(*remaining).unwrap_or(usize::MAX);
    let taken = wanted.min(input.len());
    *remaining = remaining.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
    taken
}

fn size_line(size: usize) -> Prefix {
    let mut text = [b'0'; HEX_BYTES_MAX];
    Prefix::size_line(write_hex(
        u64::try_from(size).unwrap_or(u64::MAX),
        &mut text,
    ))
}
