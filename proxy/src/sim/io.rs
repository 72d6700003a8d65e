//! `shard/io.rs` in the simulated world: the same sockets, as the shard sees them.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, Read as _};
use std::os::fd::RawFd;
use std::rc::{Rc, Weak};
use std::task::Poll;

use super::net::{self, End};
use super::rt::{CancelHandle, TcpListener, TcpStream};
use super::world::{current, world};
use crate::buf::Buf;
use crate::metrics::Counter;
use crate::table::Address;

/// A connected stream socket.
pub(crate) struct Sock {
    kind: Kind,
    sent: Cell<u64>,
    gauge: Option<&'static Counter>,
}

enum Kind {
    Simulated(Rc<End>),
    /// The doorbell is a real socket.
    Bell(std::os::unix::net::UnixStream),
}

/// What a look at a socket found, without taking anything from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peek {
    Quiet,
    Data,
    Ended,
    Failed,
}

/// Which side of a socket to shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Read,
    Write,
    Both,
}

/// Where the functions and the control plane of the world listen.
pub(super) fn place(address: &Address) -> String {
    format!("{address:?}")
}

impl Sock {
    const fn new(end: Rc<End>, gauge: Option<&'static Counter>) -> Self {
        Self {
            kind: Kind::Simulated(end),
            sent: Cell::new(0),
            gauge,
        }
    }

    pub(crate) fn accepted(stream: TcpStream) -> io::Result<Self> {
        Ok(Self::new(stream.0, None))
    }

    pub(crate) fn from_unix(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            kind: Kind::Bell(stream),
            sent: Cell::new(0),
            gauge: None,
        })
    }

    pub(crate) async fn connect(address: &Address, gauge: &'static Counter) -> io::Result<Self> {
        let end = net::dial(&place(address)).await?;
        gauge.add(1);
        Ok(Self::new(end, Some(gauge)))
    }

    /// The simulated end.
    pub(super) fn end(&self) -> &Rc<End> {
        match &self.kind {
            Kind::Simulated(end) => end,
            Kind::Bell(_) => panic!("a bell is only read"),
        }
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.end().fd()
    }

    pub(crate) async fn recv(&self, mut buf: Buf) -> (io::Result<usize>, Buf) {
        assert!(buf.free() > 0, "an empty buffer is received into");
        let read = match &self.kind {
            Kind::Simulated(end) => poll_fn(|cx| end.read(buf.free(), Some(cx))).await,
            Kind::Bell(bell) => ring(bell).await,
        };
        world().meanwhile();
        (filled(read, &mut buf), buf)
    }

    pub(crate) async fn recv_bulk(&self, mut buf: Buf) -> (io::Result<usize>, Buf) {
        assert!(buf.is_empty() && buf.free() > 0, "a read without room");
        if let Poll::Ready(read) = self.end().read(buf.free(), None) {
            return (filled(read, &mut buf), buf);
        }
        let (class, pool) = (buf.class(), buf.pool());
        drop(buf);
        let ready = self.readable().await;
        buf = pool.take(class);
        match ready {
            Ok(()) => self.recv(buf).await,
            Err(e) => (Err(e), buf),
        }
    }

    pub(crate) async fn recv_or_cancel(
        &self,
        mut buf: Buf,
        handle: CancelHandle,
    ) -> (io::Result<usize>, Buf) {
        assert!(buf.free() > 0, "an empty buffer is received into");
        let end = self.end();
        let read = poll_fn(|cx| match end.read(buf.free(), Some(cx)) {
            Poll::Pending if handle.is_cancelled(cx.waker()) => {
                Poll::Ready(Err(io::Error::from_raw_os_error(libc::ECANCELED)))
            }
            read => read,
        })
        .await;
        (filled(read, &mut buf), buf)
    }

    pub(crate) async fn send(&self, buf: Buf, _at_once: bool) -> (io::Result<()>, Buf) {
        let end = self.end();
        let mut at = 0;
        while at < buf.bytes().len() {
            match poll_fn(|cx| end.write(&buf.bytes()[at..], Some(cx))).await {
                Ok(n) => {
                    self.sent.set(self.sent.get() + n as u64);
                    at += n;
                    world().meanwhile();
                }
                Err(e) => return (Err(e), buf),
            }
        }
        (Ok(()), buf)
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        let end = self.end();
        poll_fn(|cx| {
            if end.is_readable(cx) {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        })
        .await
    }

    pub(crate) fn peek(&self) -> Peek {
        let end = self.end();
        if end.has_data() {
            Peek::Data
        } else if end.has_ended() {
            Peek::Ended
        } else if end.is_reset() {
            Peek::Failed
        } else {
            Peek::Quiet
        }
    }

    pub(crate) fn send_now(&self, bytes: &[u8]) -> bool {
        matches!(self.end().write(bytes, None), Poll::Ready(Ok(n)) if n == bytes.len())
    }

    pub(crate) fn shutdown(&self, side: Side) {
        shut(self.end(), side);
    }

    pub(crate) fn reset_on_close(&self) {
        self.end().reset_on_close();
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        let end = self.end();
        poll_fn(|cx| {
            if end.is_writable(cx) {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        })
        .await
    }

    pub(crate) fn count_sent(&self, n: usize) {
        self.sent.set(self.sent.get() + n as u64);
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }

    pub(crate) fn nothing_acked_since(&self, sent: u64) -> bool {
        self.end().acked() <= sent
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.end().is_reset()
    }
}

impl Drop for Sock {
    fn drop(&mut self) {
        if let Some(gauge) = self.gauge {
            gauge.sub(1);
        }
    }
}

fn filled(read: io::Result<Vec<u8>>, buf: &mut Buf) -> io::Result<usize> {
    let bytes = read?;
    assert!(buf.append(&bytes), "read more than there is room for");
    Ok(bytes.len())
}

/// The bytes that came by the bell.
async fn ring(bell: &std::os::unix::net::UnixStream) -> io::Result<Vec<u8>> {
    poll_fn(|cx| {
        let mut bytes = [0; 16];
        let mut bell = bell;
        match bell.read(&mut bytes) {
            Ok(n) => Poll::Ready(Ok(bytes[..n].to_vec())),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                world().bells.borrow_mut().push(cx.waker().clone());
                Poll::Pending
            }
            Err(e) => Poll::Ready(Err(e)),
        }
    })
    .await
}

