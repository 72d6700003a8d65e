//! Deliveries of the embedded queue, as they are due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time;

use super::postman::Postman;
use super::turns::Turns;
use crate::queue::embedded::Embedded;
use crate::queue::letter::Letter;
use crate::supervise::once;

/// Delivers its replies.
pub(in crate::queue) struct Pump {
    pub(in crate::queue) queue: Embedded,
    pub(in crate::queue) postman: Arc<Postman>,
    pub(in crate::queue) stopping: Arc<AtomicBool>,
    /// Those under way: the queue names them as due until it is written how they went.
    pub(in crate::queue) turns: Arc<Mutex<Turns>>,
}

impl Pump {
    /// Delivers until it is told to stop; what is then under way is delivered again at the next
    /// start.
    pub(in crate::queue) async fn run(self: &Arc<Self>) {
        let (pump, turns) = (self, &self.turns);
        let mut from = None;
        while !pump.stopping.load(Ordering::Relaxed) {
            let free = turns.lock().clone();
            let found = match pump.queue.letters(free, from).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::error!(%error, "replies to be delivered cannot be read");
                    time::sleep(PAUSE).await;
                    continue;
                }
            };
            for letter in found.letters {
                // Places only come back meanwhile.
                if turns.lock().take(letter.seq, &letter.url, &letter.function) {
                    let pump = Arc::clone(pump);
                    tokio::spawn(async move {
                        if once("a delivery", pump.one(&letter)).await.is_none() {
                            // It is due at once, and may panic again.
                            time::sleep(PAUSE_BROKEN).await;
                        }
                        pump.turns.lock().leave(&letter);
                        // Its call may have been replayed, and have another reply by now.
                        pump.queue.letter_may_come();
                    });
                }
            }
            from = found.from;
            if from.is_some() && !turns.lock().is_full() {
                time::sleep(STEP).await;
            } else {
                pump.queue.letter_came(found.next).await;
            }
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

const PAUSE: Duration = Duration::from_millis(500);
/// Before a delivery that panicked.
const PAUSE_BROKEN: Duration = Duration::from_secs(10);
/// From one look behind a crowd to the next.
const STEP: Duration = Duration::from_millis(20);
