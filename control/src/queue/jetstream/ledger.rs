//! How calls stand: one record each, which changes only from what it was when it was read, so that
//! whoever cancels, runs or replays a call knows what the others did.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_TTL};
use serde::{Deserialize, Serialize};

use super::store::Shared;
use super::streams::{ANEW, Streams, Unpublished, failed, last};
use crate::queue::QueueError;
use crate::queue::job::{Call, CallbackStanding, Job, JobId, Millis, State};

/// How a call stands, and what the queue has to know besides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    #[serde(flatten)]
    pub(super) job: Job,
    /// Number of its message among the calls; 0: it is not known yet.
    pub(super) message: u64,
}

/// A record and its number, by which it can be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) record: Record,
    pub(super) revision: u64,
}

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is written, under this number.
    Written(u64),
    /// Somebody changed it meanwhile; nothing is written.
    Overtaken,
}

impl Record {
    /// Of a call that arrived.
    pub(super) fn new(call: &Call, body_bytes: u64, message: u64) -> Self {
        let callback = call.callback.as_ref().map(|url| CallbackStanding {
            url: url.clone(),
            delivery: None,
            attempts: 0,
            status: None,
            error: None,
            due: None,
        });
        Self {
            job: Job {
                id: call.id,
                function: call.function.clone(),
                call_id: call.call_id.clone(),
                state: State::Queued,
                attempts: 0,
                status: None,
                error: None,
                queued_at: call.queued_at,
                started_at: None,
                due: call.queued_at,
                body_bytes,
                callback,
                reply: None,
            },
            message,
        }
    }

    /// Whether its call is not to be run any more.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.job.state, State::Done | State::Dead | State::Cancelled)
    }

    /// Ended by a client.
    pub(super) fn cancelled(mut self) -> Self {
        self.job.state = State::Cancelled;
        self.job.due = Millis::now();
        self
    }
}

impl Shared {
    /// How a call stands; `None` when nothing is known of it.
    pub(super) async fn entry(&self, id: JobId) -> Result<Option<Entry>, QueueError> {
        let found = last(&self.streams.jobs, self.names.job(id));
        let found = self.heard.unless_anew(found).await;
        let Some(found) = found.unwrap_or_else(|| Err(failed(ANEW)))? else {
            return Ok(None);
        };
        let record = serde_json::from_slice(&found.body)
            .map_err(|error| QueueError::Failed(format!("the record of {id}: {error}")))?;
        Ok(Some(Entry {
            record,
            revision: found.seq,
        }))
    }

    /// Writes a record in place of the one with number `revision`; 0: of none. With `keep` it is
    /// forgotten after that time.
    pub(super) async fn write(
        &self,
        record: &Record,
        revision: u64,
        keep: Option<Duration>,
    ) -> Result<Change, QueueError> {
        put(
            &self.streams,
            self.names.job(record.job.id),
            record,
            revision,
            keep,
        )
        .await
    }

    /// How long the record of a call that is over is kept: dead ones until they are purged.
    pub(super) fn keep_of(&self, record: &Record) -> Option<Duration> {
        match record.job.state {
            State::Done | State::Cancelled => Some(self.limits.keep),
            _ => None,
        }
    }
}

/// A time to live: whole seconds, at least one.
pub(super) fn seconds(keep: Duration) -> String {
    keep.as_secs().max(1).to_string()
}

async fn put(
    streams: &Streams,
    subject: String,
    record: &Record,
    revision: u64,
    keep: Option<Duration>,
) -> Result<Change, QueueError> {
    let text = serde_json::to_vec(record).map_err(|error| QueueError::Failed(error.to_string()))?;
    let mut headers = HeaderMap::new();
    headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string());
    if let Some(keep) = keep {
        headers.insert(NATS_MESSAGE_TTL, seconds(keep));
    }
    match streams.publish(subject, headers, text.into()).await {
        Ok(number) => Ok(Change::Written(number)),
        Err(Unpublished::Overtaken) => Ok(Change::Overtaken),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back() {
        let call = Call {
            id: JobId::from_bytes([3; 16]),
            function: "cat.fn".into(),
            name: "cat".into(),
            call_id: String::new(),
            target: String::new(),
            headers: Vec::new(),
            callback: Some("http://a/".into()),
            store: true,
            queued_at: Millis(5),
        };
        let record = Record::new(&call, 3, 9);
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.contains(&call.id.to_string()), "{text}");
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
        assert!(!record.is_over() && record.cancelled().is_over());
    }
}
