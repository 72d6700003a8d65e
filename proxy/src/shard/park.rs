//! The waiting room of one shard: per function a queue of callers, let go first come, first
//! served, and in ramps.
//!
//! A parked request keeps its head; its body stays with the client, unread. A queue is shut while
//! its function has no endpoint. When the first one comes it opens: some callers go, each call
//! that ends lets more go, and so does time, so that calls that hang cannot hold the rest. A
//! function that has just started is not hit by all its callers at once.
//!
//! **Invariants**
//! - A caller is in its queue, or it was let go and woken. Who is let go and does not call gives
//!   the turn on ([`Park::call_ended`]).
//! - There are no empty queues: callers of a function without one do not wait.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::task::{Context, Waker};

use crate::clock::Millis;
use crate::limits::{RAMP_EVERY, RAMP_FIRST, RAMP_STEP};
use crate::table::FunctionId;

/// One shard's parked requests.
#[derive(Default)]
pub(crate) struct Park {
    queues: RefCell<HashMap<FunctionId, Queue>>,
    /// Callers in all queues; bounded by the limit of parked requests.
    waiting: Cell<usize>,
    next_ticket: Cell<u64>,
}

/// The callers of one function.
#[derive(Default)]
struct Queue {
    /// By ticket, in order of arrival.
    callers: BTreeMap<u64, Option<Waker>>,
    /// `None`: the function has no endpoint.
    ramp: Option<Ramp>,
}

/// How an open queue lets go.
struct Ramp {
    endpoints: usize,
    /// Callers let go when time last did it.
    batch: usize,
    /// When time does it again.
    next_at: Millis,
}

