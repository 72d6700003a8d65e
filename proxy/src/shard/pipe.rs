//! A pipe: carries bytes from one socket to another within the kernel, where they are not copied.
//! Unit tests have `sim/pipe.rs` in its place.

use std::io::{self, Write as _};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use crate::limits::{PIPE_BYTES, PIPE_BYTES_MIN};
use crate::shard::io::Sock;

/// A pipe and how many bytes are in it.
#[derive(Debug)]
pub(crate) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    held: usize,
    /// Sockets wait for themselves (`io_uring`): splice must be told each time not to.
    sockets_wait: bool,
}

impl Pipe {
    /// # Errors
    /// No descriptor is left, or the kernel gives this user no pipe that is large enough.
    pub(crate) fn new(sockets_wait: bool) -> io::Result<Self> {
        let (read, write) = pipe()?;
        let bytes = enlarge(&write);
        if bytes < PIPE_BYTES_MIN {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(Self {
            read,
            write,
            held: 0,
            sockets_wait,
        })
    }

    /// Whether this system lets sockets be spliced: a sandbox may not.
    pub(crate) fn works() -> bool {
        let through = || -> io::Result<bool> {
            let mut pipe = Self::new(true)?;
            let (mut near, far) = UnixStream::pair()?;
            near.write_all(b"x")?;
            let filled = pipe.splice_in(far.as_raw_fd(), 1)?;
            pipe.splice_out(far.as_raw_fd())?;
            Ok(filled == 1 && pipe.is_empty())
        };
        through().unwrap_or(false)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes up to `most` of what has come to a socket; the pipe must be empty. 0 is the end, or
    /// urgent data (RFC 9293 §3.8.5) before it: splice never gets past that.
    ///
    /// # Errors
    /// `WouldBlock` when nothing has come, or urgent data is next; else the socket's.
    pub(crate) fn fill(&mut self, from: &Sock, most: u64) -> io::Result<usize> {
        self.splice_in(from.fd(), most)
    }

    /// Sends as much as the socket takes.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing; else the socket's.
    pub(crate) fn drain(&mut self, to: &Sock) -> io::Result<()> {
        let n = self.splice_out(to.fd())?;
        to.count_sent(n);
        Ok(())
    }

    fn splice_in(&mut self, from: RawFd, most: u64) -> io::Result<usize> {
        debug_assert!(self.is_empty() && most > 0);
        let most = usize::try_from(most).map_or(PIPE_BYTES, |most| most.min(PIPE_BYTES));
        let n = self.without_wait(from, || splice(from, self.write.as_raw_fd(), most))?;
        self.held = n;
        Ok(n)
    }

    fn splice_out(&mut self, to: RawFd) -> io::Result<usize> {
        let n = self.without_wait(to, || splice(self.read.as_raw_fd(), to, self.held))?;
        self.held = self.held.saturating_sub(n);
        Ok(n)
    }

    /// Does something with a socket that does not wait meanwhile. splice heeds the socket's own flag
    /// only. Nothing else sees it changed: the ring's operations are issued by this thread too.
    fn without_wait<T>(&self, socket: RawFd, what: impl FnOnce() -> T) -> T {
        if !self.sockets_wait {
            return what();
        }
        set_flags(socket, libc::O_NONBLOCK);
        let done = what();
        set_flags(socket, 0);
        done
    }
}

#[expect(unsafe_code, reason = "pipe2 has no safe wrapper with these flags")]
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: the kernel writes two descriptors, which are nobody else's.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}

/// Asks for [`PIPE_BYTES`]; the bytes that the pipe holds then.
#[expect(unsafe_code, reason = "fcntl has no safe wrapper among our crates")]
fn enlarge(pipe: &OwnedFd) -> usize {
    let fd = pipe.as_raw_fd();
    let bytes = libc::c_int::try_from(PIPE_BYTES).unwrap_or(libc::c_int::MAX);
    // SAFETY: no memory is involved; the descriptor is ours.
    let bytes = unsafe {
        libc::fcntl(fd, libc::F_SETPIPE_SZ, bytes);
        libc::fcntl(fd, libc::F_GETPIPE_SZ)
    };
    usize::try_from(bytes).unwrap_or(0)
}

#[expect(unsafe_code, reason = "fcntl has no safe wrapper among our crates")]
fn set_flags(socket: RawFd, flags: libc::c_int) {
    // SAFETY: no memory is involved; the caller's socket is open.
    unsafe { libc::fcntl(socket, libc::F_SETFL, flags) };
}

#[expect(unsafe_code, reason = "splice has no safe wrapper among our crates")]
fn splice(from: RawFd, to: RawFd, most: usize) -> io::Result<usize> {
    let (none, flags) = (
        std::ptr::null_mut(),
        libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK,
    );
    // SAFETY: no offsets are given, so no memory is involved; both descriptors are open.
    let n = unsafe { libc::splice(from, none, to, none, most, flags) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}
