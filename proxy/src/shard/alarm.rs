//! One connection's deadlines, and what their expiry does to its sockets.
//!
//! **Invariant:** an expiry never drops an operation. It shuts the right socket down, and the
//! operation ends by itself; the flag in the alarm says why.

use std::cell::{Cell, RefCell};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::clock::{Millis, NEVER};
use crate::shard::io::{self, Side};
use crate::shard::look::{Look, NOT_LOOKED};
use crate::shard::timer::END;

/// The deadlines a connection can have at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Reading from the client, or writing to the function.
    Up = 0,
    /// Reading from the function, or writing to the client.
    Down = 1,
    /// Time to look whether the client is still there.
    Watch = 2,
    /// Time to send `100 Continue` ourselves.
    Continue = 3,
}

/// What expiry does, besides waking the connection's task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing more.
    Wake,
    /// The client sends nothing: end the read; an answer can still be written.
    EndClientRead,
    /// The client takes nothing: end both directions.
    EndClient,
    /// The function answers or takes nothing: end both directions.
    EndUpstream,
    /// A look at what the client has not taken yet: once it took nothing from one look to the
    /// third after, as [`Act::EndClient`]; before, time for one look more.
    LookAtClient,
    /// The same for the function.
    LookAtUpstream,
}

/// One connection's deadlines.
pub(crate) struct Alarm {
    pub(super) deadlines: [Cell<Millis>; 4],
    pub(super) acts: [Cell<Act>; 4],
    /// At the sends of [`Slot::Up`] and [`Slot::Down`].
    pub(super) looks: [Cell<Look>; 2],
    /// Bit `1 << slot` is set when that deadline expired.
    expired: Cell<u8>,
    /// The wheel tick of its entry, or [`NEVER`].
    pub(super) scheduled: Cell<Millis>,
    /// Where its entry lies, if it has one.
    pub(super) node: Cell<u32>,
    pub(super) client: Cell<RawFd>,
    pub(super) upstream: Cell<RawFd>,
    /// A reply is under way whose end is the connection's.
    until_close: Cell<bool>,
    /// Between two requests: a drain may end the read.
    idle: Cell<bool>,
    pub(super) waker: RefCell<Option<Waker>>,
}

/// No descriptor.
pub(super) const NO_FD: RawFd = -1;

impl Alarm {
    pub(crate) fn new(client: RawFd) -> Rc<Self> {
        Rc::new(Self {
            deadlines: [const { Cell::new(NEVER) }; 4],
            acts: [const { Cell::new(Act::Wake) }; 4],
            looks: [const { Cell::new(NOT_LOOKED) }; 2],
            expired: Cell::new(0),
            scheduled: Cell::new(NEVER),
            node: Cell::new(END),
            client: Cell::new(client),
            upstream: Cell::new(NO_FD),
            until_close: Cell::new(false),
            idle: Cell::new(false),
            waker: RefCell::new(None),
        })
    }

    pub(crate) fn clear(&self, slot: Slot) {
        self.deadlines[slot as usize].set(NEVER);
    }

    /// Forgets deadlines and expiries, for the next request.
    pub(crate) fn reset(&self) {
        for deadline in &self.deadlines {
            deadline.set(NEVER);
        }
        self.expired.set(0);
        self.until_close.set(false);
    }

    pub(crate) fn has_expired(&self, slot: Slot) -> bool {
        self.expired.get() & (1 << slot as u8) != 0
    }

    /// Whether the deadline expired since the last call.
    pub(crate) fn take_expired(&self, slot: Slot) -> bool {
        let expired = self.has_expired(slot);
        self.expired.set(self.expired.get() & !(1 << slot as u8));
        expired
    }

    /// Names the upstream socket an expiry may shut down. The caller must call
    /// [`Alarm::forget_upstream`] before that socket closes or goes back to the pool.
    pub(crate) fn watch_upstream(&self, fd: RawFd) {
        self.upstream.set(fd);
    }

    pub(crate) fn forget_upstream(&self) {
        self.upstream.set(NO_FD);
    }

    pub(crate) fn set_idle(&self, idle: bool) {
        self.idle.set(idle);
    }

    /// Remembers the task to wake. Cheap when it is the same task.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    /// Ends the wait for a next request, if there is no request under way.
    pub(crate) fn end_if_idle(&self) {
        if self.idle.get() {
            self.act(Act::EndClientRead);
        }
    }

    pub(crate) fn set_until_close(&self, until_close: bool) {
        self.until_close.set(until_close);
    }

    /// Ends both connections, with whatever is under way.
    pub(crate) fn cut(&self) {
        let client = self.client.get();
        if self.until_close.get() && client != NO_FD {
            // Otherwise what is cut would pass for whole.
            io::reset(client);
        }
        self.act(Act::EndClient);
        self.act(Act::EndUpstream);
    }

    /// Wakes the connection's task.
    pub(crate) fn wake(&self) {
        let waker = self.waker.borrow().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn next(&self) -> Millis {
        let deadlines = self.deadlines.iter().map(Cell::get);
        deadlines.min().unwrap_or(NEVER)
    }

    /// `look_every`: from one look at a send to the next.
    pub(super) fn fire(&self, now: Millis, look_every: Millis) {
        for (slot, deadline) in self.deadlines.iter().enumerate() {
            if deadline.get() <= now {
                if self.is_moving(slot) {
                    deadline.set(now.saturating_add(look_every));
                    continue;
                }
                deadline.set(NEVER);
                self.expired.set(self.expired.get() | (1 << slot));
                self.act(self.acts[slot].get());
            }
        }
    }

    /// Looks at a send, if this deadline is one's; whether it goes on.
    fn is_moving(&self, slot: usize) -> bool {
        let fd = match self.acts[slot].get() {
            Act::LookAtClient => self.client.get(),
            Act::LookAtUpstream => self.upstream.get(),
            _ => return false,
        };
        let Some(look) = self.looks.get(slot) else {
            return false;
        };
        let next = look.get().then(io::unsent(fd));
        look.set(next.unwrap_or(NOT_LOOKED));
        next.is_some()
    }

    fn act(&self, act: Act) {
        let (fd, side) = match act {
            Act::Wake => (NO_FD, Side::Both),
            Act::EndClientRead => (self.client.get(), Side::Read),
            Act::EndClient | Act::LookAtClient => (self.client.get(), Side::Both),
            Act::EndUpstream | Act::LookAtUpstream => (self.upstream.get(), Side::Both),
        };
        if fd != NO_FD {
            io::shutdown(fd, side);
        }
        self.wake();
    }
}
