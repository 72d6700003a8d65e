//! The rate at which calls are begun, from what was seen of the machine; pure.
//!
//! Down by a share at once, up by little at first and then faster (as TCP does, and for its
//! reasons): late once in a second or two is what it settles at.

use std::time::{Duration, Instant};

/// The rate, and who may begin next.
pub(super) struct Governor {
    /// Calls per second at most; `None`: any number.
    rate: Option<f64>,
    /// Calls per second that were begun, the last second's counting most.
    begun: f64,
    /// Looks since it was late.
    quiet: u32,
    /// When the next call may begin.
    next: Instant,
}

impl Governor {
    /// Without a bound.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            rate: None,
            begun: 0.0,
            quiet: 0,
            next: now,
        }
    }

    /// Judges a span of time in which `begun` calls were begun.
    pub(super) fn judge(&mut self, was_late: bool, begun: u32, took: Duration) {
        let weight = took.as_secs_f64().min(1.0);
        let now = f64::from(begun) / took.as_secs_f64().max(f64::MIN_POSITIVE);
        self.begun += (now - self.begun) * weight;
        if was_late {
            self.quiet = 0;
            let most = self.rate.map_or(self.begun, |rate| rate.min(self.begun));
            self.rate = Some((most * CUT).max(LEAST));
            return;
        }
        self.quiet = self.quiet.saturating_add(1);
        let grown = self.rate.map(|rate| rate * (1.0 + self.growth()));
        self.rate = grown.filter(|rate| *rate < MOST);
    }

    /// A percent, and one more for each second without being late.
    fn growth(&self) -> f64 {
        0.01 * f64::from(1 + self.quiet / 10)
    }

    /// Takes a turn; when it is, if not now.
    pub(super) fn turn(&mut self, now: Instant) -> Option<Instant> {
        let rate = self.rate?;
        // Who was late by a timer's grain makes up for it.
        let due = self.next.max(now.checked_sub(SLACK).unwrap_or(now));
        self.next = due + Duration::from_secs_f64(1.0 / rate);
        (due > now).then_some(due)
    }

    /// Calls per second at most.
    pub(super) const fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// Whether nothing was begun for seconds.
    pub(super) fn is_still(&self) -> bool {
        self.begun < 1.0
    }
}

/// What is left of the rate when the machine was late.
const CUT: f64 = 0.85;
/// It does not fall below this: slow functions are not what makes a machine late.
const LEAST: f64 = 100.0;
/// A rate that is none.
const MOST: f64 = 100_000.0;
const SLACK: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_millis(100);

    /// A machine that is late when more than `able` calls per second are begun, for ten minutes:
    /// calls begun per second, and how often it was late.
    fn run(able: f64, offered: f64) -> (f64, u32) {
        let mut governor = Governor::new(Instant::now());
        let (mut begun, mut late) = (0.0, 0);
        for _ in 0..6_000 {
            let rate = governor.rate().unwrap_or(offered).min(offered);
            let was_late = rate > able;
            late += u32::from(was_late);
            begun += rate / 10.0;
            governor.judge(was_late, (rate / 10.0) as u32, LOOK);
        }
        (begun / 600.0, late)
    }

    #[test]
    fn nothing_is_held_back_while_the_machine_keeps_up() {
        assert_eq!(run(5_000.0, 4_000.0), (4_000.0, 0));
        let now = Instant::now();
        assert_eq!(Governor::new(now).turn(now), None);
    }

    #[test]
    fn a_machine_that_falls_behind_gets_nearly_what_it_can_do_and_is_seldom_late() {
        for able in [300.0, 2_000.0, 20_000.0] {
            let (begun, late) = run(able, 50_000.0);
            assert!(
                begun > 0.85 * able && begun < able * 1.05,
                "{begun} of {able}"
            );
            assert!(late < 600, "late {late} times in ten minutes");
        }
    }

    #[test]
    fn who_is_always_late_goes_on_slowly_and_recovers_within_half_a_minute() {
        let mut governor = Governor::new(Instant::now());
        for _ in 0..1_000 {
            governor.judge(true, 1_000, LOOK);
        }
        assert_eq!(governor.rate(), Some(LEAST));
        let looks = (0..).take_while(|_| {
            governor.judge(false, 10, LOOK);
            governor.rate().is_some()
        });
        let looks = looks.count();
        assert!((100..300).contains(&looks), "{looks}");
    }

    #[test]
    fn turns_come_at_the_rate_however_late_they_are_taken() {
        let start = Instant::now();
        let mut governor = Governor::new(start);
        governor.judge(true, 100, LOOK);
        assert_eq!(governor.rate(), Some(LEAST));
        let (mut now, mut taken) = (start, 0);
        while now < start + Duration::from_secs(10) {
            taken += 1;
            // A timer that fires a millisecond late.
            now = governor.turn(now).map_or(now, |due| due + SLACK / 2);
        }
        assert!((990..=1_010).contains(&taken), "{taken}");
    }
}
