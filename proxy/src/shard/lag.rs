//! How late a shard's loop is: the largest lateness of its ticker within about ten seconds; pure.
//!
//! A loop that is held up (a long computation, a machine without a free core) runs its ticker late,
//! and everything else just as late.

use crate::shard::timer::TICK_MILLIS;

/// The lateness of a ticker that runs.
pub(crate) struct Lag {
    /// When the loop ticked last.
    last_micros: u64,
    /// The largest lateness of the present half of the window, and of the half before.
    halves: [u64; 2],
    /// When the present half ends.
    half_ends_micros: u64,
}

impl Lag {
    /// For a ticker that begins to run now.
    pub(crate) const fn start(now_micros: u64) -> Self {
        Self {
            last_micros: now_micros,
            halves: [0; 2],
            half_ends_micros: now_micros.saturating_add(HALF_MICROS),
        }
    }

    /// Notes a tick and answers with the largest lateness of the window.
    pub(crate) fn tick(&mut self, now_micros: u64) -> u64 {
        let due = self.last_micros.saturating_add(TICK_MILLIS * 1_000);
        let late = now_micros.saturating_sub(due);
        self.last_micros = now_micros;
        if now_micros >= self.half_ends_micros {
            self.half_ends_micros = now_micros.saturating_add(HALF_MICROS);
            self.halves = [0, self.halves[0]];
        }
        self.halves[0] = self.halves[0].max(late);
        self.halves[0].max(self.halves[1])
    }
}

/// Half of the window: the gauge covers one to two of them.
const HALF_MICROS: u64 = 5_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: u64 = TICK_MILLIS * 1_000;

    #[test]
    fn a_ticker_in_time_has_no_lag() {
        let mut lag = Lag::start(7);
        assert!((1..1_000).all(|i| lag.tick(7 + i * TICK) == 0));
        assert_eq!(lag.tick(7 + 999 * TICK), 0, "early is not late");
    }

    #[test]
    fn the_largest_lateness_stays_for_five_to_ten_seconds() {
        let mut lag = Lag::start(0);
        let mut now = TICK + 300;
        assert_eq!(lag.tick(now), 300);
        now += TICK + 70_000;
        let late_at = now;
        assert_eq!(lag.tick(now), 70_000);
        loop {
            now += TICK + 50;
            match lag.tick(now) {
                70_000 => {}
                50 => break,
                other => panic!("{other}"),
            }
        }
        let kept = now - late_at;
        assert!((5_000_000..=10_100_000).contains(&kept), "{kept}");
    }
}
