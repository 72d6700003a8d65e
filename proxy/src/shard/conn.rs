//! One client connection: wait for a head, run the exchange, again; and the wall around it.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::buf::{Buf, Class, Full};
use crate::fault::Reject;
use crate::http::{HeadEnd, Method, Refusal};
use crate::limits::{IDLE_DEMOTE, LINGER_BYTES_MAX, LINGER_TIMEOUT, PINNED_BUFFERS_MAX};
use crate::shard::alarm::{Act, Alarm, Slot};
use crate::shard::clients::ClientPlace;
use crate::shard::exchange::{self, Start, Step};
use crate::shard::io::{Peek, Side, Sock};
use crate::shard::parked::{Parked, Resumed};
use crate::shard::rt::Canceller;
use crate::shard::{Shard, answer};

/// One client connection.
pub(crate) struct Conn {
    pub(crate) shard: &'static Shard,
    pub(crate) sock: Sock,
    pub(crate) peer: SocketAddr,
    /// Whether `X-Forwarded-*` from this peer are believed.
    pub(crate) trusted: bool,
    pub(crate) alarm: Rc<Alarm>,
    /// Its client's, where connections per client are limited.
    _place: Option<ClientPlace>,
}

/// What follows an exchange.
pub(crate) enum After {
    /// Another request may come; the buffer holds what already came of it.
    Keep(Option<Buf>),
    /// The connection is over.
    Close,
    /// It is over although the client did not ask for that: more of its requests may be on their
    /// way.
    Linger,
}

/// What waiting for a head led to.
enum HeadRead {
    Complete {
        buf: Buf,
        len: usize,
    },
    /// Nothing came for [`IDLE_DEMOTE`], or nothing is there while memory is short.
    Idle,
    Closed,
    TimedOut,
    Refused(Refusal),
}

impl Conn {
    /// The connection, or `None` when its client has as many as it may have.
    pub(crate) fn new(shard: &'static Shard, sock: Sock, peer: SocketAddr) -> Option<Self> {
        let peer_ip = peer.ip().to_canonical();
        let trusted = shard
            .config
            .trusted_proxies
            .iter()
            .any(|c| c.contains(peer_ip));
        let place = match &shard.clients {
            Some(clients) if !trusted && !shard.config.is_own(peer) => {
                Some(clients.enter(peer_ip)?)
            }
            _ => None,
        };
        let alarm = Alarm::new(sock.fd());
        shard.wheel.enter(&alarm);
        Some(Self {
            alarm,
            shard,
            sock,
            peer,
            trusted,
            _place: place,
        })
    }

    /// The peer's address with IPv4-mapped IPv6 as IPv4.
    pub(crate) fn peer_ip(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    /// Sets a deadline `after` from now; `None` clears it.
    pub(crate) fn deadline(&self, slot: Slot, after: Option<Duration>, act: Act) {
        let at = self.shard.clock.after_some(after);
        self.shard.wheel.set(&self.alarm, slot, at, act);
    }

    /// Reads and drops what the client still sends, for a while, so that closing does not reset
    /// the connection before the client has read its answer (RFC 9112 §9.6).
    pub(crate) async fn linger(&self) {
        self.alarm.reset();
        self.sock.shutdown(Side::Write);
        self.deadline(Slot::Up, Some(LINGER_TIMEOUT), Act::EndClientRead);
        let mut buf = self.shard.buffers.take(Class::Small);
        let mut dropped = 0;
        while dropped < LINGER_BYTES_MAX {
            buf.clear();
            // Without a buffer while nothing comes: who is refused takes no memory from others.
            let (result, back) = self.sock.recv_bulk(buf).await;
            buf = back;
            match result {
                Ok(n) if n > 0 => dropped += n,
                _ => break,
            }
        }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.shard.wheel.remove(&self.alarm);
        self.shard.counters.connections.sub(1);
        let left = self.shard.connections.get().saturating_sub(1);
        self.shard.connections.set(left);
        // Taken out first: the borrow must not be held while the task is woken.
        let room = self.shard.room.borrow_mut().take();
        if let Some(room) = room {
            room.wake();
        }
    }
}

/// The panic wall: monoio does not catch, so a panic here would end the whole shard.
pub(crate) struct Wall {
    shard: &'static Shard,
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Wall {
    pub(crate) fn new(conn: Conn) -> Self {
        Self {
            shard: conn.shard,
            future: Some(Box::pin(serve(conn))),
        }
    }
}

impl Future for Wall {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.shard.budget.begin();
        let Some(future) = self.future.as_mut() else {
            return Poll::Ready(());
        };
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => {
                self.future = None;
                Poll::Ready(())
            }
            Err(_) => {
                self.shard.counters.panics.add(1);
                let future = self.future.take();
                // What is left of the connection may panic once more while it is dropped.
                let _ = catch_unwind(AssertUnwindSafe(move || drop(future)));
                Poll::Ready(())
            }
        }
    }
}

