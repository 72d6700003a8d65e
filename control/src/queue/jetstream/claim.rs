//! A call in the hands of this process: kept alive while it is, run once, and settled.

use std::sync::Arc;

use async_nats::HeaderMap;
use async_nats::header::{NATS_MESSAGE_ID, NATS_MESSAGE_TTL};
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::{AckKind, Message};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinHandle;
use tokio::time;

use super::active::Active;
use super::lanes::Place;
use super::ledger::{Change, Entry, Record, seconds};
use super::legacy;
use super::message::{self, JOB_ID};
use super::store::{Shared, pieces};
use super::streams::Unpublished;
use crate::name::Namespace;
use crate::queue::attempt::{Ended, Kept, Verdict, Work};
use crate::queue::front::Pieces;
use crate::queue::job::{Delivery, JobId, Millis, State, StoredReply};
use crate::queue::letter::Letter;
use crate::queue::{QueueError, Queueing, headers};
use crate::supervise::keep;

/// A call as it came.
pub(super) struct Call {
    pub(super) call: crate::queue::job::Call,
    /// What its function's annotations asked for when it was queued; `None`: it was not known.
    pub(super) asked: Option<Queueing>,
    pub(super) body: Bytes,
    /// Number of its message.
    pub(super) number: u64,
}

/// A call that is this attempt's alone, as far as anybody can say; it is given back when it is
/// dropped before it is settled.
pub(in crate::queue) struct Claim {
    shared: Arc<Shared>,
    call: Call,
    acker: Arc<Acker>,
    /// Resolves when the call is cancelled.
    pub(in crate::queue) cut: oneshot::Receiver<()>,
    /// Its record, since it runs.
    entry: Option<Entry>,
    /// How it stood before.
    before: (State, Option<Millis>),
    /// Parts of the reply but the last.
    reply: Vec<u8>,
    settled: bool,
    pulse: JoinHandle<()>,
    _place: Place,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Call {
    /// Reads a message of this program, or of a publisher of OpenFaaS.
    pub(super) fn read(message: &Message, namespace: &Namespace) -> Result<Self, String> {
        let info = message.info().map_err(|error| error.to_string())?;
        let number = info.stream_sequence;
        if let Some(headers) = &message.headers
            && headers.get(JOB_ID).is_some()
        {
            let (call, asked) = message::read_call(headers)?;
            return Ok(Self {
                call,
                asked,
                body: message.payload.clone(),
                number,
            });
        }
        // The same at each delivery, and no other message's.
        let at = info.published.unix_timestamp_nanos();
        let mut id = [0; 16];
        id[..8].copy_from_slice(&u64::try_from(at).unwrap_or_default().to_be_bytes());
        id[8..].copy_from_slice(&number.to_be_bytes());
        let queued_at = Millis(i64::try_from(at / 1_000_000).unwrap_or_default());
        let id = JobId::from_bytes(id);
        let (call, body) = legacy::read(&message.payload, id, queued_at, namespace)?;
        Ok(Self {
            call,
            asked: None,
            body: body.into(),
            number,
        })
    }
}

impl Claim {
    /// Keeps a message alive; `None` when its call runs here already, from an earlier delivery.
    pub(super) async fn new(
        shared: &Arc<Shared>,
        call: Call,
        message: Message,
        place: Place,
    ) -> Option<Self> {
        let (_, acker) = message.split();
        let acker = Arc::new(acker);
        let (cut, cuts) = oneshot::channel();
        let active = Active {
            function: call.call.function.clone(),
            cut: Some(cut),
            acker: Arc::clone(&acker),
        };
        let id = call.call.id;
        let is_known = {
            let entry = shared.active.entry(id);
            let is_known = matches!(entry, dashmap::Entry::Occupied(_));
            if !is_known {
                entry.insert(active);
            }
            is_known
        };
        if is_known {
            // Looked at again when that attempt may have ended.
            let later = AckKind::Nak(Some(shared.options.ack_wait));
            let _ = acker.ack_with(later).await;
            return None;
        }
        let (theirs, heard) = (Arc::clone(shared), Arc::clone(&acker));
        let beat = async move || pulse(&theirs, id, &heard).await;
        let pulse = tokio::spawn(keep("a call's pulse", beat));
        Some(Self {
            shared: Arc::clone(shared),
            call,
            acker,
            cut: cuts,
            entry: None,
            before: (State::Queued, None),
            reply: Vec::new(),
            settled: false,
            pulse,
            _place: place,
            _permit: None,
        })
    }

    /// With a place among all calls.
    pub(super) fn with(mut self, permit: Option<OwnedSemaphorePermit>) -> Self {
        self._permit = permit;
        self
    }

    /// The function, as `name.namespace`.
    pub(in crate::queue) fn function(&self) -> &str {
        &self.call.call.function
    }

    /// What its function's annotations asked for when it was queued.
    pub(in crate::queue) const fn asked(&self) -> Option<&Queueing> {
        self.call.asked.as_ref()
    }

