//! Deadlines: one store to set, a lazy wheel to find what expired, a shutdown to act.
//!
//! A connection's [`Alarm`] holds its deadlines; the wheel holds one entry per alarm, as long as the
//! connection lives, and looks at the alarm only when the entry's slot comes up. A deadline that
//! moved later costs nothing; one that moved before the entry moves the entry.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::clock::{Millis, NEVER};
use crate::shard::alarm::{Act, Alarm, NO_FD, Slot};
use crate::shard::look::NOT_LOOKED;

/// Milliseconds between two looks at the wheel: the precision of every deadline.
pub(crate) const TICK_MILLIS: Millis = 20;
/// Slots of the wheel; an entry further away than the horizon is looked at on the way.
const SLOTS: usize = 512;

/// One shard's wheel.
pub(crate) struct Wheel {
    slots: RefCell<Slots>,
    /// From one look at a send to the next.
    look_every: Millis,
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
pub(super) const END: u32 = u32::MAX;

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
    pub(crate) fn new(look_every: Millis) -> Self {
        Self {
            look_every,
            slots: RefCell::new(Slots {
                first: [END; SLOTS],
                nodes: Vec::new(),
                free: END,
                used: 0,
            }),
            tick: Cell::new(0),
        }
    }

    /// Takes an alarm in, until it is removed.
    pub(crate) fn enter(&self, alarm: &Rc<Alarm>) {
        self.insert(alarm, NEVER);
    }

    /// Sets a deadline and what its expiry does.
    pub(crate) fn set(&self, alarm: &Rc<Alarm>, slot: Slot, at: Millis, act: Act) {
        alarm.deadlines[slot as usize].set(at);
        alarm.acts[slot as usize].set(act);
        if let (Act::LookAtClient | Act::LookAtUpstream, Some(look)) =
            (act, alarm.looks.get(slot as usize))
        {
            look.set(NOT_LOOKED);
        }
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
                alarm.fire(now, self.look_every);
                // Firing wakes the task but runs none of it, so only `fire` can have changed
                // deadlines. Without one it stays, and is looked at again at the horizon.
                self.insert(&alarm, alarm.next());
            }
            tick += 1;
        }
    }

    /// Calls `f` with every alarm.
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
        let wheel = Wheel::new(250);
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
        wheel.remove(&alarm);
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
    fn a_send_nobody_can_look_at_ends_at_the_third_look() {
        let wheel = wheel_at(0);
        let alarm = Alarm::new(NO_FD);
        wheel.set(&alarm, Slot::Up, 250, Act::LookAtUpstream);
        wheel.advance(250 + TICK_MILLIS);
        wheel.advance(500 + 2 * TICK_MILLIS);
        assert!(!alarm.has_expired(Slot::Up));
        wheel.advance(750 + 3 * TICK_MILLIS);
        assert!(alarm.has_expired(Slot::Up));
    }

    #[test]
    fn every_alarm_is_there_until_it_is_removed() {
        let wheel = wheel_at(0);
        let alarm = Alarm::new(NO_FD);
        wheel.enter(&alarm);
        let count = || {
            let mut count = 0;
            wheel.each(|_| count += 1);
            count
        };
        for now in (0..60_000).step_by(500) {
            if now == 20_000 {
                wheel.set(&alarm, Slot::Up, now + 3_000, Act::Wake);
            }
            wheel.advance(now);
            assert_eq!(count(), 1, "at {now}");
        }
        assert!(alarm.take_expired(Slot::Up));
        wheel.remove(&alarm);
        assert_eq!(count(), 0);
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
