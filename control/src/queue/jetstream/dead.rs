//! Dead letters: whole calls in a stream of their own, until they are replayed or purged.

use async_nats::header::NATS_MESSAGE_ID;
use bytes::Bytes;

use super::claim::Call;
use super::ledger::{Change, Record};
use super::message;
use super::names::lane_of;
use super::store::Shared;
use super::streams::{Stored, Unpublished, failed, scan};
use crate::queue::QueueError;
use crate::queue::front::Which;

impl Shared {
    /// Puts a call there; the same again changes nothing.
    pub(super) async fn bury(&self, call: &Call, mark: &str) -> Result<(), QueueError> {
        let mut headers = message::call(&call.call, call.asked.as_ref());
        headers.insert(NATS_MESSAGE_ID, format!("{mark}.dead"));
        let subject = self.names.dead(&call.call.function, call.call.id);
        let buried = self
            .streams
            .publish(subject, headers, call.body.clone())
            .await;
        match buried {
            // A message of another publisher, that has grown by being written anew.
            Err(Unpublished::TooLarge) => {
                tracing::error!(job_id = %call.call.id, "a dead letter is too large to be kept");
                Ok(())
            }
            other => Ok(other.map(|_| ())?),
        }
    }

    /// Queues dead calls again, with all their attempts; how many.
    pub(super) async fn replay(&self, which: Which) -> Result<u64, QueueError> {
        let (subjects, mut from, mut count) = (self.subjects(&which), 0, 0);
        loop {
            let stream = &self.streams.dead;
            let found = scan(stream, subjects.clone(), from, BODIES_AT_ONCE, false).await?;
            for stored in &found {
                count += u64::from(self.raise(stored).await?);
            }
            match found.last() {
                Some(stored) if found.len() == BODIES_AT_ONCE => from = stored.seq + 1,
                _ => return Ok(count),
            }
        }
    }

    /// Queues one again; whether it was there.
    async fn raise(&self, stored: &Stored) -> Result<bool, QueueError> {
        let Ok((call, asked)) = message::read_call(&stored.headers) else {
            tracing::warn!(
                subject = stored.subject,
                "a dead letter cannot be understood"
            );
            return Ok(false);
        };
        // The record first: a worker leaves a call alone whose record says that it is dead.
        let record = Record::new(&call, stored.body.len() as u64, 0);
        loop {
            let revision = self.entry(call.id).await?.map_or(0, |entry| entry.revision);
            if let Change::Written(_) = self.write(&record, revision, None).await? {
                break;
            }
        }
        let asked = self.board.queueing(&call.function).or(asked);
        let mut headers = message::call(&call, asked.as_ref());
        headers.insert(NATS_MESSAGE_ID, format!("{}.{}.again", call.id, stored.seq));
        let lane = lane_of(&call.function, asked.is_some());
        let body = Bytes::clone(&stored.body);
        self.streams
            .publish(self.names.lane(&lane), headers, body)
            .await?;
        let gone = self.streams.dead.delete_message(stored.seq).await;
        gone.map_err(failed)?;
        self.tell(&lane).await;
        Ok(true)
    }

    /// Forgets dead calls; how many.
    pub(super) async fn purge(&self, which: Which) -> Result<u64, QueueError> {
        let (subjects, mut from, mut count) = (self.subjects(&which), 0, 0);
        loop {
            let stream = &self.streams.dead;
            let found = scan(stream, subjects.clone(), from, HEADERS_AT_ONCE, true).await?;
            for stored in &found {
                let gone = stream.delete_message(stored.seq).await;
                count += u64::from(gone.map_err(failed)?);
                if let Ok((call, _)) = message::read_call(&stored.headers) {
                    let record = self.names.job(call.id);
                    let gone = self.streams.jobs.purge().filter(record).await;
                    gone.map_err(failed)?;
                }
            }
            match found.last() {
                Some(stored) if found.len() == HEADERS_AT_ONCE => from = stored.seq + 1,
                _ => return Ok(count),
            }
        }
    }

    fn subjects(&self, which: &Which) -> String {
        match which {
            Which::One(id) => self.names.dead_ones(None, Some(*id)),
            Which::All(function) => self.names.dead_ones(function.as_deref(), None),
        }
    }
}

/// Whole calls held in memory at once.
const BODIES_AT_ONCE: usize = 16;
const HEADERS_AT_ONCE: usize = 500;
