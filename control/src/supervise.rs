//! Work that must go on: what becomes of a task or a thread that panics.
//!
//! **Invariant:** a task that lasts as long as the gateway runs in [`keep`]; what it owns is lent
//! to it and outlives its panics, so that nothing is lost but what was in hand.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::time;

use crate::backoff::Backoff;

/// Does a work until it is done; after a panic, and a pause, it is begun again.
pub(crate) async fn keep<T>(task: &'static str, mut work: impl AsyncFnMut() -> T) -> T {
    let mut backoff = Backoff::new(PAUSE_MAX, LONG_LIFE);
    loop {
        let began = Instant::now();
        if let Some(done) = once(task, work()).await {
            return done;
        }
        let pause = backoff.after(began.elapsed());
        tracing::warn!(task, "begun again in {pause:?}");
        time::sleep(pause).await;
    }
}

/// Does a work once; `None` when it panicked: the caller puts in order what it left.
pub(crate) async fn once<T>(task: &'static str, work: impl Future<Output = T>) -> Option<T> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.map_err(|panic| note(task, &*panic)).ok()
}

/// [`once`] without waiting, for threads and locks.
pub(crate) fn caught<T>(task: &'static str, work: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(work));
    done.map_err(|panic| note(task, &*panic)).ok()
}

/// Panics caught so far, in the whole process.
pub(crate) fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

fn note(task: &'static str, panic: &(dyn Any + Send)) {
    PANICS.fetch_add(1, Ordering::Relaxed);
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("no text");
    tracing::error!(task, "a task of the control plane panicked: {text}");
}

static PANICS: AtomicU64 = AtomicU64::new(0);
/// Callers wait for some of these tasks, and none of them costs much to begin.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// What ran this long did not panic for the same reason, or not at every step.
const LONG_LIFE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_that_panics_goes_on_with_what_it_had() {
        let before = panics();
        let (sender, mut inbox) = mpsc::channel(8);
        for number in 1..=4 {
            sender.try_send(number).unwrap();
        }
        drop(sender);
        let mut done = Vec::new();
        let lives = keep("test", async || {
            while let Some(number) = inbox.recv().await {
                assert!(number != 2, "number {number}");
                done.push(number);
            }
            "over"
        });
        assert_eq!(lives.await, "over");
        assert_eq!(done, [1, 3, 4], "only what was in hand is lost");
        assert!(panics() > before);
    }

    #[tokio::test]
    async fn a_kept_task_can_be_aborted() {
        let (alive, mut ended) = mpsc::channel::<()>(1);
        let task = tokio::spawn(keep("test", async move || {
            let _alive = &alive;
            std::future::pending::<()>().await;
        }));
        tokio::task::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(ended.recv().await, None);
    }

    #[tokio::test]
    async fn what_is_done_once_says_whether_it_was() {
        assert_eq!(once("test", async { 1 }).await, Some(1));
        assert_eq!(once("test", async { panic!("now") }).await, None::<()>);
        assert_eq!(caught("test", || 1), Some(1));
        assert_eq!(caught("test", || std::panic::panic_any(7)), None::<()>);
    }
}
