//! One shard's pipes: taken while bytes are in them, given back empty.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use crate::buf::Pool;
use crate::limits::PIPE_BYTES;
use crate::shard::io::Sock;
use crate::shard::pipe::Pipe;

/// Empty pipes that are kept: as a rule one is in use at a time.
const KEPT: usize = 8;

/// The pipes of a shard.
pub(crate) struct Pipes {
    free: RefCell<Vec<Pipe>>,
    /// `taken <= most`
    taken: Cell<usize>,
    most: usize,
    sockets_wait: bool,
    buffers: Rc<Pool>,
}

impl Pipes {
    pub(crate) const fn new(most: usize, sockets_wait: bool, buffers: Rc<Pool>) -> Self {
        Self {
            free: RefCell::new(Vec::new()),
            taken: Cell::new(0),
            most,
            sockets_wait,
            buffers,
        }
    }

    /// An empty pipe; `None` when enough are taken, or memory or descriptors are short.
    pub(crate) fn take(&self) -> Option<HeldPipe<'_>> {
        if self.taken.get() >= self.most || self.buffers.is_short() {
            return None;
        }
        let free = self.free.borrow_mut().pop();
        let pipe = free.or_else(|| Pipe::new(self.sockets_wait).ok())?;
        self.taken.set(self.taken.get() + 1);
        // What the kernel holds in it counts as if it lay in a buffer.
        self.buffers.reserve(PIPE_BYTES as u64);
        Some(HeldPipe {
            pipe: Some(pipe),
            pipes: self,
        })
    }
}

/// A pipe in use. Dropped with bytes in it, it is closed, and they are lost.
pub(crate) struct HeldPipe<'a> {
    /// There until it is dropped.
    pipe: Option<Pipe>,
    pipes: &'a Pipes,
}

impl HeldPipe<'_> {
    /// Takes up to `most` of what has come to a socket; the pipe must be empty. 0 is the end, or
    /// urgent data before it.
    ///
    /// # Errors
    /// `WouldBlock` when nothing has come, or urgent data is next; else the socket's.
    pub(crate) fn fill(&mut self, from: &Sock, most: u64) -> io::Result<usize> {
        let pipe = self.pipe.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        pipe.fill(from, most)
    }

    /// Sends as much as the socket takes; whether that was all.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing; else the socket's.
    pub(crate) fn drain(&mut self, to: &Sock) -> io::Result<bool> {
        let pipe = self.pipe.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        pipe.drain(to)?;
        Ok(pipe.is_empty())
    }
}

impl Drop for HeldPipe<'_> {
    fn drop(&mut self) {
        let pipes = self.pipes;
        pipes.taken.set(pipes.taken.get().saturating_sub(1));
        pipes.buffers.release(PIPE_BYTES as u64);
        let mut free = pipes.free.borrow_mut();
        if let Some(pipe) = self.pipe.take().filter(Pipe::is_empty)
            && free.len() < KEPT
        {
            free.push(pipe);
        }
    }
}
