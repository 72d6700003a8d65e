//! The thin layer over monoio and libc: the only file that performs I/O or cancels it.
//!
//! **Invariants**
//! - At most one receive and one send are in flight on a socket; the buffer belongs to the
//!   operation until it comes back.
//! - No receive or send is dropped while its socket lives on: deadlines shut the socket down
//!   and the operation ends by itself. Only `recv_or_cancel` cancels, and it awaits the result.
//! - A receive is never submitted with an empty buffer: a result of 0 is the peer's end.

use std::cell::{Cell, UnsafeCell};
use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use monoio::io::{AsyncReadRent, AsyncWriteRent, CancelableAsyncReadRent};
use monoio::net::UnixStream;

use crate::buf::{Buf, Fill, Flush};
use crate::listen::BACKLOG;
use crate::metrics::Counter;
use crate::shard::rt::{CancelHandle, TcpListener, TcpStream};
use crate::table::Address;

/// So many bytes are sent by a system call of their own, as far as the socket takes them at once.
const AT_ONCE_BYTES: usize = 16 * 1024;

/// A connected stream socket.
pub(crate) struct Sock {
    /// Of either family: monoio's operations on both are the same, and its `TcpStream` carries
    /// two addresses that nobody here asks for.
    stream: UnsafeCell<UnixStream>,
    fd: RawFd,
    tcp: bool,
    /// Bytes sent so far, for the proof that nothing of a request was acknowledged.
    sent: Cell<u64>,
    /// `tcpi_bytes_acked` when the connection was made (the SYN may count).
    acked_base: u64,
    /// Counts open upstream connections; taken down when the socket is dropped.
    gauge: Option<&'static Counter>,
}

/// What a look at a socket found, without taking anything from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peek {
    /// Open, nothing to read.
    Quiet,
    /// Bytes wait.
    Data,
    /// The peer has ended its side.
    Ended,
    /// Reset.
    Failed,
}

/// Which side of a socket to shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Read,
    Write,
    Both,
}

impl Sock {
    /// # Errors
    /// The driver does not take the descriptor.
    pub(crate) fn accepted(stream: TcpStream) -> io::Result<Self> {
        let stream = UnixStream::from_std(given_up(stream)?.into())?;
        Ok(Self::new(stream, true, None))
    }

    /// Takes over a connected std socket whose mode fits the driver in use.
    pub(crate) fn from_unix(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        Ok(Self::new(UnixStream::from_std(stream)?, false, None))
    }

