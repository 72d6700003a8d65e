//! Deliveries of the embedded queue, as they are due.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time;

use super::postman::Postman;
use crate::queue::embedded::Embedded;
use crate::queue::letter::Letter;

/// Delivers its replies.
pub(in crate::queue) struct Pump {
    pub(in crate::queue) queue: Embedded,
    pub(in crate::queue) postman: Arc<Postman>,
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
                    time::sleep(PAUSE).await;
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
                    // Its call may have been replayed, and have another reply by now.
                    pump.queue.letter_may_come();
                });
            }
            pump.queue.letter_came(next).await;
        }
    }

    async fn one(&self, letter: &Letter) {
        let body = || self.queue.letter_body(letter.origin(), letter.bytes);
        let end = self.postman.deliver(letter, body).await;
        while let Err(error) = self.queue.delivered(letter.origin(), end.clone()).await {
            tracing::debug!(%error, "how a delivery went waits to be written");
            time::sleep(PAUSE).await;
        }
    }
}

/// Deliveries at once.
const AT_ONCE: usize = 64;
const PAUSE: Duration = Duration::from_millis(500);
