//! Takes replies to their receivers; tried again with growing pauses for as long as the patience
//! lasts.

use std::sync::Arc;
use std::time::Duration;

use super::deliver::{Outcome, deliver};
use super::guard::Guard;
use super::resolve::Resolver;
use crate::queue::front::Pieces;
use crate::queue::job::{Delivery, Millis};
use crate::queue::letter::{DeliveryEnd, Letter};
use crate::queue::tally::Tally;

/// What is to be known to deliver a reply.
pub(in crate::queue) struct Postman {
    pub(in crate::queue) guard: Guard,
    pub(in crate::queue) resolver: Resolver,
    /// How long a reply is tried to be delivered.
    pub(in crate::queue) patience: Duration,
    pub(in crate::queue) tally: Arc<Tally>,
}

impl Postman {
    /// Tries once; `body` reads the reply's body from its beginning.
    pub(in crate::queue) async fn deliver(
        &self,
        letter: &Letter,
        body: impl Fn() -> Pieces,
    ) -> DeliveryEnd {
        let outcome = deliver(letter, body, &self.guard, &self.resolver).await;
        let end = self.end(letter, outcome);
        note(letter, &end);
        self.tally.delivered(end.delivery);
        end
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
}

fn note(letter: &Letter, end: &DeliveryEnd) {
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

fn pause(tried: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(tried.min(16));
    PAUSE_MIN.saturating_mul(doubled).min(PAUSE_MAX)
}

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
