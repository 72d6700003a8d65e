//! Whether a task has run long enough for now.
//!
//! What is ready is done at once, without going back to the loop: on epoll everything, with io_uring
//! what bulk needs. A client that always has something to read, and reads what it gets, would hold
//! the shard as long as it likes.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use crate::limits::STEP_BYTES;
use crate::shard::Shard;

/// What the task that is polled may still do at once, and those that have stepped aside.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Per poll.
    most: u32,
    left: Cell<u32>,
    aside: RefCell<Vec<Waker>>,
    /// The task that calls them back.
    usher: RefCell<Option<Waker>>,
}

impl Budget {
    pub(crate) const fn new(most: u32) -> Self {
        Self {
            most,
            left: Cell::new(0),
            aside: RefCell::new(Vec::new()),
            usher: RefCell::new(None),
        }
    }

    /// A connection's task is polled from here on.
    pub(crate) fn begin(&self) {
        self.left.set(self.most);
    }

    /// Spends a step, and more for the bytes that it moved; whether there was one.
    fn spend(&self, bytes: usize) -> bool {
        let left = self.left.get();
        let steps = u32::try_from(bytes / STEP_BYTES).unwrap_or(u32::MAX);
        self.left.set(left.saturating_sub(steps.saturating_add(1)));
        left > 0
    }

    /// Has a task called back behind all others. A task that wakes itself goes to the front of
    /// monoio 0.2.4's queue and starves the rest, so another task, queued at the back, does that.
    fn step_aside(&self, cx: &Context<'_>) {
        match &*self.usher.borrow() {
            Some(usher) => {
                self.aside.borrow_mut().push(cx.waker().clone());
                usher.wake_by_ref();
            }
            None => cx.waker().wake_by_ref(),
        }
    }

    fn call_back(&self, cx: &Context<'_>) {
        self.usher.replace(Some(cx.waker().clone()));
        loop {
            // Apart from the condition: no borrow is held while a task is woken.
            let next = self.aside.borrow_mut().pop();
            let Some(waker) = next else { break };
            waker.wake();
        }
    }
}

impl Shard {
    /// Called between two steps of a connection: lets the others run when its time is up.
    pub(crate) async fn be_fair(&self) {
        self.be_fair_after(0).await;
    }

    /// The same, after a step that moved so many bytes.
    pub(crate) async fn be_fair_after(&self, bytes: usize) {
        if self.budget.spend(bytes) {
            return;
        }
        let mut aside = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut aside, true) {
                return Poll::Ready(());
            }
            self.budget.step_aside(cx);
            Poll::Pending
        })
        .await;
    }

    /// The task that calls back who has stepped aside.
    pub(crate) async fn usher(&self) -> Infallible {
        poll_fn(|cx| {
            self.budget.call_back(cx);
            Poll::Pending
        })
        .await
    }
}
