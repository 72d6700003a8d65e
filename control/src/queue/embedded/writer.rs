//! The one thread that writes: many orders per transaction, and nobody is told of success before
//! the commit that carries his order.
//!
//! While a commit waits for the disk the next orders gather, so the number of commits adapts to
//! the disk's speed and the load.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot};

use crate::queue::{QueueError, seldom, step_back};
use crate::supervise::caught;

/// The way to the thread.
#[derive(Clone)]
pub(super) struct Writer {
    orders: mpsc::Sender<Box<dyn Order>>,
    /// Whether the last commit failed.
    failing: Arc<AtomicBool>,
}

/// Something to write.
trait Order: Send {
    /// Writes it, inside a transaction.
    fn apply(&mut self, to: &Connection) -> rusqlite::Result<()>;

    /// Tells how the transaction ended.
    fn ended(self: Box<Self>, how: Result<(), QueueError>);
}

/// An order made of closures.
struct Closures<T, A, C> {
    apply: Option<A>,
    value: Option<T>,
    /// Runs after the commit, before the asker is told.
    committed: Option<C>,
    reply: oneshot::Sender<Result<T, QueueError>>,
}

impl Writer {
    /// Starts the thread; it ends when the last `Writer` is gone.
    pub(super) fn start(connection: Connection) -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel(ORDERS_MAX);
        let failing = Arc::<AtomicBool>::default();
        let fails = Arc::clone(&failing);
        thread::Builder::new()
            .name("queue-writer".to_owned())
            .spawn(move || {
                step_back();
                run(&connection, inbox, &fails);
            })?;
        Ok(Self { orders, failing })
    }

    /// Whether the last commit failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Writes, and waits for the commit; `committed` runs on the writer's thread after it.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        apply: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        committed: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, QueueError> {
        let (reply, answer) = oneshot::channel();
        let order = Closures {
            apply: Some(apply),
            value: None,
            committed: Some(committed),
            reply,
        };
        let gone = || QueueError::Failed("the writer has ended".to_owned());
        let sent = self.orders.send(Box::new(order)).await;
        sent.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl<T, A, C> Order for Closures<T, A, C>
where
    T: Send,
    A: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
    C: FnOnce(&T) + Send,
{
    fn apply(&mut self, to: &Connection) -> rusqlite::Result<()> {
        if let Some(apply) = self.apply.take() {
            self.value = Some(apply(to)?);
        }
        Ok(())
    }

    fn ended(self: Box<Self>, how: Result<(), QueueError>) {
        let answer = match (how, self.value) {
            (Ok(()), Some(value)) => {
                if let Some(committed) = self.committed {
                    committed(&value);
                }
                Ok(value)
            }
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(QueueError::Failed("the order was lost".to_owned())),
        };
        // An asker that left has what it asked for all the same.
        let _ = self.reply.send(answer);
    }
}

fn run(connection: &Connection, mut inbox: mpsc::Receiver<Box<dyn Order>>, failing: &AtomicBool) {
    let mut batch: Vec<Box<dyn Order>> = Vec::new();
    while let Some(first) = inbox.blocking_recv() {
        batch.push(first);
        while batch.len() < BATCH_MAX {
            match inbox.try_recv() {
                Ok(order) => batch.push(order),
                Err(_) => break,
            }
        }
        let how = caught("the queue's writer", || commit(connection, &mut batch));
        let how = how.unwrap_or_else(|| {
            roll_back(connection);
            Err(rusqlite::Error::InvalidQuery)
        });
        if let Err(error) = &how
            && seldom(&error.to_string())
        {
            tracing::error!(%error, "the queue cannot be written");
        }
        failing.store(how.is_err(), Ordering::Relaxed);
        let how = how.map_err(|error| failed(&error));
        for order in batch.drain(..) {
            let how = how.clone();
            caught("the queue's writer", || order.ended(how));
        }
    }
}

fn failed(error: &rusqlite::Error) -> QueueError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => QueueError::Full("the disk is full".to_owned()),
        _ => QueueError::Failed(error.to_string()),
    }
}

/// All of them, or none.
fn commit(connection: &Connection, batch: &mut [Box<dyn Order>]) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let mut applied = Ok(());
    for order in batch {
        applied = order.apply(connection);
        if applied.is_err() {
            break;
        }
    }
    let ended = applied.and_then(|()| {
        let mut commit = connection.prepare_cached("COMMIT")?;
        commit.execute([]).map(|_| ())
    });
    if ended.is_err() {
        roll_back(connection);
    }
    ended
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        // Whatever it answers: without a commit nothing lasts.
        let _ = connection.execute_batch("ROLLBACK");
    }
}

/// Orders that may wait; whoever brings another one waits with it.
const ORDERS_MAX: usize = 1_024;
/// Orders of one transaction, each at most a part of a body: 64 MiB in the worst case.
const BATCH_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn writer() -> Writer {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t (a INTEGER PRIMARY KEY)")
            .unwrap();
        Writer::start(connection).unwrap()
    }

    #[tokio::test]
    async fn what_is_written_is_seen_by_the_next_order() {
        let writer = writer();
        for i in 0..10 {
            let put = move |c: &Connection| c.execute("INSERT INTO t VALUES (?)", [i]);
            assert_eq!(writer.write(put, |n| assert_eq!(*n, 1)).await.unwrap(), 1);
        }
        let count = |c: &Connection| c.query_row("SELECT count(*) FROM t", [], |r| r.get(0));
        let count: i64 = writer.write(count, |_| {}).await.unwrap();
        assert_eq!(count, 10);
    }

    #[tokio::test]
    async fn a_full_disk_is_named_until_something_can_be_written() {
        let writer = writer();
        let full = |c: &Connection| {
            c.pragma_update(None, "max_page_count", 1)?;
            c.execute("CREATE TABLE more (a)", [])
        };
        let error = writer.write(full, |_| {}).await.unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
        assert!(writer.is_failing());
        let put = |c: &Connection| c.execute("INSERT INTO t VALUES (1)", []);
        writer.write(put, |_| {}).await.unwrap();
        assert!(!writer.is_failing());
    }

    #[tokio::test]
    async fn a_failed_order_leaves_nothing_and_does_not_end_the_thread() {
        let writer = writer();
        let bad = |c: &Connection| {
            c.execute("INSERT INTO t VALUES (1)", [])?;
            c.execute("INSERT INTO t VALUES (1)", [])
        };
        let error = writer.write(bad, |_| panic!("not committed")).await;
        assert!(matches!(error, Err(QueueError::Failed(_))));
        let count = |c: &Connection| c.query_row("SELECT count(*) FROM t", [], |r| r.get(0));
        let count: i64 = writer.write(count, |_| {}).await.unwrap();
        assert_eq!(count, 0);
    }

    #[tokio::test]
    async fn an_order_that_panics_leaves_nothing_and_does_not_end_the_thread() {
        let writer = writer();
        let bad = |c: &Connection| -> rusqlite::Result<()> {
            c.execute("INSERT INTO t VALUES (1)", [])?;
            panic!("at once")
        };
        assert!(writer.write(bad, |()| {}).await.is_err());
        let put = |c: &Connection| c.execute("INSERT INTO t VALUES (1)", []);
        assert!(writer.write(put, |_| panic!("late")).await.is_err());
        let count = |c: &Connection| c.query_row("SELECT count(*) FROM t", [], |r| r.get(0));
        let count: i64 = writer.write(count, |_| {}).await.unwrap();
        assert_eq!(count, 1);
    }
}
