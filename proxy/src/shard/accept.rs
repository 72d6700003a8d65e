//! Accepts connections up to the limit, hands some to shards that have fewer, survives descriptor
//! shortage, stops on drain.
//!
//! `SO_REUSEPORT` spreads connections by a hash of addresses: even on average, and far from it for
//! the few long-lived connections of a load balancer. So a shard that has clearly more than the
//! least loaded one gives the new connection away before it reads a byte of it.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use crate::limits::SHORTAGE_PAUSE;
use crate::shard::conn::{Conn, Wall};
use crate::shard::io::{Sock, Waiting, accept, detach, has_waiting, is_shortage};
use crate::shard::rt::{self, Canceller, TcpListener, TcpStream};
use crate::shard::{Neighbour, Shard};

/// Accepts until the shard drains.
pub(crate) async fn accept_loop(shard: &'static Shard, listener: TcpListener) {
    while !shard.draining.get() {
        wait_for_room(shard).await;
        while shard.buffers.is_exhausted() && !shard.draining.get() {
            shard.counters.accept_paused.add(1);
            rt::sleep(SHORTAGE_PAUSE).await;
        }
        match next(shard, &listener).await {
            Some(Ok((stream, peer))) => admit(shard, stream, peer),
            Some(Err(e)) if is_shortage(&e) => rest_short(shard).await,
            // The client gave up before it was accepted: none of our business.
            Some(Err(_)) => {}
            None => break,
        }
    }
    if shard.inbox.leaves_backlog() {
        last_look(shard, &listener).await;
    } else {
        empty(shard, listener).await;
    }
    shard.inbox.close();
}

/// Whoever waits is another gateway's, but one of them may have woken the accept that was
/// cancelled: nobody else would hear of it before the next connection comes.
async fn last_look(shard: &'static Shard, listener: &TcpListener) {
    if !has_waiting(listener) {
        return;
    }
    if let Some(Ok((stream, peer))) = next(shard, listener).await {
        admit(shard, stream, peer);
    }
}

/// Serves who has connected already: closing the listener resets them. All are taken before one
/// is served, for clients that are answered come again.
async fn empty(shard: &'static Shard, listener: TcpListener) {
    let Ok(waiting) = Waiting::at(listener, shard.sockets_wait) else {
        return;
    };
    loop {
        let (taken, why) = waiting.take();
        if !is_shortage(&why) || shard.inbox.is_stopping() {
            waiting.close();
            admit_all(shard, taken);
            return;
        }
        admit_all(shard, taken);
        rest_short(shard).await;
    }
}

fn admit_all(shard: &'static Shard, taken: Vec<(TcpStream, SocketAddr)>) {
    for (stream, peer) in taken {
        admit(shard, stream, peer);
    }
}

/// Descriptors are short: an idle upstream connection is worth less than a client.
async fn rest_short(shard: &'static Shard) {
    shard.endpoints.borrow_mut().close_one();
    shard.counters.accept_paused.add(1);
    rt::sleep(SHORTAGE_PAUSE).await;
}

fn admit(shard: &'static Shard, stream: TcpStream, peer: SocketAddr) {
    shard.counters.accepted.add(1);
    if let Some(other) = less_loaded(shard) {
        if let Some(stream) = detach(stream) {
            shard.counters.handed_over.add(1);
            other.inbox.hand(stream, peer);
        }
        return;
    }
    serve(shard, stream, peer);
}

/// The least loaded of the other shards, when this one has clearly more connections.
fn less_loaded(shard: &'static Shard) -> Option<&'static Neighbour> {
    let mine = shard.connections.get() as u64 + shard.inbox.coming();
    let others = shard.neighbours.iter();
    let open = |n: &Neighbour| n.counters.connections.get() + n.inbox.coming();
    let least = others.min_by_key(|n| open(n))?;
    // One in eight more is balance enough; below that the hand-over would cost more than it gives.
    let tolerated = open(least) + (open(least) / 8).max(1);
    (mine > tolerated && !shard.draining.get()).then_some(least)
}

/// Serves a connection that another shard accepted.
pub(crate) fn take_over(shard: &'static Shard, stream: std::net::TcpStream, peer: SocketAddr) {
    if let Ok(stream) = TcpStream::from_std(stream) {
        serve(shard, stream, peer);
    }
}

fn serve(shard: &'static Shard, stream: TcpStream, peer: SocketAddr) {
    let Ok(sock) = Sock::accepted(stream) else {
        return;
    };
    let Some(conn) = Conn::new(shard, sock, peer) else {
        // Closed without a word: whoever opens this many does not wait for one.
        shard.counters.client_refused.add(1);
        return;
    };
    shard.clock.read_micros();
    shard.counters.connections.add(1);
    shard.connections.set(shard.connections.get() + 1);
    shard.wake_ticker();
    rt::spawn(Wall::new(conn));
}

/// At the limit the kernel's backlog is the queue: accepting waits until a connection ends.
async fn wait_for_room(shard: &'static Shard) {
    let mut counted = false;
    poll_fn(|cx| {
        if shard.connections.get() < shard.connections_max || shard.draining.get() {
            return Poll::Ready(());
        }
        if !std::mem::replace(&mut counted, true) {
            shard.counters.accept_paused.add(1);
        }
        *shard.room.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    })
    .await;
}

/// The next connection; `None` once the shard drains. The accept is never dropped in flight: a
/// connection that was accepted while it was being cancelled is delivered.
async fn next(
    shard: &'static Shard,
    listener: &TcpListener,
) -> Option<io::Result<(TcpStream, SocketAddr)>> {
    let mut canceller = Some(Canceller::new());
    let handle = canceller.as_ref()?.handle();
    let mut accepting = std::pin::pin!(accept(listener, handle));
    let result = poll_fn(|cx| {
        if let Poll::Ready(result) = accepting.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        if shard.draining.get() {
            if let Some(canceller) = canceller.take() {
                canceller.cancel();
            }
        } else {
            *shard.room.borrow_mut() = Some(cx.waker().clone());
        }
        Poll::Pending
    })
    .await;
    match result {
        Err(e) if e.raw_os_error() == Some(libc::ECANCELED) => None,
        result => Some(result),
    }
}

/// Stops accepting, and after a while ends the connections that wait for a next request. Not at
/// once: a request that crosses the end of its connection on the way is lost to its client, while
/// one that comes within the while is answered, with the word that the connection ends.
pub(crate) fn begin_drain(shard: &'static Shard) {
    if let Some(waker) = shard.room.borrow_mut().take() {
        waker.wake();
    }
    rt::spawn(async move {
        rt::sleep(shard.drain_idle.get()).await;
        shard.wheel.each(super::alarm::Alarm::end_if_idle);
    });
}