impl Park {
    /// Whether nobody waits for any function.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.get() == 0
    }

    /// Callers that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.get()
    }

    /// Whether callers of `function` wait.
    pub(crate) fn has_queue(&self, function: &FunctionId) -> bool {
        !self.is_empty() && self.queues.borrow().contains_key(function)
    }

    /// A place in the order of arrival, for [`Park::enter`].
    pub(crate) fn ticket(&self) -> u64 {
        let ticket = self.next_ticket.get();
        self.next_ticket.set(ticket.wrapping_add(1));
        ticket
    }

    /// Stands in the queue, at the place of the ticket. Only for a function without an endpoint,
    /// or one that has a queue already.
    pub(crate) fn enter(&self, function: &FunctionId, ticket: u64) {
        let mut queues = self.queues.borrow_mut();
        if !queues.contains_key(function) {
            queues.insert(function.clone(), Queue::default());
        }
        if let Some(queue) = queues.get_mut(function)
            && queue.callers.insert(ticket, None).is_none()
        {
            self.waiting.set(self.waiting.get() + 1);
        }
    }

    /// Whether the caller must still wait; if so, `cx` is woken when it is let go.
    pub(crate) fn must_wait(&self, function: &FunctionId, ticket: u64, cx: &Context<'_>) -> bool {
        let mut queues = self.queues.borrow_mut();
        let queue = queues.get_mut(function);
        let Some(waker) = queue.and_then(|queue| queue.callers.get_mut(&ticket)) else {
            return false;
        };
        if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        true
    }

    /// Leaves the queue. `false` when the caller was not in it (any more).
    pub(crate) fn leave(&self, function: &FunctionId, ticket: u64) -> bool {
        let mut queues = self.queues.borrow_mut();
        let Some(queue) = queues.get_mut(function) else {
            return false;
        };
        let waited = queue.callers.remove(&ticket).is_some();
        self.waiting.set(self.waiting.get() - usize::from(waited));
        if queue.callers.is_empty() {
            queues.remove(function);
        }
        waited
    }

    /// A call of `function` ended: its place and one more are free.
    pub(crate) fn call_ended(&self, function: &FunctionId) {
        let mut queues = self.queues.borrow_mut();
        let Some(queue) = queues.get_mut(function) else {
            return;
        };
        if queue.ramp.is_some() {
            self.let_go(queue, RAMP_STEP);
        }
        if queue.callers.is_empty() {
            queues.remove(function);
        }
    }

    /// Follows a new table. `endpoints` says how many a function has now; of a function that is
    /// gone (`None`) every caller is let go, to find out by itself.
    pub(crate) fn table_moved(
        &self,
        now: Millis,
        endpoints: impl Fn(&FunctionId) -> Option<usize>,
    ) {
        self.queues.borrow_mut().retain(|function, queue| {
            match endpoints(function) {
                None => self.let_go(queue, usize::MAX),
                Some(0) => queue.ramp = None,
                Some(endpoints) => {
                    let ramp = queue.ramp.get_or_insert_with(|| Ramp {
                        endpoints: 0,
                        batch: endpoints.saturating_mul(RAMP_FIRST),
                        next_at: now.saturating_add(RAMP_EVERY_MILLIS),
                    });
                    let new = endpoints.saturating_sub(ramp.endpoints);
                    ramp.endpoints = endpoints;
                    self.let_go(queue, new.saturating_mul(RAMP_FIRST));
                }
            }
            !queue.callers.is_empty()
        });
    }

    /// Lets go what time lets go up to `now`.
    pub(crate) fn advance(&self, now: Millis) {
        if self.is_empty() {
            return;
        }
        self.queues.borrow_mut().retain(|_, queue| {
            if let Some(ramp) = queue.ramp.as_mut().filter(|ramp| ramp.next_at <= now) {
                ramp.batch = ramp.batch.saturating_mul(2);
                ramp.next_at = now.saturating_add(RAMP_EVERY_MILLIS);
                let batch = ramp.batch;
                self.let_go(queue, batch);
            }
            !queue.callers.is_empty()
        });
    }

    /// Takes the first `n` out of the queue and wakes them. Waking queues a task, it runs none.
    fn let_go(&self, queue: &mut Queue, n: usize) {
        for _ in 0..n {
            let Some((_, waker)) = queue.callers.pop_first() else {
                return;
            };
            self.waiting.set(self.waiting.get() - 1);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

const RAMP_EVERY_MILLIS: Millis = RAMP_EVERY.as_millis() as Millis;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    /// A room with `n` callers of the function `f`, tickets 0 to n-1, while it has no endpoint.
    fn room(n: u64) -> Park {
        let park = Park::default();
        for ticket in 0..n {
            assert_eq!(park.ticket(), ticket);
            park.enter(&id("f"), ticket);
        }
        park
    }

    fn id(name: &str) -> FunctionId {
        FunctionId {
            name: Name::parse(name).unwrap(),
            namespace: Name::parse("openfaas-fn").unwrap(),
        }
    }

    /// How many tickets below `n` were let go; they must be the first ones.
    #[track_caller]
    fn let_go(park: &Park, n: u64) -> u64 {
        let cx = Context::from_waker(Waker::noop());
        let waits = |ticket: &u64| park.must_wait(&id("f"), *ticket, &cx);
        let first = (0..n).find(waits).unwrap_or(n);
        assert!((first..n).all(|ticket| waits(&ticket)), "not in order");
        assert_eq!(park.waiting() as u64, n - first);
        assert_eq!(park.is_empty(), !park.has_queue(&id("f")));
        first
    }

    #[test]
    fn the_first_batch_is_by_endpoints_and_each_end_lets_two_go() {
        let park = room(100);
        park.call_ended(&id("f"));
        assert_eq!(let_go(&park, 100), 0, "a shut queue lets nobody go");
        park.table_moved(0, |_| Some(2));
        assert_eq!(let_go(&park, 100), 32);
        park.table_moved(10, |_| Some(2));
        assert_eq!(
            let_go(&park, 100),
            32,
            "the same table again changes nothing"
        );
        park.call_ended(&id("f"));
        assert_eq!(let_go(&park, 100), 34);
        park.table_moved(20, |_| Some(3));
        assert_eq!(let_go(&park, 100), 50, "one endpoint more");
        for _ in 0..25 {
            park.call_ended(&id("f"));
        }
        assert_eq!(let_go(&park, 100), 100);
        assert!(park.is_empty() && park.queues.borrow().is_empty());
        park.call_ended(&id("f"));
    }

    #[test]
    fn time_lets_twice_as_many_go_each_time() {
        let park = room(1_000);
        park.advance(1_000_000);
        assert_eq!(let_go(&park, 1_000), 0);
        park.table_moved(1_000_000, |_| Some(1));
        assert_eq!(let_go(&park, 1_000), 16);
        for (now, expected) in [
            (1_000_099, 16),
            (1_000_100, 48),
            (1_000_120, 48),
            (1_000_220, 112),
            (1_000_320, 240),
            (1_000_420, 496),
            (1_000_520, 1_000),
        ] {
            park.advance(now);
            assert_eq!(let_go(&park, 1_000), expected, "at {now}");
        }
    }

    #[test]
    fn newcomers_stand_behind_and_one_who_comes_back_keeps_its_place() {
        let park = room(20);
        park.table_moved(0, |_| Some(1));
        park.enter(&id("f"), park.ticket());
        assert_eq!(let_go(&park, 21), 16);
        // The endpoints are gone before the last one let go has looked.
        park.table_moved(1, |_| Some(0));
        park.enter(&id("f"), 15);
        park.call_ended(&id("f"));
        assert_eq!(let_go(&park, 21), 15);
        park.advance(1_000);
        assert_eq!(let_go(&park, 21), 15);
        park.table_moved(2_000, |_| Some(1));
        assert_eq!(let_go(&park, 21), 21);
        park.enter(&id("f"), 3);
        assert!(
            park.has_queue(&id("f")),
            "shut, and waiting for the next table"
        );
        park.table_moved(3_000, |_| Some(1));
        assert!(park.is_empty());
    }

    #[test]
    fn who_leaves_is_forgotten() {
        let park = room(18);
        assert!(park.leave(&id("f"), 3));
        assert!(!park.leave(&id("f"), 3));
        assert!(!park.leave(&id("g"), 4));
        assert_eq!(park.waiting(), 17);
        park.table_moved(0, |_| Some(1));
        assert_eq!(park.waiting(), 1);
        assert!(!park.leave(&id("f"), 0), "it was let go before");
        assert!(park.leave(&id("f"), 17));
        assert!(park.is_empty() && park.queues.borrow().is_empty());
    }

    #[test]
    fn a_function_that_is_gone_lets_everybody_go_and_no_other_does() {
        let park = room(40);
        park.enter(&id("g"), park.ticket());
        park.table_moved(0, |function| (*function == id("g")).then_some(0));
        assert!(!park.has_queue(&id("f")) && park.has_queue(&id("g")));
        assert_eq!(park.waiting(), 1);
    }

    #[test]
    fn who_is_let_go_is_woken_once() {
        struct Count(std::sync::atomic::AtomicU32);
        impl std::task::Wake for Count {
            fn wake(self: std::sync::Arc<Self>) {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let count = std::sync::Arc::new(Count(0.into()));
        let waker = Waker::from(std::sync::Arc::clone(&count));
        let park = room(20);
        for ticket in 0..20 {
            for _ in 0..2 {
                assert!(park.must_wait(&id("f"), ticket, &Context::from_waker(&waker)));
            }
        }
        park.table_moved(0, |_| Some(1));
        assert_eq!(count.0.load(std::sync::atomic::Ordering::Relaxed), 16);
        park.advance(100);
        assert_eq!(count.0.load(std::sync::atomic::Ordering::Relaxed), 20);
    }
}
