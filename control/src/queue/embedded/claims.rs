//! What the worker does with calls: claims them, reads them, settles them; and what is done with
//! the replies that are to be delivered.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::questions;
use super::records::{self, Moved};
use super::schedule::{Left, Picked};
use super::schema::{PARTS_MAX, Whose};
use super::store::{Active, Embedded, less, more, pieces};
use crate::queue::QueueError;
use crate::queue::attempt::{Ended, Kept, Verdict, Work};
use crate::queue::callback::Turns;
use crate::queue::front::Pieces;
use crate::queue::job::{Delivery, Millis, State};
use crate::queue::letter::{DeliveryEnd, Found, Origin};

/// A call that is this attempt's alone; it is let go when it is settled, or when this is dropped.
pub(in crate::queue) struct Claim {
    queue: Embedded,
    picked: Picked,
    /// Resolves when the call is cancelled.
    pub(in crate::queue) cut: oneshot::Receiver<()>,
    settled: bool,
}

impl Embedded {
    /// A call to run now, if there is one and fewer than `most` run.
    pub(in crate::queue) fn claim(
        &self,
        most: usize,
        limit: impl Fn(&str) -> usize,
    ) -> Option<Claim> {
        let mut schedule = self.shared.schedule.lock();
        while schedule.running() < most {
            let picked = schedule.pick(&limit)?;
            // Before it is read: a cancellation that comes between finds it here.
            let dashmap::Entry::Vacant(place) = self.shared.active.entry(picked.seq) else {
                // An attempt has it, and will say what became of it.
                tracing::error!(function = %picked.function, "a call that runs was to run again");
                schedule.ended(&picked, Left::Untouched);
                continue;
            };
            let (cut, cuts) = oneshot::channel();
            place.insert(Active {
                since: Millis::now(),
                cut: Some(cut),
            });
            drop(schedule);
            return Some(Claim {
                queue: self.clone(),
                picked,
                cut: cuts,
                settled: false,
            });
        }
        None
    }

    /// Asks the database for calls that may be run now; whether there was something to ask.
    pub(in crate::queue) async fn refill(&self) -> bool {
        let now = Millis::now();
        let wanted = self.shared.schedule.lock().wanted(now);
        let asked = !wanted.is_empty();
        for lane in wanted {
            let function = Arc::clone(&lane.function);
            let count = lane.count;
            let found = self.shared.readers.ask(move |at| {
                let queued = questions::due(at, &function, State::Queued, count)?;
                let waiting = questions::due(at, &function, State::Waiting, count)?;
                Ok([queued, waiting])
            });
            let found = found.await;
            if let Err(error) = &found {
                tracing::error!(%error, "the queue cannot be read");
                tokio::time::sleep(PAUSE).await;
            }
            let found = found.ok();
            self.shared.schedule.lock().fetched(&lane, found, now);
        }
        asked
    }

    /// Resolves when there may be a call to run.
    pub(in crate::queue) async fn woken(&self) {
        let alarm = self.shared.schedule.lock().alarm();
        let pause = alarm.map_or(LONG, |at| Millis::now().until(at)).min(LONG);
        let wake = self.shared.wake.notified();
        let _ = tokio::time::timeout(pause, wake).await;
    }

    /// Calls that run.
    pub(in crate::queue) fn running(&self) -> usize {
        self.shared.schedule.lock().running()
    }

    /// Tells that a function has too many calls, or took one.
    pub(in crate::queue) fn adapt(&self, function: &str, crowded: bool, limit: usize) {
        self.shared.schedule.lock().adapt(function, crowded, limit);
    }

    /// Replies whose delivery is due and for which there are turns, looked for from the first one
    /// on and behind `from`.
    pub(in crate::queue) async fn letters(
        &self,
        mut turns: Turns,
        from: Option<(Millis, i64)>,
    ) -> Result<Found, QueueError> {
        let now = Millis::now();
        self.shared
            .readers
            .ask(move |at| questions::letters(at, now, &mut turns, from))
            .await
    }

    /// There may be a reply to deliver.
    pub(in crate::queue) fn letter_may_come(&self) {
        self.shared.letters.notify_one();
    }

    /// Resolves when there may be a reply to deliver, at `next` at the latest.
    pub(in crate::queue) async fn letter_came(&self, next: Option<Millis>) {
        let pause = next.map_or(LONG, |at| Millis::now().until(at)).min(LONG);
        let _ = tokio::time::timeout(pause, self.shared.letters.notified()).await;
    }

    /// The body of a reply to be delivered; it breaks off when its call is replayed.
    pub(in crate::queue) fn letter_body(&self, of: Origin, bytes: u64) -> Pieces {
        let read = move |at: &rusqlite::Connection, number| questions::letter_part(at, of, number);
        pieces(self.shared.readers.clone(), bytes, None, read)
    }

