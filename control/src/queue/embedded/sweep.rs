//! What ended is forgotten after a while: by age, by number, and by the bytes of kept replies.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use tokio::time;

use super::questions;
use super::records::{self, Swept};
use super::room;
use super::store::{Embedded, less};
use crate::queue::QueueError;
use crate::queue::job::Millis;

impl Embedded {
    /// Sweeps for ever.
    pub(in crate::queue) async fn sweep(&self) {
        loop {
            time::sleep(EVERY).await;
            if let Err(error) = self.sweep_once().await {
                tracing::debug!(%error, "the queue could not be swept");
            }
            if room::check(&self.shared.folder, 0).is_err()
                && let Err(error) = self.make_room().await
            {
                tracing::debug!(%error, "no room could be made");
            }
            let oldest = self.shared.readers.ask(questions::oldest).await;
            if let Ok(oldest) = oldest {
                let oldest = oldest.map_or(0, |at| at.0);
                self.shared.counters.oldest.store(oldest, Ordering::Relaxed);
            }
        }
    }

    /// Gives the disk back what the files have and do not need: empty pages, and the log.
    pub(super) async fn make_room(&self) -> Result<(), QueueError> {
        let shared = &self.shared;
        let give = |to: &Connection| give_back(to);
        shared.writer.write(give, |()| {}).await?;
        // Not inside a transaction, hence not the writer's.
        let empty =
            |at: &Connection| at.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        shared.readers.ask(empty).await
    }

    async fn sweep_once(&self) -> Result<(), QueueError> {
        let counters = &self.shared.counters;
        loop {
            let limits = &self.shared.limits;
            let before = Millis::now().before(limits.keep);
            let finished = counters.finished.load(Ordering::Relaxed);
            if finished == 0 {
                return Ok(());
            }
            let mut excess = finished.saturating_sub(limits.keep_max);
            if counters.kept_bytes.load(Ordering::Relaxed) > KEPT_BYTES_MAX {
                excess = excess.max(AT_ONCE / 10);
            }
            let committed = Arc::clone(&self.shared);
            let write = self.shared.writer.write(
                move |to| {
                    let swept = records::sweep(to, before, excess, AT_ONCE)?;
                    shrink(to)?;
                    Ok(swept)
                },
                move |swept: &Swept| {
                    less(&committed.counters.finished, swept.calls);
                    less(&committed.counters.kept_bytes, swept.bytes);
                },
            );
            if write.await?.calls < AT_ONCE {
                return Ok(());
            }
        }
    }
}

/// Gives pages back to the file system when most of a big file is empty.
fn shrink(to: &Connection) -> rusqlite::Result<()> {
    let number = |name: &str| -> rusqlite::Result<i64> {
        to.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
    };
    let free = number("freelist_count")?;
    if free < FREE_PAGES_MIN || free < number("page_count")? / 2 {
        return Ok(());
    }
    give_back(to)
}

fn give_back(to: &Connection) -> rusqlite::Result<()> {
    // A page for each step: one step alone frees only the first.
    let mut vacuum = to.prepare(&format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})"))?;
    let mut steps = vacuum.query([])?;
    while steps.next()?.is_some() {}
    Ok(())
}

const EVERY: Duration = Duration::from_secs(1);
/// Calls forgotten in one transaction: others wait while it runs.
const AT_ONCE: u64 = 500;
/// Kept replies take no more of the disk than this, however many calls they are of.
const KEPT_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// 256 MiB: less is better used again than given back.
const FREE_PAGES_MIN: i64 = 65_536;
const PAGES_AT_ONCE: u32 = 2_048;
