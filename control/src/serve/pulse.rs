//! Looks every second whether each shard still answers, and tells the log, the metrics, the
//! health routes and systemd.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringway_proxy::{Gateway, Pulse};
use tokio::time::{self, MissedTickBehavior};

use super::running::SharedGateway;
use super::systemd;
use crate::metrics::Facts;

/// Watches until a shard's thread is over, which cannot be repaired within the process.
pub(super) async fn shard_ended(gateway: SharedGateway, facts: Arc<Facts>) {
    let mut silences = Vec::new();
    let every = systemd::watchdog_interval().map_or(EVERY, |asked| EVERY.min(asked / 2));
    let mut ticks = time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(pulses) = gateway.lock().as_ref().map(Gateway::pulses) else {
            // It was stopped, in order.
            return std::future::pending().await;
        };
        if let Some(shard) = pulses.iter().position(|p| p.ended) {
            tracing::error!(shard, "a shard has ended");
            return;
        }
        silences.resize_with(pulses.len(), Silence::default);
        for (shard, (silence, pulse)) in silences.iter_mut().zip(&pulses).enumerate() {
            match silence.hear(*pulse, every) {
                Some(true) => tracing::error!(shard, "a shard does not answer"),
                Some(false) => tracing::warn!(shard, "the shard answers again"),
                None => {}
            }
        }
        let stuck = silences.iter().filter(|s| s.is_stuck()).count();
        facts.stuck.store(stuck, Ordering::Relaxed);
        if stuck == 0 {
            systemd::alive();
        }
        if let Some(gateway) = &*gateway.lock() {
            gateway.knock();
        }
    }
}

/// How long a shard has not answered.
#[derive(Default)]
struct Silence {
    answers: Option<u64>,
    since: Duration,
}

impl Silence {
    /// Notes what was heard `after` the last look; whether the shard is stuck, when that changed.
    fn hear(&mut self, pulse: Pulse, after: Duration) -> Option<bool> {
        let before = self.is_stuck();
        // The first look comes before the first knock.
        if self.answers.replace(pulse.answers) == Some(pulse.answers) {
            self.since += after;
        } else {
            self.since = Duration::ZERO;
        }
        let now = self.is_stuck();
        (now != before).then_some(now)
    }

    fn is_stuck(&self) -> bool {
        self.since >= PATIENCE
    }
}

const EVERY: Duration = Duration::from_secs(1);
/// A loop this late serves nobody in time.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_stuck_after_five_seconds_of_silence_and_until_it_answers() {
        let mut silence = Silence::default();
        let mut hear = |answers| {
            let pulse = Pulse {
                answers,
                ended: false,
            };
            silence.hear(pulse, EVERY)
        };
        assert_eq!(hear(7), None);
        assert_eq!(hear(8), None);
        assert_eq!([hear(8), hear(8), hear(8), hear(8)], [None; 4]);
        assert_eq!(hear(8), Some(true));
        assert_eq!(hear(8), None);
        assert_eq!(hear(9), Some(false));
        assert_eq!(hear(9), None);
    }
}
