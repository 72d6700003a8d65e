//! Idle connections and health per endpoint; one set per shard, LIFO, bounded, aged.

use crate::clock::Millis;
use crate::limits::{UPSTREAM_IDLE, UPSTREAM_IDLE_UNSAFE, UPSTREAM_PEEK_AFTER};
use crate::metrics::ShardCounters;
use crate::shard::io::{Peek, Sock};
use crate::table::{Endpoint, Table};

/// Names an endpoint's state: the control plane's own, or a table row's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// The control plane's Unix socket.
    Control,
    /// `serial` tells the slot's present owner from an earlier one.
    Slot { slot: u32, serial: u64 },
}

impl From<&Endpoint> for Key {
    fn from(endpoint: &Endpoint) -> Self {
        Self::Slot {
            slot: endpoint.slot,
            serial: endpoint.serial,
        }
    }
}

/// How long an endpoint that refused a connection is avoided the first time.
const AVOID_FIRST: Millis = 1_000;
/// … and at most.
const AVOID_MAX: Millis = 30_000;

#[derive(Default)]
struct State {
    serial: u64,
    inflight: u32,
    /// Most recently used last.
    idle: Vec<Idle>,
    /// Consecutive connection failures.
    strikes: u32,
    avoid_until: Millis,
}

impl State {
    /// What failed before does not count any more.
    fn forgive(&mut self) {
        self.strikes = 0;
        self.avoid_until = 0;
    }
}

struct Idle {
    /// Boxed when it was dialled: from then on only the pointer moves.
    sock: Box<Sock>,
    since: Millis,
}

/// What a request may be given from the pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checkout {
    pub(crate) now: Millis,
    /// Whether the method may be repeated: such a request tolerates an older connection.
    pub(crate) idempotent: bool,
    /// Whether the request can be sent again should the connection turn out dead: one that cannot
    /// is worth a look at any connection.
    pub(crate) repeatable: bool,
}

/// One shard's endpoints.
#[derive(Default)]
pub(crate) struct Endpoints {
    control: State,
    states: Vec<State>,
    /// Idle connections over all endpoints: `idle_total <= room.in_all`.
    idle_total: usize,
    room: Room,
}

/// How many idle connections one shard keeps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Room {
    pub(crate) per_endpoint: usize,
    pub(crate) in_all: usize,
}

impl Endpoints {
    pub(crate) fn new(room: Room) -> Self {
        Self {
            room,
            ..Self::default()
        }
    }

    /// The state of `key`; `None` when its slot belongs to a later endpoint by now.
    fn state(&mut self, key: Key) -> Option<&mut State> {
        let Key::Slot { slot, serial } = key else {
            return Some(&mut self.control);
        };
        let slot = slot as usize;
        if self.states.len() <= slot {
            self.states.resize_with(slot + 1, State::default);
        }
        let state = &mut self.states[slot];
        if state.serial < serial {
            self.idle_total -= state.idle.len();
            *state = State {
                serial,
                ..State::default()
            };
        }
        (state.serial == serial).then_some(state)
    }

    /// Requests in flight there; `None` while it is avoided. For `pick`.
    pub(crate) fn load(&self, endpoint: &Endpoint, now: Millis) -> Option<u32> {
        match self.states.get(endpoint.slot as usize) {
            Some(state) if state.serial == endpoint.serial => {
                (state.avoid_until <= now).then_some(state.inflight)
            }
            _ => Some(0),
        }
    }

