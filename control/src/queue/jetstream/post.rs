//! Replies that are to be delivered, one message each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, pull};
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::{AckKind, Message};
use bytes::Bytes;
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::time;

use super::ledger::Change;
use super::message;
use super::options::unless_anew;
use super::store::{JetStream, Shared, pieces};
use super::streams::{ANEW, failed};
use crate::queue::QueueError;
use crate::queue::callback::{Postman, Turns};
use crate::queue::job::{Delivery, Millis};
use crate::queue::letter::{DeliveryEnd, Letter};
use crate::supervise::once;

impl JetStream {
    /// Delivers until it is told to stop.
    pub(in crate::queue) async fn deliver(
        &self,
        postman: &Arc<Postman>,
        turns: &Arc<Mutex<Turns>>,
        stopping: &AtomicBool,
    ) {
        while !stopping.load(Ordering::Relaxed) {
            if !self.shared.is_connected() {
                time::sleep(LOOK).await;
                continue;
            }
            if let Err(error) = self.deliver_some(postman, turns, stopping).await {
                tracing::debug!(%error, "replies to be delivered cannot be read");
                time::sleep(PAUSE).await;
            }
        }
    }

    async fn deliver_some(
        &self,
        postman: &Arc<Postman>,
        turns: &Arc<Mutex<Turns>>,
        stopping: &AtomicBool,
    ) -> Result<(), QueueError> {
        let consumer = consumer(&self.shared).await?;
        while !stopping.load(Ordering::Relaxed) {
            if turns.lock().is_full() {
                time::sleep(SOON).await;
                continue;
            }
            let mut changes = self.shared.heard.changes();
            let batch = consumer.batch().max_messages(1).expires(LONG);
            let mut batch = batch.messages().await.map_err(failed)?;
            let until = time::Instant::now() + LONG + LONG;
            while time::Instant::now() < until && !stopping.load(Ordering::Relaxed) {
                let next = unless_anew(&mut changes, time::timeout(LOOK, batch.next())).await;
                let Ok(next) = next.ok_or_else(|| failed(ANEW))? else {
                    continue;
                };
                if let Some(message) = next.transpose().map_err(failed)? {
                    let (shared, postman) = (Arc::clone(&self.shared), Arc::clone(postman));
                    let delivery = one(shared, postman, message, Arc::clone(turns));
                    // After a panic its message comes again.
                    tokio::spawn(once("a delivery", delivery));
                }
                break;
            }
        }
        Ok(())
    }
}

/// A letter's place, until it is dropped.
struct Turn {
    turns: Arc<Mutex<Turns>>,
    letter: Letter,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.lock().leave(&self.letter);
    }
}

async fn one(
    shared: Arc<Shared>,
    postman: Arc<Postman>,
    message: Message,
    turns: Arc<Mutex<Turns>>,
) {
    let (number, again) = message
        .info()
        .map_or((0, 0), |info| (info.stream_sequence, info.delivered - 1));
    let (message, acker) = message.split();
    let (headers, body) = (message.headers.unwrap_or_default(), message.payload);
    let again = u32::try_from(again).unwrap_or(u32::MAX);
    let mut letter = match message::read_letter(&headers, again, body.len() as u64) {
        Ok(letter) => letter,
        Err(why) => {
            tracing::error!("a message is no reply: {why}");
            let _ = acker.ack_with(AckKind::Term).await;
            return;
        }
    };
    // A place is the message's, as one call may have two letters.
    let place = Letter {
        seq: i64::try_from(number).unwrap_or_default(),
        ..letter.clone()
    };
    if !turns.lock().take(place.seq, &place.url, &place.function) {
        // The longer it has waited, the less often it is looked at: others must get through.
        let later = CROWDED_WAIT.saturating_mul(again.saturating_add(1));
        let later = AckKind::Nak(Some(later.min(CROWDED_WAIT_MAX)));
        let _ = acker.ack_with(later).await;
        return;
    }
    let turn = Turn {
        turns,
        letter: place,
    };
    if again > 0 {
        letter.tried = tried(&shared, &letter).await.unwrap_or(again);
    }
    let beat = shared.options.ack_wait / 3;
    let end = {
        let delivering = postman.deliver(&letter, || pieces(Bytes::clone(&body)));
        let mut delivering = std::pin::pin!(delivering);
        loop {
            tokio::select! {
                end = &mut delivering => break end,
                () = time::sleep(beat) => {
                    let _ = acker.ack_with(AckKind::Progress).await;
                }
            }
        }
    };
    // Unwritten, it is told by the log alone.
    if let Err(error) = write(&shared, &letter, &end).await {
        tracing::warn!(%error, job_id = %letter.id, "how a delivery went is not written");
    }
    settle(&acker, &end).await;
    drop(turn);
}

/// Attempts at a delivery, as its call's record has them: a message also comes again because there
/// was no place for it.
async fn tried(shared: &Shared, letter: &Letter) -> Option<u32> {
    let record = shared.entry(letter.id).await.ok()??.record;
    let is_its = letter.seq == 0 || record.message == letter.seq.unsigned_abs();
    record.job.callback.filter(|_| is_its).map(|c| c.attempts)
}

async fn settle(acker: &Acker, end: &DeliveryEnd) {
    let kind = match end.delivery {
        Delivery::Pending => AckKind::Nak(Some(Millis::now().until(end.due))),
        _ => AckKind::Ack,
    };
    // Unheard, it is delivered again: at least once.
    let _ = acker.ack_with(kind).await;
}

/// Writes how it went into the call's record, as far as that is still there.
async fn write(shared: &Shared, letter: &Letter, end: &DeliveryEnd) -> Result<(), QueueError> {
    for _ in 0..TRIES {
        let Some(mut entry) = shared.entry(letter.id).await? else {
            return Ok(());
        };
        // A call that was replayed is another message; letters of older versions name none.
        if letter.seq != 0 && entry.record.message != letter.seq.unsigned_abs() {
            return Ok(());
        }
        let is_over = entry.record.is_over();
        let Some(callback) = &mut entry.record.job.callback else {
            return Ok(());
        };
        callback.delivery = Some(end.delivery);
        callback.attempts = letter.tried.saturating_add(1);
        callback.status = end.status;
        callback.error.clone_from(&end.error);
        callback.due = (end.delivery == Delivery::Pending).then_some(end.due);
        let keep = shared.keep_of(&entry.record);
        if !is_over {
            // Whoever ran the call has not written its end yet, and will keep this.
            time::sleep(SOON).await;
        }
        if let Change::Written(_) = shared.write(&entry.record, entry.revision, keep).await? {
            return Ok(());
        }
    }
    Ok(())
}

async fn consumer(shared: &Shared) -> Result<Consumer<pull::Config>, QueueError> {
    let config = pull::Config {
        durable_name: Some("deliveries".to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: shared.options.ack_wait,
        max_ack_pending: -1,
        ..pull::Config::default()
    };
    let made = shared.streams.callbacks.create_consumer(config).await;
    made.map_err(failed)
}

/// A letter whose receiver or function has no place waits, longer each time.
const CROWDED_WAIT: Duration = Duration::from_secs(1);
const CROWDED_WAIT_MAX: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_secs(1);
/// Changes by others that are waited for.
const TRIES: u32 = 10;
const SOON: Duration = Duration::from_millis(20);