    /// Writes how a delivery went, if its call has not been replayed meanwhile.
    pub(in crate::queue) async fn delivered(
        &self,
        of: Origin,
        end: DeliveryEnd,
    ) -> Result<(), QueueError> {
        let committed = Arc::clone(&self.shared);
        let over = end.delivery != Delivery::Pending;
        let write = self.shared.writer.write(
            move |to| records::delivered(to, of, &end),
            move |freed| {
                if let Some(freed) = freed {
                    less(&committed.counters.kept_bytes, *freed);
                    less(&committed.counters.callbacks, u64::from(over));
                }
                // There may be more than were read at once.
                committed.letters.notify_one();
            },
        );
        write.await.map(|_| ())
    }
}

impl Claim {
    /// The function, as `name.namespace`.
    pub(in crate::queue) fn function(&self) -> &str {
        &self.picked.function
    }

    /// The call and its body; `None` when it is not to be run after all.
    pub(in crate::queue) async fn load(&self) -> Result<Option<(Work, Pieces)>, QueueError> {
        let (seq, now) = (self.picked.seq, Millis::now());
        let readers = self.queue.shared.readers.clone();
        let found = readers.ask(move |at| questions::work(at, seq, now)).await?;
        Ok(found.map(|(work, first)| {
            let first = (!first.is_empty()).then_some(first);
            let read = move |at: &rusqlite::Connection, number| {
                questions::part(at, seq, Whose::Request, number)
            };
            let body = pieces(readers, work.body_bytes, first, read);
            (work, body)
        }))
    }

    /// Writes a part of the reply; a part of an attempt before is replaced.
    pub(in crate::queue) async fn keep(&self, part: i64, bytes: Vec<u8>) -> Result<(), QueueError> {
        debug_assert!(part < PARTS_MAX);
        let seq = self.picked.seq;
        let put =
            move |to: &rusqlite::Connection| records::put_part(to, seq, Whose::Reply, part, &bytes);
        self.queue.shared.writer.write(put, |()| {}).await
    }

    /// Writes how the attempt ended, and lets the call go. `kept` is the reply with the number of
    /// its last part.
    pub(in crate::queue) async fn settle(
        mut self,
        ended: Ended,
        verdict: Verdict,
        kept: Option<(Kept, i64)>,
    ) -> Result<(), QueueError> {
        let queue = self.queue.clone();
        let picked = self.picked.clone();
        let (ended, kept) = (Arc::new(ended), Arc::new(kept));
        loop {
            let (apply, commit) = (Arc::clone(&queue.shared), picked.clone());
            let (ended, kept) = (Arc::clone(&ended), Arc::clone(&kept));
            let seq = picked.seq;
            let write = queue.shared.writer.write(
                move |to| {
                    let kept = kept.as_ref().as_ref().map(|(kept, part)| (kept, *part));
                    records::settle(to, seq, &ended, verdict, kept)
                },
                move |moved| apply.settled(&commit, *moved, verdict),
            );
            match write.await {
                Ok(_) => {
                    self.settled = true;
                    return Ok(());
                }
                // It ran, and says so as soon as the disk takes it: running it again is worse.
                Err(error) => {
                    tracing::debug!(%error, "a call's end waits to be written");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// A call that was not run, for whatever reason, is looked for again: it may be to be run.
impl Drop for Claim {
    fn drop(&mut self) {
        if !self.settled {
            self.queue.shared.release(&self.picked, Left::Unread);
        }
    }
}

impl super::store::Shared {
    fn release(&self, picked: &Picked, left: Left) {
        self.active.remove(&picked.seq);
        self.schedule.lock().ended(picked, left);
        self.wake.notify_one();
    }

    /// On the writer's thread, after the commit.
    fn settled(&self, picked: &Picked, moved: Option<Moved>, verdict: Verdict) {
        let left = match (moved, verdict) {
            // Cancelled meanwhile, and counted then.
            (None, _) => Left::Untouched,
            (Some(_), Verdict::Again { due, .. }) => Left::Due(due),
            (Some(_), _) => Left::Ended,
        };
        if let Some(moved) = moved {
            match moved.state {
                State::Dead => more(&self.counters.dead, 1),
                State::Done => more(&self.counters.finished, 1),
                _ => {}
            }
            more(&self.counters.kept_bytes, moved.kept);
            if moved.callback {
                more(&self.counters.callbacks, 1);
                self.letters.notify_one();
            }
        }
        self.release(picked, left);
    }
}

/// Before the disk is tried again.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(1);
/// The longest wait without a look.
const LONG: std::time::Duration = std::time::Duration::from_secs(5);