    /// Dials. Dropping the future is safe: no bytes are in flight yet.
    pub(crate) async fn connect(address: &Address, gauge: &'static Counter) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect_addr(*address).await?;
                set_nodelay(stream.as_raw_fd());
                let stream = UnixStream::from_std(given_up(stream)?.into())?;
                Ok(Self::new(stream, true, Some(gauge)))
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await?;
                Ok(Self::new(stream, false, Some(gauge)))
            }
        }
    }

    fn new(stream: UnixStream, tcp: bool, gauge: Option<&'static Counter>) -> Self {
        let fd = stream.as_raw_fd();
        let acked_base = match gauge {
            Some(_) if tcp => bytes_acked(fd).unwrap_or(u64::MAX),
            _ => 0,
        };
        if let Some(gauge) = gauge {
            gauge.add(1);
        }
        Self {
            stream: UnsafeCell::new(stream),
            fd,
            tcp,
            sent: Cell::new(0),
            acked_base,
            gauge,
        }
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.fd
    }

    /// The stream, for submitting one operation.
    #[expect(
        clippy::mut_from_ref,
        reason = "the borrow ends when the operation is submitted"
    )]
    #[expect(
        unsafe_code,
        reason = "monoio asks for &mut although it only clones the descriptor"
    )]
    fn stream(&self) -> &mut UnixStream {
        // SAFETY: monoio 0.2.4's `read`, `write` and `readable` copy the shared descriptor out of
        // the stream and keep no reference to it; a shard is one thread, and no caller holds the
        // borrow across an await point, so two borrows never overlap.
        unsafe { &mut *self.stream.get() }
    }

    /// Reads into the free room of `buf`, which must not be empty.
    pub(crate) async fn recv(&self, buf: Buf) -> (io::Result<usize>, Buf) {
        debug_assert!(buf.free() > 0);
        let (result, Fill(buf)) = self.stream().read(Fill(buf)).await;
        (result, buf)
    }

    /// As [`Sock::recv`], for bulk: takes what is there at once. While nothing is there no buffer is
    /// held: the next one is that which was used last, and still lies in the cache.
    pub(crate) async fn recv_bulk(&self, mut buf: Buf) -> (io::Result<usize>, Buf) {
        debug_assert!(buf.is_empty() && buf.free() > 0);
        match self.recv_now(&mut buf) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            result => return (result, buf),
        }
        let (class, pool) = (buf.class(), buf.pool());
        drop(buf);
        let ready = self.readable().await;
        buf = pool.take(class);
        match ready.and_then(|()| self.recv_now(&mut buf)) {
            // Readable, but not now: it waits with its buffer.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.recv(buf).await,
            result => (result, buf),
        }
    }

    /// As [`Sock::recv`]; `handle` may end it early with `ECANCELED` and no byte lost.
    pub(crate) async fn recv_or_cancel(
        &self,
        buf: Buf,
        handle: CancelHandle,
    ) -> (io::Result<usize>, Buf) {
        debug_assert!(buf.free() > 0);
        let (result, Fill(buf)) = self.stream().cancelable_read(Fill(buf), handle).await;
        (result, buf)
    }

    /// Sends the whole window of `buf`; the window is unchanged when it comes back. `at_once`: by a
    /// system call of its own, as large ones are; others go to the kernel together with what else
    /// this turn of the shard has for it.
    pub(crate) async fn send(&self, mut buf: Buf, at_once: bool) -> (io::Result<()>, Buf) {
        let (start, end) = buf.position();
        let mut result = Ok(());
        if at_once || buf.len() >= AT_ONCE_BYTES {
            // Large ones while they lie in the cache: by the ring they would be sent after others
            // were read. What fails will fail again.
            if let Ok(n) = self.try_send(buf.bytes()) {
                self.count_sent(n);
                buf.consume(n);
            }
        }
        while !buf.is_empty() {
            let (sent, Flush(back)) = self.stream().write(Flush(buf)).await;
            buf = back;
            match sent {
                Ok(0) => {
                    result = Err(io::ErrorKind::WriteZero.into());
                    break;
                }
                Ok(n) => {
                    self.count_sent(n);
                    buf.consume(n);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    result = Err(e);
                    break;
                }
            }
        }
        buf.rewind_to(start, end);
        (result, buf)
    }

    /// Completes when there is something to read, or the peer ended. May be dropped at any time.
    pub(crate) fn readable(&self) -> impl Future<Output = io::Result<()>> {
        self.stream().readable(false)
    }

    /// Completes when there is room to send, or the peer is gone. May be dropped at any time.
    pub(crate) fn writable(&self) -> impl Future<Output = io::Result<()>> {
        self.stream().writable(false)
    }

    /// Looks without taking.
    #[expect(
        unsafe_code,
        reason = "recv with MSG_PEEK has no safe wrapper among our crates"
    )]
    pub(crate) fn peek(&self) -> Peek {
        let mut byte = 0u8;
        // SAFETY: the buffer is one byte long and lives across the call; the descriptor is ours.
        let n = unsafe {
            let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
            libc::recv(self.fd, (&raw mut byte).cast(), 1, flags)
        };
        match n {
            0 => Peek::Ended,
            1.. => Peek::Data,
            _ => match io::Error::last_os_error().kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Peek::Quiet,
                _ => Peek::Failed,
            },
        }
    }

    /// Sends a few bytes at once, or not at all; never blocks the shard.
    pub(crate) fn send_now(&self, bytes: &[u8]) -> bool {
        self.try_send(bytes).is_ok_and(|n| n == bytes.len())
    }

    #[expect(
        unsafe_code,
        reason = "send with MSG_DONTWAIT has no safe wrapper among our crates"
    )]
    fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: pointer and length are of one live slice; the descriptor is ours.
        let n = unsafe { libc::send(self.fd, bytes.as_ptr().cast(), bytes.len(), flags) };
        usize::try_from(n).map_err(|_| io::Error::last_os_error())
    }

    #[expect(
        unsafe_code,
        reason = "recv with MSG_DONTWAIT has no safe wrapper among our crates"
    )]
    fn recv_now(&self, buf: &mut Buf) -> io::Result<usize> {
        let room = buf.room();
        // SAFETY: pointer and length are of one live slice; the descriptor is ours.
        let n = unsafe {
            let to = room.as_mut_ptr().cast();
            libc::recv(self.fd, to, room.len(), libc::MSG_DONTWAIT)
        };
        let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
        buf.fill(n);
        Ok(n)
    }

    /// Ends pending operations of that side; later ones end at once. Errors mean it was closed.
    pub(crate) fn shutdown(&self, side: Side) {
        shutdown(self.fd, side);
    }

    /// Makes the close that follows a reset, so that the peer sees a cut, not an end.
    pub(crate) fn reset_on_close(&self) {
        let linger = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        set_option(self.fd, libc::SOL_SOCKET, libc::SO_LINGER, &linger);
    }

    /// `n` bytes were sent by a pipe.
    pub(crate) fn count_sent(&self, n: usize) {
        self.sent.set(self.sent.get().saturating_add(n as u64));
    }

    /// Bytes sent over the connection's life.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Whether the kernel proves that the peer acknowledged nothing after the first `sent` bytes.
    pub(crate) fn nothing_acked_since(&self, sent: u64) -> bool {
        self.tcp
            && bytes_acked(self.fd)
                .is_some_and(|acked| acked <= self.acked_base.saturating_add(sent))
    }

    /// Whether the peer has reset the connection (TCP state CLOSE).
    pub(crate) fn is_dead(&self) -> bool {
        const TCP_CLOSE: u8 = 7;
        self.tcp && tcp_info(self.fd).is_none_or(|info| info.tcpi_state == TCP_CLOSE)
    }
}

