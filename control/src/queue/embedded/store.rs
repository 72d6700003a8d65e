//! The embedded queue as its callers see it.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use dashmap::DashMap;
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{Notify, oneshot};

use super::questions;
use super::reader::Readers;
use super::records::{self, Raised};
use super::schedule::Schedule;
use super::schema::Whose;
use super::writer::Writer;
use crate::queue::front::{Asking, Cancelled, Depths, Filter, Page, Pieces, Place, Queue, Which};
use crate::queue::job::{Call, Job, JobId, Millis, State};
use crate::queue::{Limits, QueueError};

/// The queue; clones share it.
#[derive(Clone)]
pub(in crate::queue) struct Embedded {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) writer: Writer,
    pub(super) readers: Readers,
    pub(super) schedule: Mutex<Schedule>,
    /// Calls that run.
    pub(super) active: DashMap<i64, Active>,
    /// Number of the next call.
    pub(super) next: AtomicI64,
    pub(super) counters: Counters,
    /// There may be a call to run.
    pub(super) wake: Notify,
    /// There may be a reply to deliver.
    pub(super) letters: Notify,
    pub(super) limits: Limits,
    /// Where the database is.
    pub(super) folder: PathBuf,
    /// Held for this process alone.
    pub(super) _lock: File,
}

/// A call that runs.
pub(super) struct Active {
    pub(super) since: Millis,
    /// Ends it; taken by the cancellation.
    pub(super) cut: Option<oneshot::Sender<()>>,
}

/// What the database holds, counted as it is committed.
pub(super) struct Counters {
    pub(super) dead: AtomicU64,
    /// Done and cancelled ones.
    pub(super) finished: AtomicU64,
    /// Replies to be delivered.
    pub(super) callbacks: AtomicU64,
    /// Bytes of kept replies.
    pub(super) kept_bytes: AtomicU64,
    /// When the oldest call came that is not done, as last looked; 0: there is none.
    pub(super) oldest: AtomicI64,
}

impl Counters {
    /// Dead calls are queued again, or gone: what was kept of them is gone.
    fn raised(&self, raised: &[Raised]) {
        less(&self.dead, raised.len() as u64);
        less(&self.kept_bytes, raised.iter().map(|call| call.kept).sum());
        let letters = raised.iter().filter(|call| call.callback).count();
        less(&self.callbacks, letters as u64);
    }
}

/// Takes away, but not below 0.
pub(super) fn less(counter: &AtomicU64, by: u64) {
    let _ = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
        Some(n.saturating_sub(by))
    });
}

pub(super) fn more(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

impl Queue for Embedded {
    fn enqueue(&self, call: Call, body: Pieces) -> Asking<'_, ()> {
        Box::pin(self.shared.take_in(call, body))
    }

    fn job(&self, id: JobId) -> Asking<'_, Option<Job>> {
        Box::pin(async move {
            let found = self.shared.readers.ask(move |at| questions::job(at, id));
            let found = found.await?;
            Ok(found.map(|(seq, job)| self.shared.as_it_stands(seq, job)))
        })
    }

    fn reply(&self, id: JobId) -> Asking<'_, Option<Pieces>> {
        Box::pin(async move {
            let found = self.shared.readers.ask(move |at| questions::job(at, id));
            let Some((
                seq,
                Job {
                    reply: Some(reply), ..
                },
            )) = found.await?
            else {
                return Ok(None);
            };
            let readers = self.shared.readers.clone();
            let read =
                move |at: &Connection, number| questions::part(at, seq, Whose::Reply, number);
            Ok(Some(pieces(readers, reply.bytes, None, read)))
        })
    }

    fn list(&self, filter: Filter) -> Asking<'_, Page> {
        Box::pin(async move {
            if filter.state == Some(State::Running) {
                return self.shared.list_running(filter).await;
            }
            let wanted = filter.state;
            let found = self
                .shared
                .readers
                .ask(move |at| questions::list(at, &filter));
            let (seqs, page) = found.await?;
            let jobs = seqs.into_iter().zip(page.jobs);
            let jobs = jobs.map(|(seq, job)| self.shared.as_it_stands(seq, job));
            // What runs by now is not in the state that was asked for.
            let jobs = jobs.filter(|job| wanted.is_none_or(|state| job.state == state));
            Ok(Page {
                jobs: jobs.collect(),
                next: page.next,
            })
        })
    }

    fn cancel(&self, id: JobId) -> Asking<'_, Cancelled> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let committed = Arc::clone(&shared);
            let write = shared.writer.write(
                move |to| records::cancel(to, id),
                move |(_, pending)| {
                    if let Some((seq, function)) = pending {
                        committed.schedule.lock().cancelled(function);
                        more(&committed.counters.finished, 1);
                        let active = committed.active.get_mut(seq);
                        if let Some(cut) = active.and_then(|mut active| active.cut.take()) {
                            // An attempt that has just ended is not in need of it.
                            let _ = cut.send(());
                        }
                    }
                },
            );
            Ok(write.await?.0)
        })
    }

    fn replay(&self, which: Which) -> Asking<'_, u64> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let mut sum = 0;
            loop {
                let committed = Arc::clone(&shared);
                let which = which.clone();
                let write = shared.writer.write(
                    move |to| records::replay(to, &which, AT_ONCE),
                    move |raised| {
                        let mut schedule = committed.schedule.lock();
                        for call in raised {
                            schedule.arrived(&call.function, call.seq);
                        }
                        committed.counters.raised(raised);
                        committed.wake.notify_one();
                    },
                );
                let count = write.await?.len() as u64;
                sum += count;
                if count < AT_ONCE {
                    return Ok(sum);
                }
            }
        })
    }

    fn purge(&self, which: Which) -> Asking<'_, u64> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let mut sum = 0;
            loop {
                let committed = Arc::clone(&shared);
                let which = which.clone();
                let write = shared.writer.write(
                    move |to| records::purge(to, &which, AT_ONCE),
                    move |gone| committed.counters.raised(gone),
                );
                let count = write.await?.len() as u64;
                sum += count;
                if count < AT_ONCE {
                    return Ok(sum);
                }
            }
        })
    }

    fn depths(&self) -> Depths {
        let counters = &self.shared.counters;
        let oldest = Millis(counters.oldest.load(Ordering::Relaxed));
        let functions = self.shared.schedule.lock().depths();
        let age = Millis::now().0.saturating_sub(oldest.0).max(0) as f64 / 1_000.0;
        let none = oldest.0 == 0 || functions.is_empty();
        Depths {
            functions,
            is_open: !self.shared.writer.is_failing() && self.shared.check_room(0).is_ok(),
            dead: counters.dead.load(Ordering::Relaxed),
            callbacks: counters.callbacks.load(Ordering::Relaxed),
            oldest_seconds: if none { 0.0 } else { age },
        }
    }
}

