//! The start of the embedded queue: lock, database, what a crash left, counters.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};

use dashmap::DashMap;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::lock::lock;
use super::questions::opening;
use super::reader::Readers;
use super::records::abandon_all;
use super::schedule::Schedule;
use super::schema::open_writer;
use super::store::{Counters, Embedded, Shared};
use super::writer::Writer;
use crate::queue::Limits;

impl Embedded {
    /// Opens the queue in `folder`. Waits for the disk.
    ///
    /// # Errors
    /// A text for the operator.
    pub(in crate::queue) fn open(folder: &Path, limits: Limits) -> Result<Self, String> {
        let lock = lock(folder)?;
        let path = folder.join("calls.db");
        let connection = open_writer(&path)?;
        let failed = |error: rusqlite::Error| format!("{}: {error}", path.display());
        abandon_all(&connection).map_err(failed)?;
        let opening = opening(&connection).map_err(failed)?;
        let writer = Writer::start(connection).map_err(|error| error.to_string())?;
        let shared = Shared {
            writer,
            readers: Readers::new(path),
            schedule: Mutex::new(Schedule::new(&opening.pending)),
            active: DashMap::new(),
            next: AtomicI64::new(opening.next),
            counters: Counters {
                dead: AtomicU64::new(opening.dead),
                finished: AtomicU64::new(opening.finished),
                callbacks: AtomicU64::new(opening.callbacks),
                kept_bytes: AtomicU64::new(opening.kept_bytes),
                oldest: AtomicI64::new(0),
            },
            wake: Notify::new(),
            letters: Notify::new(),
            limits,
            folder: folder.to_owned(),
            _lock: lock,
        };
        let pending: u64 = opening.pending.iter().map(|(_, n)| n).sum();
        tracing::info!(
            folder = %folder.display(),
            pending,
            dead = opening.dead,
            "the queue of asynchronous calls is open"
        );
        Ok(Self {
            shared: Arc::new(shared),
        })
    }
}