impl Drop for Sock {
    fn drop(&mut self) {
        if let Some(gauge) = self.gauge {
            gauge.sub(1);
        }
    }
}

/// Waits for the next connection until cancelled; a result that won the race is delivered.
pub(crate) async fn accept(
    listener: &TcpListener,
    handle: CancelHandle,
) -> io::Result<(TcpStream, SocketAddr)> {
    listener.cancelable_accept(handle).await
}

/// Whether a connection waits to be accepted.
#[expect(unsafe_code, reason = "no safe wrapper is among the dependencies")]
pub(crate) fn has_waiting(listener: &TcpListener) -> bool {
    let mut looked = libc::pollfd {
        fd: listener.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one entry, which lives during the call, and no wait.
    unsafe { libc::poll(&raw mut looked, 1, 0) == 1 }
}

/// The connections that wait at a listener from which nobody accepts any more. They are taken
/// without the driver: an accept of its own can wait, and with epoll give up unasked.
pub(crate) struct Waiting {
    /// The owner's descriptor.
    listener: ManuallyDrop<std::net::TcpListener>,
    _owner: TcpListener,
    /// Whether operations on the driver's sockets wait in the kernel.
    sockets_wait: bool,
}

impl Waiting {
    /// # Errors
    /// The listener cannot be told not to wait.
    #[expect(unsafe_code, reason = "monoio gives no listener back")]
    pub(crate) fn at(owner: TcpListener, sockets_wait: bool) -> io::Result<Self> {
        // SAFETY: the owner lives as long, and the other is never dropped.
        let listener = unsafe { std::net::TcpListener::from_raw_fd(owner.as_raw_fd()) };
        let listener = ManuallyDrop::new(listener);
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            _owner: owner,
            sockets_wait,
        })
    }

    /// All of them, and why there are no more: [`io::ErrorKind::WouldBlock`] after the last.
    pub(crate) fn take(&self) -> (Vec<(TcpStream, SocketAddr)>, io::Error) {
        let mut taken = Vec::new();
        for _ in 0..=BACKLOG {
            match self.listener.accept() {
                Ok((stream, peer)) => taken.extend(self.adopted(stream).map(|s| (s, peer))),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock || is_shortage(&e) => {
                    return (taken, e);
                }
                // The client gave up: none of our business.
                Err(_) => {}
            }
        }
        (taken, io::ErrorKind::WouldBlock.into())
    }

    /// Lets nobody connect any more: closing does that too, but with io_uring only when the loop
    /// comes to it.
    pub(crate) fn close(self) {
        shutdown(self.listener.as_raw_fd(), Side::Both);
    }

    fn adopted(&self, stream: std::net::TcpStream) -> Option<TcpStream> {
        stream.set_nonblocking(!self.sockets_wait).ok()?;
        TcpStream::from_std(stream).ok()
    }
}

