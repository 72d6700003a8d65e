//! The raw relay: bytes from one socket to another by epoll, no HTTP at all. It is the floor
//! that every proxy is compared with. One upstream connection per client connection.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::wire::{self, Got, Place, Poll, Watch};

/// Its buffer; larger ones would make bulk cheaper for the floor too.
const BUFFER_BYTES: usize = 64 * 1024;

/// One direction's end: where bytes read here go.
struct Side {
    socket: OwnedFd,
    other: RawFd,
    /// Bytes for this socket that did not fit; the other one is not read meanwhile.
    waiting: Vec<u8>,
}

/// Relays until killed.
pub(crate) fn run(listen: SocketAddr, upstream: SocketAddr) -> anyhow::Result<()> {
    let listener = wire::listen(&Place::Tcp(listen))?;
    let mut poll = Poll::new()?;
    poll.add(&listener)?;
    let mut sides: Vec<Option<Side>> = Vec::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut ready = Vec::new();
    loop {
        poll.wait(&mut ready)?;
        for &fd in &ready {
            if fd == listener.as_raw_fd() {
                while let Some(client) = wire::accept(&listener)? {
                    if let Ok(upstream) = wire::connect(&upstream) {
                        pair(&poll, &mut sides, client, upstream)?;
                    }
                }
            } else if step(&poll, &mut sides, fd, &mut buffer).is_none() {
                let side = sides.get_mut(wire::index(fd)).and_then(Option::take);
                if let Some(side) = side {
                    drop(sides[wire::index(side.other)].take());
                }
            }
        }
    }
}

fn pair(
    poll: &Poll,
    sides: &mut Vec<Option<Side>>,
    client: OwnedFd,
    upstream: OwnedFd,
) -> anyhow::Result<()> {
    let (a, b) = (client.as_raw_fd(), upstream.as_raw_fd());
    let most = wire::index(a.max(b));
    if sides.len() <= most {
        sides.resize_with(most + 1, || None);
    }
    for (socket, other) in [(client, b), (upstream, a)] {
        poll.add(&socket)?;
        let at = wire::index(socket.as_raw_fd());
        sides[at] = Some(Side {
            socket,
            other,
            waiting: Vec::new(),
        });
    }
    Ok(())
}

/// One event of a socket; `None` ends the pair.
fn step(poll: &Poll, sides: &mut [Option<Side>], fd: RawFd, buffer: &mut [u8]) -> Option<()> {
    let Some(side) = sides.get_mut(wire::index(fd))?.as_mut() else {
        // Its pair ended earlier in this batch.
        return Some(());
    };
    let other = side.other;
    if !side.waiting.is_empty() {
        let sent = wire::send(&side.socket, &side.waiting)?;
        side.waiting.drain(..sent);
        if side.waiting.is_empty() {
            watch(poll, sides, [fd, other])?;
        }
        return Some(());
    }
    let got = match wire::receive(&side.socket, buffer) {
        Got::Bytes(n) => &buffer[..n],
        Got::Nothing => return Some(()),
        Got::End => return None,
    };
    let to = sides[wire::index(other)].as_mut()?;
    if !to.waiting.is_empty() {
        // An event from before it was watched no more.
        to.waiting.extend_from_slice(got);
        return Some(());
    }
    let sent = wire::send(&to.socket, got)?;
    if sent < got.len() {
        to.waiting.extend_from_slice(&got[sent..]);
        watch(poll, sides, [fd, other])?;
    }
    Some(())
}

/// Watches both sockets of a pair for what can be done with them now.
fn watch(poll: &Poll, sides: &[Option<Side>], pair: [RawFd; 2]) -> Option<()> {
    for fd in pair {
        let side = sides[wire::index(fd)].as_ref()?;
        let other = sides[wire::index(side.other)].as_ref()?;
        let what = Watch {
            reads: other.waiting.is_empty(),
            writes: !side.waiting.is_empty(),
        };
        poll.watch(&side.socket, what).ok()?;
    }
    Some(())
}
