//! Connections of the simulated world, with the traits of Linux's TCP that a proxy stumbles over:
//! pieces of any size that arrive late, acknowledgements later still, a reset that acknowledges
//! nothing, an error that only one call hears of, a close over unread bytes that is a reset.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::rt::{TcpListener, TcpStream};
use super::world::{World, world};

/// One way of a connection: what its reader sees and its writer knows.
#[derive(Default)]
struct Flow {
    /// Bytes that have arrived and were not read.
    arrived: VecDeque<u8>,
    /// Bytes on their way.
    on_wire: usize,
    /// Bytes that have arrived in all.
    delivered: u64,
    /// Of them, those the writer knows of.
    acked: u64,
    /// The writer has ended it; the end has arrived.
    end_sent: bool,
    ended: bool,
    /// The reader reads no more.
    read_shut: bool,
    /// The reader's socket is closed.
    closed: bool,
    /// When the last piece arrives: pieces keep their order.
    last: u64,
    readers: Vec<Waker>,
    writers: Vec<Waker>,
}

/// One end of a connection.
pub(crate) struct End {
    fd: RawFd,
    /// Which of the two ends this is.
    side: usize,
    wire: Rc<Wire>,
    reset_on_close: Cell<bool>,
}

/// Both ways of a connection; the first is read by side 0.
struct Wire {
    flows: [RefCell<Flow>; 2],
    /// A reset has arrived at this side, and nobody was told yet.
    error: [Cell<bool>; 2],
    /// A reset has arrived at this side.
    reset: [Cell<bool>; 2],
    /// Bytes that may be on their way or unread.
    window: usize,
    latency_max: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Packet {
    Bytes(usize),
    End,
    Reset,
}

/// A connection's two ends.
pub(super) fn pair() -> (Rc<End>, Rc<End>) {
    let world = world();
    let wire = Rc::new(Wire {
        flows: Default::default(),
        error: Default::default(),
        reset: Default::default(),
        window: 2_000 + usize::try_from(world.below(100_000)).unwrap_or(0),
        latency_max: 1 + world.below(if world.one_in(8) { 50_000 } else { 500 }),
    });
    let end = |side| {
        let mut ends = world.ends.borrow_mut();
        let fd = 3 + RawFd::try_from(ends.len()).unwrap_or(RawFd::MAX - 3);
        let end = Rc::new(End {
            fd,
            side,
            wire: Rc::clone(&wire),
            reset_on_close: Cell::new(false),
        });
        ends.insert(fd, Rc::downgrade(&end));
        end
    };
    (end(0), end(1))
}

/// Dials whoever listens at `place`.
pub(super) async fn dial(place: &str) -> io::Result<Rc<End>> {
    let latency = world().below(300);
    super::rt::sleep(std::time::Duration::from_micros(latency)).await;
    let listener = world().ports.borrow().get(place).cloned();
    let listener = listener.filter(|listener| !listener.closed.get());
    let listener = listener.ok_or(io::ErrorKind::ConnectionRefused)?;
    let (ours, theirs) = pair();
    let port = u16::try_from(ours.fd & 0x7fff).unwrap_or(1);
    let peer = SocketAddr::from(([127, 0, 0, 1], port));
    listener
        .waiting
        .borrow_mut()
        .push_back((TcpStream(theirs), peer));
    if let Some(waker) = listener.waker.take() {
        waker.wake();
    }
    Ok(ours)
}

/// Listens at `place`.
pub(super) fn listen(place: String) -> TcpListener {
    let listener = TcpListener::default();
    world()
        .ports
        .borrow_mut()
        .insert(place, Rc::clone(&listener.0));
    listener
}

/// Stops listening at `place`: dials are refused from now on.
pub(super) fn close_port(place: &str) {
    world().ports.borrow_mut().remove(place);
}

impl End {
    pub(super) fn fd(&self) -> RawFd {
        self.fd
    }

    fn incoming(&self) -> &RefCell<Flow> {
        &self.wire.flows[self.side]
    }

    fn outgoing(&self) -> &RefCell<Flow> {
        &self.wire.flows[1 - self.side]
    }