    /// The call and its body, which runs from here on; `None` when it is not to be run.
    pub(in crate::queue) async fn load(&mut self) -> Result<Option<(Work, Pieces)>, QueueError> {
        let id = self.call.call.id;
        let size = self.call.body.len() as u64;
        loop {
            let (mut record, revision) = match self.shared.entry(id).await? {
                Some(entry) => (entry.record, entry.revision),
                None => (Record::new(&self.call.call, size, self.call.number), 0),
            };
            let now = Millis::now();
            if record.is_over() {
                // Cancelled, or run before, and only this was not written.
                self.finish().await;
                let keep = self.shared.keep_of(&record);
                if record.job.state == State::Cancelled {
                    self.shared.write(&record, revision, keep).await?;
                }
                return Ok(None);
            }
            if record.job.state == State::Waiting && record.job.due > now.after(EARLY) {
                self.again(record.job.due).await;
                return Ok(None);
            }
            let attempts = record.job.attempts;
            self.before = (record.job.state, record.job.started_at);
            record.job.state = State::Running;
            record.job.started_at = Some(now);
            record.message = self.call.number;
            if let Change::Written(revision) = self.shared.write(&record, revision, None).await? {
                self.entry = Some(Entry { record, revision });
                let work = Work {
                    call: self.call.call.clone(),
                    attempts,
                    body_bytes: size,
                };
                return Ok(Some((work, pieces(self.call.body.clone()))));
            }
        }
    }

    /// What may be kept of a reply: it has to fit into a message.
    pub(in crate::queue) fn reply_bytes_max(&self, most: u64) -> u64 {
        let room = self.shared.client.max_payload();
        most.min(room.saturating_sub(FIELDS_ROOM) as u64)
    }

    /// Keeps a part of the reply.
    pub(in crate::queue) fn keep(&mut self, bytes: &[u8]) {
        self.reply.extend_from_slice(bytes);
    }

    /// Has its record say again what it said before, and lets the call go to any worker.
    pub(in crate::queue) async fn give_back(mut self) {
        if let Some(Entry {
            mut record,
            revision,
        }) = self.entry.take()
        {
            (record.job.state, record.job.started_at) = self.before;
            // Unwritten, or changed by another, it is as after a crash of this worker.
            if let Err(error) = self.shared.write(&record, revision, None).await {
                tracing::debug!(%error, "that a call does not run is not written");
            }
        }
    }