/// Whether descriptors or memory run out.
pub(crate) fn is_shortage(e: &io::Error) -> bool {
    matches!(
        e.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    )
}

/// Takes a fresh connection off this shard's driver, for another shard with the same driver.
pub(crate) fn detach(stream: TcpStream) -> Option<std::net::TcpStream> {
    given_up(stream).ok().map(Into::into)
}

/// A connection without an operation in flight, taken off the driver.
#[expect(
    unsafe_code,
    reason = "monoio gives a descriptor back only as a number"
)]
fn given_up(stream: TcpStream) -> io::Result<OwnedFd> {
    let fd = stream.into_raw_fd();
    if fd < 0 {
        return Err(io::ErrorKind::NotConnected.into());
    }
    // SAFETY: monoio has just given this descriptor up, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Shuts a descriptor down; errors mean that it already was.
#[expect(unsafe_code, reason = "a timer shuts a socket down by its descriptor")]
pub(crate) fn shutdown(fd: RawFd, side: Side) {
    let how = match side {
        Side::Read => libc::SHUT_RD,
        Side::Write => libc::SHUT_WR,
        Side::Both => libc::SHUT_RDWR,
    };
    // SAFETY: no memory is involved; a stale descriptor is prevented by `Alarm`'s contract.
    unsafe { libc::shutdown(fd, how) };
}

/// Resets a connection, which its peer cannot take for the end of what was sent.
#[expect(unsafe_code, reason = "std cannot dissolve a connection")]
pub(crate) fn reset(fd: RawFd) {
    let nowhere = libc::sockaddr {
        sa_family: libc::AF_UNSPEC as libc::sa_family_t,
        sa_data: [0; 14],
    };
    // SAFETY: pointer and length describe one live value; a stale descriptor is prevented by
    // `Alarm`'s contract.
    unsafe { libc::connect(fd, &raw const nowhere, size_of_val(&nowhere) as u32) };
}

/// Bytes of a socket that its peer has not taken yet, if that can be told.
#[expect(unsafe_code, reason = "SIOCOUTQ has no safe wrapper among our crates")]
pub(crate) fn unsent(fd: RawFd) -> Option<u32> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the kernel writes one int, which lives across the call; a stale descriptor is
    // prevented by `Alarm`'s contract.
    let result = unsafe { libc::ioctl(fd, libc::TIOCOUTQ, &raw mut bytes) };
    (result == 0).then(|| u32::try_from(bytes).ok()).flatten()
}

/// TCP_NODELAY; failing costs latency only.
fn set_nodelay(fd: RawFd) {
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, &1i32);
}

#[expect(unsafe_code, reason = "setsockopt on a descriptor that monoio owns")]
fn set_option<T>(fd: RawFd, level: i32, name: i32, value: &T) {
    let len = u32::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: pointer and length describe one live value.
    unsafe { libc::setsockopt(fd, level, name, (&raw const *value).cast(), len) };
}

fn bytes_acked(fd: RawFd) -> Option<u64> {
    // linux/tcp.h: `tcpi_bytes_acked` is a u64 at byte 120 of `struct tcp_info` (RFC 4898
    // tcpEStatsAppHCThruOctetsAcked). libc's struct ends before it.
    let info = tcp_info_bytes(fd)?;
    let field = info.get(120..128)?;
    Some(u64::from_ne_bytes(field.try_into().ok()?))
}

struct TcpInfo {
    tcpi_state: u8,
}

fn tcp_info(fd: RawFd) -> Option<TcpInfo> {
    let info = tcp_info_bytes(fd)?;
    Some(TcpInfo {
        tcpi_state: *info.first()?,
    })
}

#[expect(unsafe_code, reason = "getsockopt on a descriptor that monoio owns")]
fn tcp_info_bytes(fd: RawFd) -> Option<[u8; 256]> {
    let mut info = [0u8; 256];
    let mut len: libc::socklen_t = 256;
    // SAFETY: the buffer is `len` bytes long and lives across the call.
    let result = unsafe {
        let to = info.as_mut_ptr().cast();
        libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, to, &raw mut len)
    };
    (result == 0 && len >= 128).then_some(info)
}