#[expect(
    clippy::manual_async_fn,
    reason = "an async fn would hold the connection twice: as its argument and as its local"
)]
fn serve(conn: Conn) -> impl Future<Output = ()> {
    async move {
        loop {
            // Boxed: while the connection is idle only this small future stays.
            match Box::pin(busy(&conn)).await {
                Quiet::Idle if cold_wait(&conn).await => {}
                Quiet::Idle => return,
                // Closing over unread bytes would reset the connection, and the client's kernel
                // would throw away what it has not read yet of the answer.
                Quiet::Close if conn.sock.peek() != Peek::Data => return,
                Quiet::Close | Quiet::Linger => break,
            }
        }
        Box::pin(conn.linger()).await;
    }
}

/// Why a connection has nothing to do.
enum Quiet {
    /// Another request may come.
    Idle,
    Close,
    Linger,
}

/// Serves requests until the connection ends or falls idle. While a request waits for its turn,
/// only this future and that of the wait stay.
async fn busy(conn: &Conn) -> Quiet {
    let mut resumed = None;
    loop {
        match Box::pin(active(conn, resumed)).await {
            Next::Quiet(quiet) => return quiet,
            Next::Parked(parked) => resumed = Some(parked.wait().await),
        }
    }
}

enum Next<'c> {
    Quiet(Quiet),
    Parked(Box<Parked<'c>>),
}

/// Waits without a buffer. `false` when the connection is over.
async fn cold_wait(conn: &Conn) -> bool {
    conn.alarm.reset();
    let left = conn.shard.idle_timeout().saturating_sub(IDLE_DEMOTE);
    conn.deadline(Slot::Up, Some(left), Act::EndClientRead);
    conn.alarm.set_idle(true);
    let readable = conn.sock.readable().await;
    conn.alarm.set_idle(false);
    readable.is_ok() && !conn.alarm.has_expired(Slot::Up)
}

/// Serves requests, the one that had to wait first, until the connection ends or falls idle, or a
/// request has to wait.
async fn active<'c>(conn: &'c Conn, mut resumed: Option<Resumed<'c>>) -> Next<'c> {
    let mut carry = None;
    let mut canceller = Canceller::new();
    loop {
        let start = match resumed.take() {
            Some(resumed) => Start::Resumed(resumed),
            None => match read_head(conn, carry.take(), &mut canceller).await {
                HeadRead::Complete { buf, len } => Start::Head(buf, len),
                HeadRead::Idle => return Next::Quiet(Quiet::Idle),
                HeadRead::Closed => return Next::Quiet(Quiet::Close),
                HeadRead::TimedOut => {
                    conn.shard.counters.reject(Reject::HeadTimeout);
                    let text = "the request head did not arrive in time";
                    Box::pin(answer::timed_out(conn, text)).await;
                    return Next::Quiet(Quiet::Close);
                }
                HeadRead::Refused(refusal) => {
                    Box::pin(answer::refuse(conn, refusal, Method::Other, b"")).await;
                    return Next::Quiet(Quiet::Close);
                }
            },
        };
        let step = exchange::run(conn, start).await;
        conn.shard.be_fair().await;
        match step {
            Step::Done(After::Keep(rest)) => carry = rest,
            Step::Done(After::Close) => return Next::Quiet(Quiet::Close),
            Step::Done(After::Linger) => return Next::Quiet(Quiet::Linger),
            Step::Parked(parked) => return Next::Parked(parked),
        }
    }
}