fn shut(end: &End, side: Side) {
    if side != Side::Write {
        end.shut_read();
    }
    if side != Side::Read {
        end.shut_write();
    }
}

pub(crate) async fn accept(
    listener: &TcpListener,
    handle: CancelHandle,
) -> io::Result<(TcpStream, std::net::SocketAddr)> {
    listener.accept(handle).await
}

pub(crate) fn has_waiting(listener: &TcpListener) -> bool {
    !listener.0.waiting.borrow().is_empty()
}

/// See the real one.
pub(crate) struct Waiting(TcpListener);

impl Waiting {
    #[expect(clippy::unnecessary_wraps, reason = "the real one can fail")]
    pub(crate) fn at(owner: TcpListener, _: bool) -> io::Result<Self> {
        Ok(Self(owner))
    }

    pub(crate) fn take(&self) -> (Vec<(TcpStream, std::net::SocketAddr)>, io::Error) {
        (self.0.take_waiting(), io::ErrorKind::WouldBlock.into())
    }

    pub(crate) fn close(self) {}
}

/// Nothing runs out here.
pub(crate) const fn is_shortage(_: &io::Error) -> bool {
    false
}

/// The simulation ends no shard with connections.
pub(crate) const fn reset(_: RawFd) {}

/// There is one shard.
pub(crate) fn detach(_: TcpStream) -> Option<std::net::TcpStream> {
    None
}

/// Nobody can tell.
pub(crate) const fn unsent(_: RawFd) -> Option<u32> {
    None
}

/// Shuts a descriptor down. One that was closed before is a broken invariant: in the real world
/// it may be somebody else's by now.
pub(crate) fn shutdown(fd: RawFd, side: Side) {
    let Some(world) = current() else { return };
    let end = world.ends.borrow().get(&fd).and_then(Weak::upgrade);
    match end {
        Some(end) => shut(&end, side),
        None => panic!("descriptor {fd} is shut down after it was closed"),
    }
}
