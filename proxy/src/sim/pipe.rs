//! `shard/pipe.rs` in the simulated world.

use std::io;
use std::task::Poll;

use super::io::Sock;
use super::world::world;
use crate::limits::PIPE_BYTES;

/// Bytes between two sockets.
pub(crate) struct Pipe(Vec<u8>);

impl Pipe {
    pub(crate) fn new(_: bool) -> io::Result<Self> {
        if world().one_in(20) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(Self(Vec::new()))
    }

    pub(crate) const fn works() -> bool {
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn fill(&mut self, from: &Sock, most: u64) -> io::Result<usize> {
        assert!(self.0.is_empty(), "a pipe is filled twice");
        let most = usize::try_from(most).map_or(PIPE_BYTES, |most| most.min(PIPE_BYTES));
        world().meanwhile();
        // As before TCP's urgent data.
        match world().below(20) {
            0 => return Err(io::ErrorKind::WouldBlock.into()),
            1 => return Ok(0),
            _ => {}
        }
        match from.end().read(most, None) {
            Poll::Ready(read) => self.0 = read?,
            Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
        }
        Ok(self.0.len())
    }

    pub(crate) fn drain(&mut self, to: &Sock) -> io::Result<()> {
        let n = match to.end().write(&self.0, None) {
            Poll::Ready(n) => n?,
            Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
        };
        to.count_sent(n);
        self.0.drain(..n);
        world().meanwhile();
        Ok(())
    }
}