    /// Writes how the attempt ended, and lets the call go.
    pub(in crate::queue) async fn settle(
        mut self,
        ended: Ended,
        verdict: Verdict,
        kept: Option<Kept>,
    ) -> Result<(), QueueError> {
        let kept = kept.map(|kept| {
            let mut body = std::mem::take(&mut self.reply);
            body.extend_from_slice(&kept.tail);
            (kept, Bytes::from(body))
        });
        // It ran, and says so as soon as NATS takes it: running it again is worse.
        while let Err(error) = self.try_settle(&ended, verdict, kept.as_ref()).await {
            tracing::debug!(%error, "a call's end waits to be written");
            time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn try_settle(
        &mut self,
        ended: &Ended,
        verdict: Verdict,
        kept: Option<&(Kept, Bytes)>,
    ) -> Result<(), QueueError> {
        // Not there only before it is loaded.
        let Some(mut entry) = self.entry.clone() else {
            return Ok(());
        };
        let is_last = !matches!(verdict, Verdict::Again { .. });
        let mark = format!(
            "{}.{}.{}",
            self.call.call.id, self.call.number, entry.record.job.attempts
        );
        if is_last {
            self.hand_over(&entry.record, ended, verdict, kept, &mark)
                .await?;
        }
        loop {
            let record = self.settled(&entry.record, ended, verdict, kept.map(|(kept, _)| kept));
            let keep = self.shared.keep_of(&record);
            match self.shared.write(&record, entry.revision, keep).await? {
                Change::Written(_) => break,
                Change::Overtaken => match self.shared.entry(self.call.call.id).await? {
                    // Cancelled, or done by another who was given it too.
                    Some(found) if found.record.is_over() => {
                        self.finish().await;
                        return Ok(());
                    }
                    // Written by this attempt, and only the word of it was lost.
                    Some(found) if found.record == record => break,
                    Some(found) => entry = found,
                    None => entry.revision = 0,
                },
            }
        }
        match verdict {
            Verdict::Again { due, .. } => self.again(due).await,
            Verdict::Done | Verdict::Dead => self.finish().await,
        }
        Ok(())
    }

    /// Brings what others need to where they find it: the letter, the result, the dead call.
    async fn hand_over(
        &self,
        record: &Record,
        ended: &Ended,
        verdict: Verdict,
        kept: Option<&(Kept, Bytes)>,
        mark: &str,
    ) -> Result<(), QueueError> {
        let (shared, call) = (&self.shared, &self.call);
        if verdict == Verdict::Dead {
            shared.bury(call, mark).await?;
        }
        if call.call.store
            && let Some((_, body)) = kept
        {
            let mut headers = HeaderMap::new();
            headers.insert(NATS_MESSAGE_ID, format!("{mark}.result"));
            headers.insert(NATS_MESSAGE_TTL, seconds(shared.limits.keep));
            let subject = shared.names.result(call.call.id);
            shared
                .streams
                .publish(subject, headers, body.clone())
                .await?;
        }
        if let Some(url) = &call.call.callback {
            let attempts = record.job.attempts.saturating_add(1);
            let letter = letter(call, url, ended, kept.map(|(kept, _)| kept), attempts);
            let body = kept.map(|(_, body)| body.clone()).unwrap_or_default();
            let mut headers = message::letter(&letter);
            headers.insert(NATS_MESSAGE_ID, format!("{mark}.letter"));
            let subject = shared.names.callbacks();
            let posted = shared.streams.publish(subject.clone(), headers, body).await;
            match posted {
                Err(Unpublished::TooLarge) => {
                    // Its fields alone are too many: the receiver hears how it went.
                    let bare = Letter {
                        headers: Vec::new(),
                        bytes: 0,
                        cut: true,
                        ..letter
                    };
                    let mut headers = message::letter(&bare);
                    headers.insert(NATS_MESSAGE_ID, format!("{mark}.letter"));
                    shared
                        .streams
                        .publish(subject, headers, Bytes::new())
                        .await?;
                }
                other => {
                    other?;
                }
            }
        }
        Ok(())
    }

    /// The record after the attempt.
    fn settled(
        &self,
        before: &Record,
        ended: &Ended,
        verdict: Verdict,
        kept: Option<&Kept>,
    ) -> Record {
        let mut record = before.clone();
        let job = &mut record.job;
        let now = Millis::now();
        (job.state, job.due) = match verdict {
            Verdict::Done => (State::Done, now),
            Verdict::Dead => (State::Dead, now),
            Verdict::Again { due, .. } => (State::Waiting, due),
        };
        if !matches!(verdict, Verdict::Again { counted: false, .. }) {
            job.attempts = job.attempts.saturating_add(1);
        }
        job.status = ended.status;
        job.error.clone_from(&ended.error);
        job.started_at = Some(ended.started_at);
        if !record.is_over() {
            return record;
        }
        let job = &mut record.job;
        if let Some(callback) = &mut job.callback
            && callback.delivery.is_none()
        {
            callback.delivery = Some(Delivery::Pending);
            callback.due = Some(now);
        }
        if self.call.call.store {
            job.reply = kept.map(|kept| StoredReply {
                status: kept.status,
                // What a result shows of its fields.
                headers: headers::lines(&headers::of_body(&headers::map(&kept.headers))),
                bytes: kept.bytes,
                cut: kept.cut,
            });
        }
        record
    }

    async fn finish(&mut self) {
        self.settled = true;
        // Unheard, it comes again, and its record says that it is over.
        let _ = self.acker.ack().await;
    }

    async fn again(&mut self, due: Millis) {
        self.settled = true;
        let wait = Millis::now().until(due);
        let _ = self.acker.ack_with(AckKind::Nak(Some(wait))).await;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.pulse.abort();
        self.shared.active.remove(&self.call.call.id);
        if self.settled {
            return;
        }
        let acker = Arc::clone(&self.acker);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // Unheard, it comes again after the silence.
                let _ = acker.ack_with(AckKind::Nak(None)).await;
            });
        }
    }
}

/// Says that a call is still being worked on, and looks whether it still is to be.
async fn pulse(shared: &Shared, id: JobId, acker: &Acker) {
    loop {
        time::sleep(shared.options.ack_wait / 3).await;
        let _ = acker.ack_with(AckKind::Progress).await;
        // The word of a cancellation may have been lost.
        if let Ok(Some(entry)) = shared.entry(id).await
            && entry.record.job.state == State::Cancelled
        {
            shared.cut(id);
        }
    }
}

fn letter(of: &Call, url: &str, ended: &Ended, kept: Option<&Kept>, attempts: u32) -> Letter {
    let call = &of.call;
    let waited = call.queued_at.until(ended.started_at);
    let took = (waited + ended.took).as_micros();
    Letter {
        seq: i64::try_from(of.number).unwrap_or_default(),
        id: call.id,
        call_id: call.call_id.clone(),
        function: call.function.clone(),
        name: call.name.clone(),
        url: url.to_owned(),
        tried: 0,
        since: Millis::now(),
        attempts,
        status: ended.status,
        took_micros: u64::try_from(took).unwrap_or(u64::MAX),
        headers: kept.map(|kept| kept.headers.clone()).unwrap_or_default(),
        bytes: kept.map_or(0, |kept| kept.bytes),
        cut: kept.is_some_and(|kept| kept.cut),
    }
}

/// Left for the headers of a kept reply's message.
const FIELDS_ROOM: usize = 16 * 1024;
/// A call that is due so soon is run at once.
const EARLY: time::Duration = time::Duration::from_millis(20);
const PAUSE: time::Duration = time::Duration::from_secs(1);
