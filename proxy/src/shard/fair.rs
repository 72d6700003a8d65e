//! Whether a task has run long enough for now.
//!
//! On epoll what is ready is done at once, without going back to the loop: a client that always has
//! something to read, and reads what it gets, would hold the shard as long as it likes. With
//! io_uring every operation goes through the loop.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::shard::{Shard, rt};

/// What the task that is polled may still do at once.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Per poll; `None`: the driver is fair by itself.
    most: Option<u32>,
    left: Cell<u32>,
}

impl Budget {
    pub(crate) const fn new(most: Option<u32>) -> Self {
        Self {
            most,
            left: Cell::new(0),
        }
    }

    /// A connection's task is polled from here on.
    pub(crate) fn begin(&self) {
        self.left.set(self.most.unwrap_or(0));
    }

    /// Spends one step; whether there was one.
    fn spend(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }
}

impl Shard {
    /// Called between two steps of a connection: lets the others run when its time is up.
    pub(crate) async fn be_fair(&self) {
        if self.budget.most.is_some() && !self.budget.spend() {
            yield_to_others().await;
        }
    }
}

/// Lets every other task run. A task that wakes itself goes to the front of monoio 0.2.4's
/// queue and starves the rest, so another task, queued at the back, does the waking.
async fn yield_to_others() {
    let flag = Rc::new((Cell::new(false), Cell::new(None::<Waker>)));
    let theirs = Rc::clone(&flag);
    rt::spawn(async move {
        theirs.0.set(true);
        if let Some(waker) = theirs.1.take() {
            waker.wake();
        }
    });
    poll_fn(|cx| {
        if flag.0.get() {
            return Poll::Ready(());
        }
        flag.1.set(Some(cx.waker().clone()));
        Poll::Pending
    })
    .await;
}
