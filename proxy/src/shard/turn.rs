//! One caller's wait for its turn: until its function has an endpoint and the queue lets it go.

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::task::Poll;

use crate::fault::Failure;
use crate::limits::{ABORT_WATCH_AFTER, Limits, PARK_TIMEOUT_MAX, PARKED_PER_FUNCTION_MAX};
use crate::shard::Shard;
use crate::shard::alarm::{Act, Slot};
use crate::shard::conn::Conn;
use crate::shard::io::Peek;
use crate::shard::plan::Plan;
use crate::table::{Function, FunctionRef};

/// Whether a caller has had its turn before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queueing {
    /// It stands behind those who wait.
    Behind,
    /// It is sent again: it waits only when there is no endpoint.
    Past,
}

impl Queueing {
    pub(crate) const fn after(tries: u32) -> Self {
        if tries == 0 { Self::Behind } else { Self::Past }
    }
}

/// Whether a caller may send its request.
pub(crate) enum Turn<'c> {
    /// Nothing is in its way.
    Now,
    /// It has to wait.
    Later(Place<'c>),
}

/// Whether the request may be sent now, and otherwise where it waits.
pub(crate) fn turn<'c>(
    conn: &'c Conn,
    plan: &mut Plan,
    queueing: Queueing,
) -> Result<Turn<'c>, Failure> {
    let shard = conn.shard;
    if may_go(shard, plan, queueing) {
        return Ok(Turn::Now);
    }
    // From here on by the newest table: the bell announces every later one.
    if !plan.refresh(shard) {
        return Err(Failure::Deleted);
    }
    if may_go(shard, plan, queueing) {
        return Ok(Turn::Now);
    }
    let Some(function) = plan.function() else {
        return Ok(Turn::Now);
    };
    if function.is_catch_all() {
        // Nobody could be told which of the unknown names is wanted.
        return Err(Failure::Unreachable);
    }
    Place::take(conn, function).map(Turn::Later)
}

fn may_go(shard: &Shard, plan: &Plan, queueing: Queueing) -> bool {
    plan.function().is_none_or(|function| {
        function.open_endpoints() > 0 && (queueing == Queueing::Past || !has_queue(shard, function))
    })
}

/// Whether callers of the function wait on this shard. Reads one cell while nobody waits for any
/// function, and one counter while nobody waits for this one.
pub(crate) fn has_queue(shard: &Shard, function: &Function) -> bool {
    !shard.park.is_empty()
        && function.shared.counters.shard(shard.index).parked.get() > 0
        && shard.park.has_queue(&function.id)
}

/// Tells once per row that a function without an endpoint has callers.
pub(crate) fn ask_for_endpoint(shard: &Shard, function: &Function) {
    if function.endpoints.is_empty() && !function.demanded.swap(true, Ordering::Relaxed) {
        shard.demand.wanted(&function.id);
    }
}

/// Whether nobody more may wait, on this shard or for this function.
fn is_full(limits: &Limits, in_shard: usize, for_function: u64, parked_max: u32) -> bool {
    in_shard >= limits.parked_max || for_function >= parked_max.into()
}

/// A place in the waiting room.
pub(crate) struct Place<'a> {
    conn: &'a Conn,
    /// The row at arrival: its counters are those that were raised.
    function: FunctionRef,
    ticket: u64,
    /// The turn that comes, or came, is used for a call.
    used: Cell<bool>,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    /// It is this caller's turn, or its function is gone.
    LetGo,
    TimedOut,
    ClientLeft,
}

impl<'a> Place<'a> {
    fn take(conn: &'a Conn, function: &FunctionRef) -> Result<Self, Failure> {
        let shard = conn.shard;
        let counters = function.shared.counters.shard(shard.index);
        let parked_max = function.settings.parked_max;
        let parked_max = parked_max.unwrap_or(PARKED_PER_FUNCTION_MAX);
        let (in_shard, for_function) = (shard.park.waiting(), counters.parked.get());
        if is_full(&shard.config.limits, in_shard, for_function, parked_max) {
            return Err(Failure::TooManyParked);
        }
        shard.counters.parked.add(1);
        counters.parked.add(1);
        Ok(Self {
            conn,
            function: function.clone(),
            ticket: shard.park.ticket(),
            used: Cell::new(false),
        })
    }

    /// Waits until the request may be sent. `Err(None)` when the client left meanwhile.
    pub(crate) async fn wait(&self, plan: &mut Plan) -> Result<(), Option<Failure>> {
        let conn = self.conn;
        let shard = conn.shard;
        let patience = self.function.settings.deadline;
        let patience = patience.unwrap_or(shard.config.upstream_timeout);
        conn.deadline(Slot::Down, Some(patience.min(PARK_TIMEOUT_MAX)), Act::Wake);
        loop {
            if let Some(function) = plan.function() {
                ask_for_endpoint(shard, function);
            }
            shard.park.enter(&self.function.id, self.ticket);
            let waited = self.until_let_go().await;
            if waited == Waited::ClientLeft {
                shard.counters.client_aborts.add(1);
                return Err(None);
            }
            if !plan.refresh(shard) {
                return Err(Some(Failure::Deleted));
            }
            if waited == Waited::TimedOut {
                return Err(Some(Failure::NoReplica));
            }
            if plan.function().is_none_or(|f| f.open_endpoints() > 0) {
                break;
            }
        }
        // Whoever ends the call gives the turn on.
        self.used.set(true);
        conn.alarm.reset();
        Ok(())
    }

    /// Only here does a client's half-close count as gone: a caller that waits for a function to
    /// start and hangs up must not start a ghost.
    async fn until_let_go(&self) -> Waited {
        let conn = self.conn;
        let park = &conn.shard.park;
        conn.deadline(Slot::Watch, Some(ABORT_WATCH_AFTER), Act::Wake);
        poll_fn(|cx| {
            conn.alarm.register(cx);
            if !park.must_wait(&self.function.id, self.ticket, cx) {
                return Poll::Ready(Waited::LetGo);
            }
            if conn.alarm.has_expired(Slot::Down) {
                return Poll::Ready(Waited::TimedOut);
            }
            if conn.alarm.take_expired(Slot::Watch) {
                let gone = match conn.sock.peek() {
                    Peek::Ended | Peek::Failed => true,
                    // Unread body bytes hide an end behind them, but not a reset.
                    Peek::Data => conn.sock.is_dead(),
                    Peek::Quiet => false,
                };
                if gone {
                    return Poll::Ready(Waited::ClientLeft);
                }
                conn.deadline(Slot::Watch, Some(ABORT_WATCH_AFTER), Act::Wake);
            }
            Poll::Pending
        })
        .await
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let shard = self.conn.shard;
        let id = &self.function.id;
        if !shard.park.leave(id, self.ticket) && !self.used.get() {
            // Let go, and nothing came of it: those behind must not wait for its end.
            shard.park.call_ended(id);
        }
        shard.counters.parked.sub(1);
        let counters = self.function.shared.counters.shard(shard.index);
        counters.parked.sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_takes_as_many_as_it_may_and_no_more() {
        let per_function = PARKED_PER_FUNCTION_MAX;
        let limits = Limits::default();
        let full = |in_shard, for_function| is_full(&limits, in_shard, for_function, per_function);
        assert!(!full(limits.parked_max - 1, u64::from(per_function) - 1));
        assert!(full(limits.parked_max, 0));
        assert!(full(0, per_function.into()));
    }
}
