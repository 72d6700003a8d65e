//! Pauses between lives of what dies again and again.

use std::time::Duration;

/// Pauses that double from 100 ms to a bound, and begin anew after a life that was long.
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
    long_life: Duration,
}

impl Backoff {
    /// `long_life`: what lived this long did not die of its start.
    pub(crate) const fn new(max: Duration, long_life: Duration) -> Self {
        Self {
            next: PAUSE_MIN,
            max,
            long_life,
        }
    }

    /// The pause after a life of this length.
    pub(crate) fn after(&mut self, life: Duration) -> Duration {
        if life >= self.long_life {
            self.next = PAUSE_MIN;
        }
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.max);
        pause
    }
}

const PAUSE_MIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_begin_anew() {
        let long_life = Duration::from_secs(30);
        let mut backoff = Backoff::new(Duration::from_secs(5), long_life);
        let short = Duration::from_secs(1);
        let millis: Vec<u128> = (0..8).map(|_| backoff.after(short).as_millis()).collect();
        assert_eq!(millis, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(backoff.after(long_life), PAUSE_MIN);
        assert_eq!(backoff.after(short), PAUSE_MIN * 2);
    }
}