    /// Reads up to `most` bytes, often fewer than there are.
    pub(super) fn read(&self, most: usize, cx: Option<&Context<'_>>) -> Poll<io::Result<Vec<u8>>> {
        let mut flow = self.incoming().borrow_mut();
        if !flow.arrived.is_empty() {
            let there = flow.arrived.len().min(most);
            let n = if world().one_in(3) {
                1 + usize::try_from(world().below(there as u64)).unwrap_or(0)
            } else {
                there
            };
            let bytes = flow.arrived.drain(..n).collect();
            let writers = std::mem::take(&mut flow.writers);
            drop(flow);
            writers.into_iter().for_each(Waker::wake);
            return Poll::Ready(Ok(bytes));
        }
        if flow.ended || flow.read_shut {
            return Poll::Ready(Ok(Vec::new()));
        }
        if self.wire.error[self.side].take() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if self.wire.reset[self.side].get() {
            return Poll::Ready(Ok(Vec::new()));
        }
        if let Some(cx) = cx {
            flow.readers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Whether a read would not wait.
    pub(super) fn is_readable(&self, cx: &Context<'_>) -> bool {
        let mut flow = self.incoming().borrow_mut();
        let there = !flow.arrived.is_empty() || flow.ended || flow.read_shut;
        if there || self.wire.reset[self.side].get() {
            return true;
        }
        flow.readers.push(cx.waker().clone());
        false
    }

    /// Whether a write would not wait.
    pub(super) fn is_writable(&self, cx: &Context<'_>) -> bool {
        let mut flow = self.outgoing().borrow_mut();
        let over = flow.end_sent || self.wire.reset[self.side].get();
        if over || flow.arrived.len() + flow.on_wire < self.wire.window {
            return true;
        }
        flow.writers.push(cx.waker().clone());
        false
    }

    /// Sends some of `bytes`.
    pub(super) fn write(&self, bytes: &[u8], cx: Option<&Context<'_>>) -> Poll<io::Result<usize>> {
        if self.wire.error[self.side].take() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let mut flow = self.outgoing().borrow_mut();
        if flow.end_sent || self.wire.reset[self.side].get() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = self
            .wire
            .window
            .saturating_sub(flow.arrived.len() + flow.on_wire);
        if room == 0 {
            if let Some(cx) = cx {
                flow.writers.push(cx.waker().clone());
            }
            return Poll::Pending;
        }
        let mut n = bytes.len().min(room);
        if world().one_in(4) {
            n = 1 + usize::try_from(world().below(n as u64)).unwrap_or(0);
        }
        flow.on_wire += n;
        drop(flow);
        // Cut anywhere on the way.
        let cut = if world().one_in(3) {
            usize::try_from(world().below(n as u64)).unwrap_or(0)
        } else {
            0
        };
        for piece in [&bytes[..cut], &bytes[cut..n]] {
            if !piece.is_empty() {
                self.send(Packet::Bytes(piece.len()), piece.to_vec());
            }
        }
        Poll::Ready(Ok(n))
    }

    /// Puts a packet on the way to the other end.
    fn send(&self, packet: Packet, bytes: Vec<u8>) {
        let world = world();
        let arrives = {
            let mut flow = self.outgoing().borrow_mut();
            let at = world.now() + world.below(self.wire.latency_max);
            flow.last = flow.last.max(at);
            flow.last
        };
        // Tells the other end what has arrived here, unless it is a reset.
        let acknowledged = self.incoming().borrow().delivered;
        let (wire, to) = (Rc::clone(&self.wire), 1 - self.side);
        world.at(
            arrives - world.now(),
            Box::new(move || wire.arrive(to, packet, &bytes, acknowledged)),
        );
    }

    /// Ends this end's sending.
    pub(super) fn shut_write(&self) {
        let writers = {
            let mut flow = self.outgoing().borrow_mut();
            if std::mem::replace(&mut flow.end_sent, true) {
                return;
            }
            std::mem::take(&mut flow.writers)
        };
        if !self.wire.reset[self.side].get() {
            self.send(Packet::End, Vec::new());
        }
        writers.into_iter().for_each(Waker::wake);
    }

    /// Ends this end's reading; what has arrived, and what still comes, can be read.
    pub(super) fn shut_read(&self) {
        let readers = {
            let mut flow = self.incoming().borrow_mut();
            flow.read_shut = true;
            std::mem::take(&mut flow.readers)
        };
        readers.into_iter().for_each(Waker::wake);
    }

    pub(super) fn reset_on_close(&self) {
        self.reset_on_close.set(true);
    }

    pub(super) fn has_data(&self) -> bool {
        !self.incoming().borrow().arrived.is_empty()
    }

    pub(super) fn has_ended(&self) -> bool {
        let flow = self.incoming().borrow();
        flow.ended || flow.read_shut
    }

    pub(super) fn is_reset(&self) -> bool {
        self.wire.reset[self.side].get()
    }

    /// Bytes sent that the other end's kernel has acknowledged, as far as is known here.
    pub(super) fn acked(&self) -> u64 {
        self.outgoing().borrow().acked
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // Nothing is sent in a world that ends.
        if super::world::current().is_none() {
            return;
        }
        self.incoming().borrow_mut().closed = true;
        let rude = self.reset_on_close.get() || self.has_data();
        if rude && !self.is_reset() {
            self.send(Packet::Reset, Vec::new());
        } else {
            self.shut_write();
        }
    }
}

impl Wire {
    /// A packet arrives at side `to`.
    fn arrive(self: Rc<Self>, to: usize, packet: Packet, bytes: &[u8], acknowledged: u64) {
        if self.reset[to].get() {
            return;
        }
        if packet != Packet::Reset {
            let mut back = self.flows[1 - to].borrow_mut();
            back.acked = back.acked.max(acknowledged);
        }
        let mut flow = self.flows[to].borrow_mut();
        match packet {
            Packet::Bytes(n) => {
                flow.on_wire -= n;
                if flow.closed {
                    drop(flow);
                    // Nobody is there: the answer is a reset.
                    let wire = Rc::clone(&self);
                    let latency = world().below(self.latency_max);
                    world().at(
                        latency,
                        Box::new(move || wire.arrive(1 - to, Packet::Reset, &[], 0)),
                    );
                    return;
                }
                flow.arrived.extend(bytes);
                flow.delivered += n as u64;
                let delivered = flow.delivered;
                let wire = Rc::clone(&self);
                // Acknowledged later, unless something that goes the other way tells it before.
                let world: Rc<World> = world();
                let late = if world.one_in(2) { 40_000 } else { 100 };
                world.at(
                    world.below(late) + world.below(self.latency_max),
                    Box::new(move || {
                        if !wire.reset[1 - to].get() {
                            let mut flow = wire.flows[to].borrow_mut();
                            flow.acked = flow.acked.max(delivered);
                        }
                    }),
                );
            }
            Packet::End => flow.ended = true,
            Packet::Reset => {
                self.error[to].set(true);
                self.reset[to].set(true);
            }
        }
        let mut woken = std::mem::take(&mut flow.readers);
        drop(flow);
        if packet == Packet::Reset {
            woken.append(&mut self.flows[1 - to].borrow_mut().writers);
        }
        woken.into_iter().for_each(Waker::wake);
    }
}
