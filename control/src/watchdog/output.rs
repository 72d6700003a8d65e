//! A process's output as a reply body: each read is a frame, sent at once.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::process::ChildStdout;
use tokio::sync::oneshot;

/// How a process ended, as its reply sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Status 0.
    Success,
    /// Another status, or a signal.
    Failure,
    /// It was killed at `exec_timeout`.
    TimedOut,
    /// It was killed because the request body stalled or broke.
    BodyFailed,
}

/// Reads standard output, and at its end learns how the process ended.
pub(super) struct Output {
    stdout: ChildStdout,
    /// Dropping it tells the process's keeper that nobody wants the output any more.
    outcome: oneshot::Receiver<Outcome>,
    buffer: BytesMut,
    /// Read before the reply's head was sent.
    first: Option<Bytes>,
    /// When bytes were handed over that nobody has come back from sending.
    delivered: Delivered,
}

/// Since when sending has been stalled; `None` while there is nothing to send.
pub(super) type Delivered = Arc<Mutex<Option<Instant>>>;

/// What the reply begins with.
pub(super) enum Beginning {
    /// Output: the reply is a 200 with this body.
    Bytes(Output),
    /// No output at all.
    Nothing(Outcome),
}

impl Output {
    pub(super) fn new(
        stdout: ChildStdout,
        outcome: oneshot::Receiver<Outcome>,
        delivered: Delivered,
    ) -> Self {
        Self {
            stdout,
            outcome,
            buffer: BytesMut::new(),
            first: None,
            delivered,
        }
    }

    /// Reads to the end and throws it away: the reply to a HEAD has no body.
    pub(super) async fn discard(mut self) -> Outcome {
        while let Ok(bytes) = std::future::poll_fn(|cx| self.poll_read(cx)).await {
            if bytes.is_empty() {
                break;
            }
        }
        self.outcome.await.unwrap_or(Outcome::Failure)
    }

    /// Waits for the first bytes, or for the end.
    pub(super) async fn begin(mut self) -> Beginning {
        let first = std::future::poll_fn(|cx| self.poll_read(cx)).await;
        match first {
            Ok(bytes) if !bytes.is_empty() => {
                self.first = Some(bytes);
                Beginning::Bytes(self)
            }
            _ => Beginning::Nothing((&mut self.outcome).await.unwrap_or(Outcome::Failure)),
        }
    }

    /// The next bytes; none at the end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        *self.delivered.lock() = None;
        if self.buffer.len() < READ_BYTES_MIN {
            self.buffer.resize(READ_BYTES, 0);
        }
        let mut into = ReadBuf::new(&mut self.buffer);
        let result = ready!(Pin::new(&mut self.stdout).poll_read(cx, &mut into));
        let count = into.filled().len();
        // What is behind `count` stays zeroed and is read into next.
        let bytes = self.buffer.split_to(count).freeze();
        *self.delivered.lock() = Some(Instant::now());
        Poll::Ready(result.map(|()| bytes))
    }
}

impl Body for Output {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let bytes = ready!(self.poll_read(cx))?;
        if !bytes.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        // A reply may only end well if the process did; otherwise the connection breaks here, so
        // that the truncation shows.
        match ready!(Pin::new(&mut self.outcome).poll(cx)) {
            Ok(Outcome::Success) => Poll::Ready(None),
            _ => Poll::Ready(Some(Err(io::Error::other("the process failed")))),
        }
    }
}

/// A pipe holds 64 KiB.
const READ_BYTES: usize = 64 * 1024;
/// Less room than this is not worth a system call.
const READ_BYTES_MIN: usize = 4 * 1024;