    /// Requests in flight at all endpoints.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn inflight(&self) -> u64 {
        let all = self.states.iter().chain([&self.control]);
        all.map(|state| u64::from(state.inflight)).sum()
    }

    pub(crate) fn begin(&mut self, key: Key) {
        if let Some(state) = self.state(key) {
            state.inflight += 1;
        }
    }

    pub(crate) fn end(&mut self, key: Key) {
        if let Some(state) = self.state(key) {
            state.inflight = state.inflight.saturating_sub(1);
        }
    }

    /// The most recently used idle connection that is still good.
    pub(crate) fn take(
        &mut self,
        key: Key,
        how: Checkout,
        counters: &ShardCounters,
    ) -> Option<Box<Sock>> {
        let age_max = if how.idempotent {
            UPSTREAM_IDLE
        } else {
            UPSTREAM_IDLE_UNSAFE
        };
        loop {
            let idle = self.state(key)?.idle.pop()?;
            self.idle_total -= 1;
            let age = how.now.saturating_sub(idle.since);
            if u128::from(age) > age_max.as_millis() {
                counters.pool_stale.add(1);
                continue;
            }
            let looked = !how.repeatable || u128::from(age) > UPSTREAM_PEEK_AFTER.as_millis();
            match if looked {
                idle.sock.peek()
            } else {
                Peek::Quiet
            } {
                Peek::Quiet => return Some(idle.sock),
                Peek::Data => counters.pool_poisoned.add(1),
                Peek::Ended | Peek::Failed => counters.pool_stale.add(1),
            }
        }
    }

    /// Keeps the connection of an exchange that went well for the next request; hands it back when
    /// there is no room.
    pub(crate) fn put(&mut self, key: Key, sock: Box<Sock>, now: Millis) -> Option<Box<Sock>> {
        let (room, in_all) = (self.room.per_endpoint, self.idle_total < self.room.in_all);
        let Some(state) = self.state(key) else {
            return Some(sock);
        };
        state.forgive();
        if !in_all || state.idle.len() >= room {
            return Some(sock);
        }
        state.idle.push(Idle { sock, since: now });
        self.idle_total += 1;
        None
    }

    /// An exchange went well, whose connection is not kept.
    pub(crate) fn forgive(&mut self, key: Key) {
        if let Some(state) = self.state(key) {
            state.forgive();
        }
    }

    /// A connection could not be made, or was cut before any reply: look elsewhere for a while.
    pub(crate) fn failed(&mut self, key: Key, now: Millis) {
        if let Some(state) = self.state(key) {
            let backoff = AVOID_FIRST << state.strikes.min(5);
            state.strikes = state.strikes.saturating_add(1);
            state.avoid_until = now.saturating_add(backoff.min(AVOID_MAX));
        }
    }

    /// Closes connections that have been idle too long.
    pub(crate) fn sweep(&mut self, now: Millis) {
        let mut closed = 0;
        for state in self.states.iter_mut().chain([&mut self.control]) {
            // The oldest come first: the pool is a stack.
            let old = |idle: &Idle| {
                u128::from(now.saturating_sub(idle.since)) > UPSTREAM_IDLE.as_millis()
            };
            let keep_from = state.idle.iter().take_while(|idle| old(idle)).count();
            closed += state.idle.drain(..keep_from).len();
        }
        self.idle_total -= closed;
    }

    /// Closes idle connections to endpoints that `table` no longer has.
    ///
    /// Costs O(endpoints), however many functions share them. Slots behind the table's last
    /// belong to a later table: the list of slots never shrinks.
    pub(crate) fn retain(&mut self, table: &Table) {
        for (state, serial) in self.states.iter_mut().zip(&table.serials) {
            if state.serial != *serial {
                self.idle_total -= state.idle.len();
                state.idle = Vec::new();
            }
        }
    }

    /// Closes one idle connection, to free a descriptor. `false` when there is none.
    pub(crate) fn close_one(&mut self) -> bool {
        let mut states = self.states.iter_mut().chain([&mut self.control]);
        let Some(state) = states.find(|state| !state.idle.is_empty()) else {
            return false;
        };
        state.idle.remove(0);
        self.idle_total -= 1;
        true
    }

    /// Whether any connection is idle.
    pub(crate) fn has_idle(&self) -> bool {
        self.idle_total > 0
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::config::DriverChoice;
    use crate::runtime;

    #[test]
    fn there_is_room_for_as_many_as_allowed_and_no_more() {
        let driver = runtime::choose(DriverChoice::Epoll).unwrap();
        let done = runtime::block_on(&driver, async {
            let mut endpoints = Endpoints::new(Room {
                per_endpoint: 2,
                in_all: 3,
            });
            let sock = || {
                let (stream, _) = UnixStream::pair().unwrap();
                stream.set_nonblocking(true).unwrap();
                Box::new(Sock::from_unix(stream).unwrap())
            };
            let key = |slot| Key::Slot { slot, serial: 1 };
            let mut put = |slot| endpoints.put(key(slot), sock(), 0).is_none();
            assert!(put(0) && put(0), "two of one endpoint");
            assert!(!put(0), "not a third");
            assert!(put(1), "three in all");
            assert!(!put(1), "not a fourth");
            assert!(endpoints.close_one());
            assert!(endpoints.put(key(1), sock(), 0).is_none());
        });
        done.unwrap();
    }

    #[test]
    fn a_good_reply_forgives_what_failed_before_it() {
        let mut endpoints = Endpoints::new(Room::default());
        let key = Key::Slot { slot: 0, serial: 1 };
        let endpoint = Endpoint {
            slot: 0,
            serial: 1,
            address: std::sync::Arc::new(crate::table::Address::Unix("/none".into())),
        };
        let mut now = 0;
        for _ in 0..3 {
            endpoints.failed(key, now);
            assert_eq!(endpoints.load(&endpoint, now + AVOID_FIRST - 1), None);
            endpoints.failed(key, now);
            assert_eq!(endpoints.load(&endpoint, now + AVOID_FIRST), None, "twice");
            assert_eq!(endpoints.load(&endpoint, now + 2 * AVOID_FIRST), Some(0));
            endpoints.forgive(key);
            assert_eq!(endpoints.load(&endpoint, now), Some(0));
            now += 10;
        }
        for _ in 0..100 {
            endpoints.failed(key, now);
        }
        assert_eq!(endpoints.load(&endpoint, now + AVOID_MAX - 1), None);
        assert_eq!(endpoints.load(&endpoint, now + AVOID_MAX), Some(0));
    }
}
