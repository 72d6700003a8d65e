//! What can be asked about many calls: how full the queue is, and lists.
//!
//! JetStream has no index but a subject, so a list goes through the records in the order of their
//! last changes, a bounded number of them per page.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use futures_util::future::try_join_all;

use super::ledger::Record;
use super::message;
use super::names;
use super::store::Shared;
use super::streams::{Stored, failed, scan};
use crate::publish::UNKNOWN;
use crate::queue::QueueError;
use crate::queue::front::{Depths, Filter, Page, Place};
use crate::queue::job::{Job, Millis, State};

impl Shared {
    /// Looks how full the queue is, and has lanes opened for what waits.
    pub(super) async fn survey(&self) -> Result<(), QueueError> {
        let streams = &self.streams;
        let info = streams.calls.info_builder().subjects(">").fetch().await;
        let mut info = info.map_err(failed)?;
        let first = info.info.state.first_timestamp.unix_timestamp_nanos() / 1_000_000;
        let is_empty = info.info.state.messages == 0;
        let mut functions = BTreeMap::<String, u64>::new();
        while let Some((subject, count)) = info.try_next().await.map_err(failed)? {
            let Some(lane) = self.names.token(&subject) else {
                continue;
            };
            let function = names::function(&lane).unwrap_or_else(|| UNKNOWN.to_owned());
            *functions.entry(function).or_default() += count as u64;
            if let Some(lanes) = self.lanes.get() {
                lanes.filled(&lane);
            }
        }
        let functions = functions.into_iter().map(|(name, count)| (name, count, 0));
        let dead = streams.dead.get_info().await.map_err(failed)?;
        let callbacks = streams.callbacks.get_info().await.map_err(failed)?;
        let age = Millis::now().0 - i64::try_from(first).unwrap_or(i64::MAX);
        *self.depths.lock() = Depths {
            is_open: true,
            functions: functions.collect(),
            dead: dead.state.messages,
            callbacks: callbacks.state.messages,
            oldest_seconds: if is_empty {
                0.0
            } else {
                age.max(0) as f64 / 1_000.0
            },
        };
        Ok(())
    }

    /// Calls in the order of their last changes; a page has at most as many as were asked for,
    /// and may have fewer though there are more.
    pub(super) async fn list(&self, filter: Filter) -> Result<Page, QueueError> {
        let from = after(&filter);
        let found = scan(
            &self.streams.jobs,
            self.names.jobs(),
            from,
            LOOKED_AT,
            false,
        )
        .await?;
        let (looked_at, mut seen) = (found.len(), 0);
        let mut page = Page::default();
        for stored in found {
            seen += 1;
            page.next = Some(place(State::Queued, stored.seq));
            let record: Option<Record> = serde_json::from_slice(&stored.body).ok();
            // A record that is not to be understood is in no list.
            page.jobs
                .extend(record.map(|r| r.job).filter(|job| matches(job, &filter)));
            if page.jobs.len() == filter.limit {
                break;
            }
        }
        if seen == looked_at && looked_at < LOOKED_AT {
            page.next = None;
        }
        Ok(page)
    }

    /// Dead letters in the order of their deaths.
    pub(super) async fn list_dead(&self, filter: Filter) -> Result<Page, QueueError> {
        let subjects = self.names.dead_ones(filter.function.as_deref(), None);
        let from = after(&filter);
        let found = scan(&self.streams.dead, subjects, from, filter.limit, true).await?;
        let next = found.last().filter(|_| found.len() == filter.limit);
        let next = next.map(|stored| place(State::Dead, stored.seq));
        let mut jobs = Vec::new();
        for some in found.chunks(AT_ONCE) {
            let asked = some.iter().map(|stored| self.dead_job(stored));
            jobs.extend(try_join_all(asked).await?.into_iter().flatten());
        }
        Ok(Page { jobs, next })
    }

    /// How a dead call stands, also when its record is lost.
    async fn dead_job(&self, stored: &Stored) -> Result<Option<Job>, QueueError> {
        let Ok((call, _)) = message::read_call(&stored.headers) else {
            return Ok(None);
        };
        if let Some(entry) = self.entry(call.id).await? {
            return Ok(Some(entry.record.job));
        }
        let mut job = Record::new(&call, 0, 0).job;
        job.state = State::Dead;
        Ok(Some(job))
    }
}

fn after(filter: &Filter) -> u64 {
    let seq = filter.after.map_or(0, |place| place.seq);
    seq.max(0).unsigned_abs() + 1
}

fn place(state: State, seq: u64) -> Place {
    Place {
        state: state.number(),
        due: 0,
        seq: i64::try_from(seq).unwrap_or(i64::MAX),
    }
}

fn matches(job: &Job, filter: &Filter) -> bool {
    filter.state.is_none_or(|state| state == job.state)
        && filter.function.as_ref().is_none_or(|f| *f == job.function)
}

/// Records looked at for one page.
const LOOKED_AT: usize = 1_000;
/// Records asked for at once.
const AT_ONCE: usize = 16;