impl Shared {
    /// What the store does not know: whether it runs.
    fn as_it_stands(&self, seq: i64, mut job: Job) -> Job {
        let pending = matches!(job.state, State::Queued | State::Waiting);
        if let Some(active) = self.active.get(&seq).filter(|_| pending) {
            job.state = State::Running;
            job.started_at = Some(active.since);
        }
        job
    }

    async fn list_running(&self, filter: Filter) -> Result<Page, QueueError> {
        let mut seqs: Vec<i64> = self.active.iter().map(|active| *active.key()).collect();
        seqs.sort_unstable();
        let after = filter.after.map_or(i64::MIN, |place| place.seq);
        seqs.retain(|seq| *seq > after);
        let limit = filter.limit;
        let found = self.readers.ask(move |at| {
            let jobs = seqs.into_iter().map(|seq| questions::job_at(at, seq));
            let jobs: Vec<(i64, Job)> = jobs
                .filter_map(Result::transpose)
                .collect::<Result<_, _>>()?;
            Ok(jobs)
        });
        let mut jobs = found.await?;
        jobs.retain(|(_, job)| filter.function.as_ref().is_none_or(|f| *f == job.function));
        let more = jobs.len() > limit;
        jobs.truncate(limit);
        let next = jobs.last().filter(|_| more).map(|(seq, _)| Place {
            state: State::Running.number(),
            due: 0,
            seq: *seq,
        });
        let jobs = jobs
            .into_iter()
            .map(|(seq, job)| self.as_it_stands(seq, job));
        Ok(Page {
            jobs: jobs.filter(|job| job.state == State::Running).collect(),
            next,
        })
    }
}

/// A body as it is stored; `read` reads its parts one by one, `first` is the first one when it is
/// known.
pub(super) fn pieces<R>(readers: Readers, bytes: u64, first: Option<Vec<u8>>, read: R) -> Pieces
where
    R: Fn(&Connection, i64) -> rusqlite::Result<Option<Vec<u8>>> + Copy + Send + 'static,
{
    let begin = (readers, 0, bytes, first);
    Box::pin(futures_util::stream::try_unfold(
        begin,
        move |(readers, number, left, first)| async move {
            if left == 0 {
                return Ok(None);
            }
            let part = match first {
                Some(part) => Some(part),
                None => {
                    let asked = readers.ask(move |at| read(at, number));
                    asked.await.map_err(std::io::Error::other)?
                }
            };
            // Cancelled, replayed or swept away while it was read.
            let part = part.ok_or(std::io::ErrorKind::UnexpectedEof)?;
            let left = left.saturating_sub(part.len() as u64);
            Ok(Some((part.into(), (readers, number + 1, left, None))))
        },
    ))
}

/// Dead calls written in one transaction: others wait while it runs.
const AT_ONCE: u64 = 200;
