//! Streams of events, each of which says when it was written.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, bail};
use memchr::memmem;

use super::request::Request;
use crate::histogram::Histogram;
use crate::wire::{self, Got, Poll};

/// Open streams.
pub(crate) struct Streams {
    poll: Poll,
    streams: Vec<Option<Stream>>,
    open: usize,
}

struct Stream {
    socket: OwnedFd,
    /// The start of an event that is not complete.
    kept: Vec<u8>,
}

impl Streams {
    /// Opens streams.
    pub(crate) fn open(address: &SocketAddr, path: &str, count: usize) -> anyhow::Result<Self> {
        let request = Request::get(path);
        let mut streams = Self {
            poll: Poll::new()?,
            streams: Vec::new(),
            open: count,
        };
        for _ in 0..count {
            let socket =
                wire::connect(address).with_context(|| format!("connecting to {address}"))?;
            wire::send(&socket, request.after(0)).context("asking for a stream")?;
            streams.poll.add(&socket)?;
            let at = wire::index(socket.as_raw_fd());
            if streams.streams.len() <= at {
                streams.streams.resize_with(at + 1, || None);
            }
            streams.streams[at] = Some(Stream {
                socket,
                kept: Vec::new(),
            });
        }
        Ok(streams)
    }

    /// Reads for so long: how late the events were.
    pub(crate) fn read(&mut self, nanos: u64) -> anyhow::Result<(u64, Histogram)> {
        let mut late = Histogram::new();
        let mut events = 0;
        let mut ready = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        let end = wire::nanos() + nanos;
        while wire::nanos() < end {
            self.poll.wait(&mut ready)?;
            for &fd in &ready {
                let Some(stream) = self.streams[wire::index(fd)].as_mut() else {
                    continue;
                };
                let input = match wire::receive(&stream.socket, &mut buffer) {
                    Got::Bytes(n) => &buffer[..n],
                    Got::Nothing => continue,
                    Got::End => {
                        self.streams[wire::index(fd)] = None;
                        self.open -= 1;
                        if self.open == 0 {
                            bail!("every stream has ended");
                        }
                        continue;
                    }
                };
                let now = wire::nanos();
                for written in stream.take(input) {
                    late.add(now.saturating_sub(written));
                    events += 1;
                }
            }
        }
        Ok((events, late))
    }

    /// Streams that have not ended.
    pub(crate) fn count(&self) -> usize {
        self.open
    }
}

impl Stream {
    /// When the events in the input were written.
    fn take(&mut self, input: &[u8]) -> Vec<u64> {
        self.kept.extend_from_slice(input);
        let mut times = Vec::new();
        let mut done = 0;
        while let Some(at) = memmem::find(&self.kept[done..], MARK) {
            let digits = done + at + MARK.len();
            let Some(text) = self.kept.get(digits..digits + DIGITS) else {
                break;
            };
            done = digits + DIGITS;
            times.extend(
                std::str::from_utf8(text)
                    .ok()
                    .and_then(|t| t.parse::<u64>().ok()),
            );
        }
        // What is behind the last whole event can be no more than the start of the next one.
        let from = self.kept.len().saturating_sub(MARK.len() + DIGITS);
        self.kept.drain(..done.max(from));
        times
    }
}

const MARK: &[u8] = b"data: ";
const DIGITS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_however_reads_cut_them() -> anyhow::Result<()> {
        let text = b"HTTP/1.1 200 OK\r\n\r\n1c\r\ndata: 00000000000000000007\n\n\r\n1c\r\ndata: \
            00000000000000000042\n\n\r\n";
        for piece in 1..text.len() {
            let (socket, _) = rustix::pipe::pipe()?;
            let mut stream = Stream {
                socket,
                kept: Vec::new(),
            };
            let times: Vec<u64> = text.chunks(piece).flat_map(|p| stream.take(p)).collect();
            assert_eq!(times, [7, 42], "{piece}");
        }
        Ok(())
    }
}
