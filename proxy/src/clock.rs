//! The only reader of the system's clocks: a coarse clock per shard, and two vDSO reads.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the gateway started; the unit of every deadline.
pub(crate) type Millis = u64;

/// No deadline.
pub(crate) const NEVER: Millis = Millis::MAX;

/// One shard's clock. The coarse time is moved by the ticker and by each request's start.
///
/// Clones have the same origin: the times of a gateway's shards compare.
#[derive(Clone)]
pub(crate) struct Clock {
    origin: Instant,
    now: Cell<Millis>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            origin: Instant::now(),
            now: Cell::new(0),
        }
    }

    /// The coarse time: no system call, no vDSO read.
    pub(crate) fn now(&self) -> Millis {
        self.now.get()
    }

    /// Reads the clock (vDSO), moves the coarse time and returns microseconds since start.
    pub(crate) fn read_micros(&self) -> u64 {
        let elapsed = self.origin.elapsed();
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        #[cfg(any(test, fuzzing))]
        let micros = crate::sim::now().unwrap_or(micros);
        self.now.set(micros / 1_000);
        micros
    }

    /// The coarse time plus `after`.
    pub(crate) fn after(&self, after: Duration) -> Millis {
        let after = Millis::try_from(after.as_millis()).unwrap_or(NEVER);
        self.now.get().saturating_add(after)
    }

    /// As [`Clock::after`]; no duration is [`NEVER`].
    pub(crate) fn after_some(&self, after: Option<Duration>) -> Millis {
        after.map_or(NEVER, |after| self.after(after))
    }
}

/// Unix time in nanoseconds (vDSO read), for `X-Start-Time` and the access log.
pub(crate) fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
}