const TOO_LARGE: Refusal = Refusal {
    status: 431,
    why: Reject::HeadTooLarge,
};

const SHORT: Refusal = Refusal {
    status: 503,
    why: Reject::Memory,
};

async fn read_head(conn: &Conn, carry: Option<Buf>, canceller: &mut Canceller) -> HeadRead {
    let shard = conn.shard;
    conn.alarm.reset();
    if carry.is_none() && shard.buffers.is_short() && conn.sock.peek() == Peek::Quiet {
        return HeadRead::Idle;
    }
    let mut buf = carry.unwrap_or_else(|| shard.buffers.take(Class::Head));
    let mut end = HeadEnd::request();
    let mut begun = false;
    loop {
        let found = match end.find(buf.bytes()) {
            Ok(found) => found,
            Err(refusal) => return HeadRead::Refused(refusal),
        };
        if found.unwrap_or(buf.len()) > shard.config.limits.head_bytes_max {
            return HeadRead::Refused(TOO_LARGE);
        }
        if let Some(len) = found {
            return HeadRead::Complete { buf, len };
        }
        let idle = buf.is_empty();
        buf = match buf.with_room() {
            Ok(buf) => buf,
            Err(Full::Buffer) => return HeadRead::Refused(TOO_LARGE),
            Err(Full::Memory) => return HeadRead::Refused(SHORT),
        };
        let (result, back) = if idle {
            conn.deadline(Slot::Up, Some(shard.idle_timeout()), Act::EndClientRead);
            if shard.connections.get() <= PINNED_BUFFERS_MAX {
                conn.alarm.set_idle(true);
                let result = conn.sock.recv(buf).await;
                conn.alarm.set_idle(false);
                result
            } else {
                conn.deadline(Slot::Watch, Some(IDLE_DEMOTE), Act::Wake);
                recv_idle(conn, buf, canceller).await
            }
        } else {
            if !std::mem::replace(&mut begun, true) {
                // Total, not per read: a client that drips a head is cut all the same.
                let patience = shard.config.limits.head_timeout;
                conn.deadline(Slot::Up, Some(patience), Act::EndClientRead);
            }
            conn.sock.recv(buf).await
        };
        buf = back;
        match result {
            Err(e) if e.raw_os_error() == Some(libc::ECANCELED) => return HeadRead::Idle,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) if conn.alarm.has_expired(Slot::Up) && !buf.is_empty() => {
                return HeadRead::TimedOut;
            }
            Ok(0) | Err(_) => return HeadRead::Closed,
            Ok(n) => shard.counters.bytes_in.add(n as u64),
        }
    }
}

/// Reads the first bytes of a request; gives up with `ECANCELED` when none come for a while, so
/// that an idle connection holds no buffer. No byte is lost: the operation is awaited.
async fn recv_idle(conn: &Conn, buf: Buf, canceller: &mut Canceller) -> (io::Result<usize>, Buf) {
    conn.alarm.set_idle(true);
    let mut reading = pin!(conn.sock.recv_or_cancel(buf, canceller.handle()));
    let result = poll_fn(|cx| {
        if let Poll::Ready(result) = reading.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        conn.alarm.register(cx);
        if conn.alarm.take_expired(Slot::Watch) {
            *canceller = std::mem::take(canceller).cancel();
        }
        Poll::Pending
    })
    .await;
    conn.alarm.set_idle(false);
    conn.alarm.clear(Slot::Watch);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        const fn size<F>(_: &fn(Conn) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = size(&(serve as fn(Conn) -> _));
        assert!(
            bytes <= 256,
            "{bytes} bytes: one size class less than the next"
        );
    }
}
