//! The only reader of the system's clocks: a coarse clock per shard, and vDSO reads.

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
    /// The Unix time of `origin` in nanoseconds, by the system's clock at `unix_read`.
    unix_origin: Cell<u64>,
    /// In microseconds since `origin`.
    unix_read: Cell<u64>,
}

/// Microseconds after which the system's clock is looked at again: it may have been set.
const UNIX_EVERY: u64 = 100_000;
/// Microseconds by which it may be off.
const UNIX_TOLERANCE: u64 = 50;

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            origin: Instant::now(),
            now: Cell::new(0),
            unix_origin: Cell::new(unix_nanos()),
            unix_read: Cell::new(0),
        }
    }

    /// The coarse time: no system call, no vDSO read.
    pub(crate) fn now(&self) -> Millis {
        self.now.get()
    }

    /// Reads the clock (vDSO), moves the coarse time and returns microseconds since start.
    pub(crate) fn read_micros(&self) -> u64 {
        let micros = self.elapsed_micros();
        #[cfg(any(test, fuzzing))]
        let micros = crate::sim::now().unwrap_or(micros);
        self.now.set(micros / 1_000);
        micros
    }

    /// The Unix time in nanoseconds, for `X-Start-Time` and the access log, at `micros` since start,
    /// which is now. A clock that was set shows within 0.1 s.
    pub(crate) fn unix_nanos(&self, micros: u64) -> u64 {
        let since_origin = micros.saturating_mul(1_000);
        if micros.saturating_sub(self.unix_read.get()) >= UNIX_EVERY {
            self.unix_read.set(micros);
            self.look_at_unix();
        }
        self.unix_origin.get().saturating_add(since_origin)
    }

    /// Follows the system's clock, if it was set; what shows a difference because this thread did not
    /// run between two reads is passed over.
    #[cold]
    fn look_at_unix(&self) {
        let before = self.elapsed_micros();
        let unix = unix_nanos();
        let took = self.elapsed_micros().saturating_sub(before);
        let origin = unix.saturating_sub(before.saturating_mul(1_000));
        let moved = origin.abs_diff(self.unix_origin.get());
        if took <= UNIX_TOLERANCE && moved > UNIX_TOLERANCE * 1_000 {
            self.unix_origin.set(origin);
        }
    }

    fn elapsed_micros(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
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

/// Reads the system's clock (vDSO).
fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unix_time_goes_on_with_the_clock_and_follows_the_systems() {
        let clock = Clock::new();
        let at_origin = clock.unix_nanos(0);
        assert_eq!(clock.unix_nanos(UNIX_EVERY - 1), at_origin + 99_999_000);
        // As if the system's clock had been set meanwhile.
        clock.unix_origin.set(0);
        assert_eq!(clock.unix_nanos(UNIX_EVERY - 1), 99_999_000);
        let followed = || clock.unix_nanos(UNIX_EVERY + clock.unix_read.get()) >= at_origin;
        // More than one look, should this thread not have run in the middle of the first.
        assert!((0..1_000).any(|_| followed()));
    }
}
