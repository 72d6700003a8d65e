//! Deliveries, as they are due; tried again with growing pauses for as long as the patience lasts.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time;

use super::deliver::{Outcome, deliver};
use super::guard::Guard;
use super::resolve::Resolver;
use crate::queue::embedded::{DeliveryEnd, Embedded, Letter};
use crate::queue::job::{Delivery, Millis};
use crate::queue::tally::Tally;

/// Delivers replies.
pub(in crate::queue) struct Pump {
    pub(in crate::queue) queue: Embedded,
    pub(in crate::queue) guard: Guard,
    pub(in crate::queue) resolver: Resolver,
    /// How long a reply is tried to be delivered.
    pub(in crate::queue) patience: Duration,
    pub(in crate::queue) tally: Arc<Tally>,
    pub(in crate::queue) stopping: Arc<AtomicBool>,
}

impl Pump {
    /// Delivers until it is told to stop; what is then under way is delivered again at the next
    /// start.
    pub(in crate::queue) async fn run(self) {
        let pump = Arc::new(self);
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        // Those under way: the queue names them as due until it is written how they went.
        let under_way: Arc<Mutex<HashSet<i64>>> = Arc::default();
        while !pump.stopping.load(Ordering::Relaxed) {
            let most = under_way.lock().len() + AT_ONCE;
            let (letters, next) = match pump.queue.letters(most).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::error!(%error, "replies to be delivered cannot be read");
                    time::sleep(PAUSE_MIN).await;
                    continue;
                }
            };
            for letter in letters {
                if !under_way.lock().insert(letter.seq) {
                    continue;
                }
                // Closed never.
                let Ok(turn) = Arc::clone(&turns).acquire_owned().await else {
                    return;
                };
                let (pump, under_way) = (Arc::clone(&pump), Arc::clone(&under_way));
                tokio::spawn(async move {
                    pump.one(&letter).await;
                    under_way.lock().remove(&letter.seq);
                    drop(turn);
                });
            }
            pump.queue.letter_came(next).await;
        }
    }

    async fn one(&self, letter: &Letter) {
        let body = || self.queue.letter_body(letter.seq, letter.bytes);
        let outcome = deliver(letter, body, &self.guard, &self.resolver).await;
        let end = self.end(letter, outcome);
        self.note(letter, &end);
        self.tally.delivered(end.delivery);
        while let Err(error) = self.queue.delivered(letter.seq, end.clone()).await {
            tracing::debug!(%error, "how a delivery went waits to be written");
            time::sleep(PAUSE_MIN).await;
        }
    }

    fn end(&self, letter: &Letter, outcome: Outcome) -> DeliveryEnd {
        let now = Millis::now();
        let end = |delivery, status, error| DeliveryEnd {
            delivery,
            due: now,
            status,
            error,
        };
        match outcome {
            Outcome::Taken(status) => end(Delivery::Delivered, Some(status), None),
            Outcome::Refused(why) => end(Delivery::Refused, None, Some(why)),
            Outcome::Never(status) => {
                let why = format!("it answered {status}");
                end(Delivery::Failed, Some(status), Some(why))
            }
            Outcome::Later(status, why) => {
                let due = now.after(pause(letter.tried));
                let is_late = due > letter.since.after(self.patience);
                let delivery = if is_late {
                    Delivery::Failed
                } else {
                    Delivery::Pending
                };
                DeliveryEnd {
                    due,
                    ..end(delivery, status, Some(why))
                }
            }
        }
    }

    fn note(&self, letter: &Letter, end: &DeliveryEnd) {
        let (job_id, call_id) = (letter.id, &letter.call_id);
        let (status, error) = (end.status, end.error.as_deref());
        match end.delivery {
            Delivery::Delivered => {
                tracing::debug!(%job_id, call_id, status, "a reply was delivered");
            }
            Delivery::Pending => {
                tracing::info!(%job_id, call_id, status, error, "a reply is delivered later");
            }
            Delivery::Failed => {
                tracing::warn!(%job_id, call_id, status, error, "a reply was not delivered");
            }
            Delivery::Refused => {
                tracing::warn!(%job_id, call_id, error, "a reply may not be delivered there");
            }
        }
    }
}

fn pause(tried: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(tried.min(16));
    PAUSE_MIN.saturating_mul(doubled).min(PAUSE_MAX)
}

/// Deliveries at once.
const AT_ONCE: usize = 64;
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_minute() {
        let pauses: Vec<u64> = [0, 1, 2, 20, u32::MAX]
            .map(|tried| u64::try_from(pause(tried).as_millis()).unwrap())
            .into();
        assert_eq!(pauses, [500, 1_000, 2_000, 60_000, 60_000]);
    }
}
