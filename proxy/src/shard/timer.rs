//! Deadlines: one store to set, a lazy wheel to find what expired, a shutdown to act.
//!
//! A connection's [`Alarm`] holds its deadlines; the wheel holds at most one entry per alarm and
//! looks at the alarm only when the entry's slot comes up. A deadline that moved later costs
//! nothing; one that moved before the entry moves the entry.
//!
//! **Invariant:** an expiry never drops an operation. It shuts the right socket down, and the
//! operation ends by itself; the flag in the alarm says why.

use std::cell::{Cell, RefCell};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::clock::{Millis, NEVER};
use crate::shard::io::{self, Side};

/// Milliseconds between two looks at the wheel: the precision of every deadline.
pub(crate) const TICK_MILLIS: Millis = 20;
/// Slots of the wheel; an entry further away than the horizon is looked at on the way.
const SLOTS: usize = 512;

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
}

/// One connection's deadlines.
pub(crate) struct Alarm {
    deadlines: [Cell<Millis>; 4],
    acts: [Cell<Act>; 4],
    /// Bit `1 << slot` is set when that deadline expired.
    expired: Cell<u8>,
    /// The wheel tick of its entry, or [`NEVER`].
    scheduled: Cell<Millis>,
    /// Where its entry lies, if it has one.
    node: Cell<u32>,
    client: Cell<RawFd>,
    upstream: Cell<RawFd>,
    /// Between two requests: a drain may end the read.
    idle: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// No descriptor.
const NO_FD: RawFd = -1;

impl Alarm {
    pub(crate) fn new(client: RawFd) -> Rc<Self> {
        Rc::new(Self {
            deadlines: [const { Cell::new(NEVER) }; 4],
            acts: [const { Cell::new(Act::Wake) }; 4],
            expired: Cell::new(0),
            scheduled: Cell::new(NEVER),
            node: Cell::new(END),
            client: Cell::new(client),
            upstream: Cell::new(NO_FD),
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

    /// Wakes the connection's task.
    pub(crate) fn wake(&self) {
        let waker = self.waker.borrow().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn next(&self) -> Millis {
        let deadlines = self.deadlines.iter().map(Cell::get);
        deadlines.min().unwrap_or(NEVER)
    }

    fn fire(&self, now: Millis) {
        for (slot, deadline) in self.deadlines.iter().enumerate() {
            if deadline.get() <= now {
                deadline.set(NEVER);
                self.expired.set(self.expired.get() | (1 << slot));
                self.act(self.acts[slot].get());
            }
        }
    }

    fn act(&self, act: Act) {
        let (fd, side) = match act {
            Act::Wake => (NO_FD, Side::Both),
            Act::EndClientRead => (self.client.get(), Side::Read),
            Act::EndClient => (self.client.get(), Side::Both),
            Act::EndUpstream => (self.upstream.get(), Side::Both),
        };
        if fd != NO_FD {
            io::shutdown(fd, side);
        }
        self.wake();
    }
}

/// One shard's wheel.
pub(crate) struct Wheel {
    slots: RefCell<Slots>,
    /// The next tick to look at.
    tick: Cell<Millis>,
}

/// A list of entries for each slot. All lie in one vector: many lists that grow and are dropped
/// in turn would scatter memory, and one place serves them all.
struct Slots {
    first: [u32; SLOTS],
    nodes: Vec<Node>,
    /// The first of the nodes that are in no list.
    free: u32,
    /// Nodes in lists.
    used: usize,
}

struct Node {
    /// `None` in no list.
    alarm: Option<Rc<Alarm>>,
    previous: u32,
    next: u32,
}

/// Entries there is always room for.
const NODES_KEPT: usize = 64;

/// The end of a list, either way.
const END: u32 = u32::MAX;

impl Slots {
    /// Puts an alarm that has no entry first in the list of its tick.
    fn push(&mut self, alarm: &Rc<Alarm>, tick: Millis) {
        let first = &mut self.first[tick as usize % SLOTS];
        let node = Node {
            alarm: Some(Rc::clone(alarm)),
            previous: END,
            next: *first,
        };
        let mut at = self.free;
        match self.nodes.get_mut(at as usize) {
            Some(place) => self.free = std::mem::replace(place, node).next,
            None => {
                at = self.nodes.len() as u32;
                self.nodes.push(node);
            }
        }
        if let Some(second) = self.nodes.get_mut(*first as usize) {
            second.previous = at;
        }
        *first = at;
        alarm.node.set(at);
        alarm.scheduled.set(tick);
        self.used += 1;
    }

    /// Takes an alarm's entry out of its list, if it has one.
    fn remove(&mut self, alarm: &Alarm) {
        let at = alarm.node.replace(END);
        let tick = alarm.scheduled.replace(NEVER);
        let Some(node) = self.nodes.get_mut(at as usize) else {
            return;
        };
        node.alarm = None;
        let (previous, next) = (node.previous, node.next);
        node.next = std::mem::replace(&mut self.free, at);
        match self.nodes.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => self.first[tick as usize % SLOTS] = next,
        }
        if let Some(next) = self.nodes.get_mut(next as usize) {
            next.previous = previous;
        }
        self.used -= 1;
        if self.used == 0 {
            // What a crowd needed goes with it; the next entry is to find room.
            self.nodes.clear();
            self.nodes.shrink_to(NODES_KEPT);
            self.free = END;
        }
    }

    /// The alarm that is first in the list of a tick, and has no entry from then on.
    fn pop(&mut self, tick: Millis) -> Option<Rc<Alarm>> {
        let first = self.first[tick as usize % SLOTS];
        let alarm = self.nodes.get(first as usize)?.alarm.clone()?;
        debug_assert!(alarm.scheduled.get() <= tick, "set for a later turn");
        self.remove(&alarm);
        Some(alarm)
    }
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self {
            slots: RefCell::new(Slots {
                first: [END; SLOTS],
                nodes: Vec::new(),
                free: END,
                used: 0,
            }),
            tick: Cell::new(0),
        }
    }

    /// Sets a deadline and what its expiry does.
    pub(crate) fn set(&self, alarm: &Rc<Alarm>, slot: Slot, at: Millis, act: Act) {
        alarm.deadlines[slot as usize].set(at);
        alarm.acts[slot as usize].set(act);
        if at.div_ceil(TICK_MILLIS) < alarm.scheduled.get() {
            self.insert(alarm, at);
        }
    }

    fn insert(&self, alarm: &Rc<Alarm>, at: Millis) {
        let first = self.tick.get();
        // Rounded up: a deadline never expires early.
        let wanted = at.div_ceil(TICK_MILLIS).max(first);
        // Never in the slot that is just being looked at, which is that of `first - 1`.
        let tick = wanted.min(first.saturating_add(SLOTS as Millis - 2));
        let mut slots = self.slots.borrow_mut();
        slots.remove(alarm);
        slots.push(alarm, tick);
    }

    /// Forgets an alarm: its connection is over.
    pub(crate) fn remove(&self, alarm: &Alarm) {
        self.slots.borrow_mut().remove(alarm);
        alarm.reset();
        alarm.client.set(NO_FD);
        alarm.upstream.set(NO_FD);
        // The task's own future may be what is dropped: nobody is to be woken.
        drop(alarm.waker.take());
    }

    /// Whether any alarm waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.borrow().used == 0
    }

    /// Fires what expired up to `now`.
    pub(crate) fn advance(&self, now: Millis) {
        let last = now / TICK_MILLIS;
        // After a long pause one turn of the wheel sees every entry.
        let mut tick = self
            .tick
            .get()
            .max(last.saturating_sub(SLOTS as Millis - 1));
        while tick <= last {
            self.tick.set(tick + 1);
            loop {
                // Apart from the loop's condition: looking at an alarm may add an entry.
                let alarm = self.slots.borrow_mut().pop(tick);
                let Some(alarm) = alarm else { break };
                alarm.fire(now);
                let next = alarm.next();
                // Firing wakes the task but runs none of it, so only `fire` can have changed
                // deadlines.
                if next != NEVER {
                    self.insert(&alarm, next);
                }
            }
            tick += 1;
        }
    }

    /// Calls `f` with every alarm that has a deadline.
    pub(crate) fn each(&self, mut f: impl FnMut(&Alarm)) {
        for alarm in self.slots.borrow().nodes.iter().flat_map(|n| &n.alarm) {
            f(alarm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wheel_at(now: Millis) -> Wheel {
        let wheel = Wheel::new();
        wheel.advance(now);
        wheel
    }

    #[test]
    fn never_early_and_at_most_a_tick_late() {
        for deadline in [0, 1, 19, 20, 21, 400, 10_239, 10_240, 10_241, 65_000] {
            let wheel = wheel_at(0);
            let alarm = Alarm::new(NO_FD);
            wheel.set(&alarm, Slot::Up, deadline, Act::Wake);
            let mut now = 0;
            while !alarm.has_expired(Slot::Up) {
                now += 5;
                wheel.advance(now);
                assert!(now < deadline + 100, "{deadline} did not fire");
            }
            assert!(now >= deadline, "{deadline} fired at {now}");
            assert!(
                now <= deadline + 2 * TICK_MILLIS,
                "{deadline} fired at {now}"
            );
        }
    }

    /// Deadlines set, moved and cleared at random beside a plain list of them.
    #[test]
    fn whatever_is_set_fires_in_its_time_and_nothing_else() {
        let mut random = crate::http::tests::Random::new(92);
        let wheel = wheel_at(0);
        let alarms: Vec<_> = (0..50).map(|_| Alarm::new(NO_FD)).collect();
        let mut wanted = [None; 50];
        let mut fired = 0;
        for tick in 1..20_000 {
            // Up to a tick late is the ticker's own affair; here it is always in time.
            let now = tick * TICK_MILLIS;
            wheel.advance(now);
            for (alarm, wanted) in alarms.iter().zip(&mut wanted) {
                let expired = alarm.take_expired(Slot::Up);
                let due = wanted.filter(|at| *at <= now);
                assert_eq!(expired, due.is_some(), "{wanted:?} at {now}");
                if let Some(at) = due {
                    assert!(now - at < TICK_MILLIS, "{at} fired at {now}");
                    *wanted = None;
                    fired += 1;
                }
            }
            let one = random.below(alarms.len());
            if random.one_in(8) {
                alarms[one].clear(Slot::Up);
                wanted[one] = None;
            } else if random.one_in(8) {
                wheel.remove(&alarms[one]);
                wanted[one] = None;
            } else {
                let longest = random.pick(&[&20_usize, &1_000, &30_000]);
                let at = now + 1 + random.below(*longest) as Millis;
                wheel.set(&alarms[one], Slot::Up, at, Act::Wake);
                wanted[one] = Some(at);
            }
            let entries = alarms.iter().filter(|a| a.node.get() != END).count();
            assert_eq!(wheel.slots.borrow().used, entries);
            assert!(
                entries >= wanted.iter().flatten().count(),
                "one is forgotten"
            );
        }
        assert!(fired > 1_000, "{fired} fired: the test tests little");
    }

    #[test]
    fn a_deadline_moves_either_way() {
        let wheel = wheel_at(0);
        let alarm = Alarm::new(NO_FD);
        wheel.set(&alarm, Slot::Down, 1_000, Act::Wake);
        wheel.set(&alarm, Slot::Down, 60_000, Act::Wake);
        wheel.advance(30_000);
        assert!(!alarm.has_expired(Slot::Down));
        wheel.set(&alarm, Slot::Down, 31_000, Act::Wake);
        wheel.advance(31_040);
        assert!(alarm.take_expired(Slot::Down));
        wheel.advance(100_000);
        assert!(!alarm.has_expired(Slot::Down));
        assert!(wheel.is_empty());
    }

    #[test]
    fn setting_the_same_deadline_again_and_again_adds_no_entries() {
        let wheel = wheel_at(0);
        let alarm = Alarm::new(NO_FD);
        for now in 0..5_000 {
            wheel.set(&alarm, Slot::Down, now + 60_000, Act::Wake);
            wheel.advance(now);
        }
        assert!(wheel.slots.borrow().used == 1);
    }

    #[test]
    fn a_removed_alarm_does_nothing() {
        let wheel = wheel_at(0);
        let alarm = Alarm::new(NO_FD);
        wheel.set(&alarm, Slot::Up, 100, Act::EndClient);
        wheel.remove(&alarm);
        assert!(wheel.is_empty());
        wheel.advance(1_000);
        assert!(!alarm.has_expired(Slot::Up));
        assert!(wheel.is_empty());
    }

    #[test]
    fn a_long_pause_fires_everything_due() {
        let wheel = wheel_at(0);
        let alarms: Vec<_> = (0..100).map(|_| Alarm::new(NO_FD)).collect();
        for (i, alarm) in (0..).zip(&alarms) {
            wheel.set(alarm, Slot::Up, i * 97, Act::Wake);
        }
        wheel.advance(1_000_000);
        assert!(alarms.iter().all(|a| a.has_expired(Slot::Up)));
    }
}
