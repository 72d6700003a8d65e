//! The waiting room for requests whose function has no endpoint yet.
//!
//! A parked request keeps its head; its body stays with the client, unread.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::task::{Context, Waker};

/// One shard's parked requests.
#[derive(Default)]
pub(crate) struct Park {
    /// By ticket; bounded by the limit of parked requests.
    waiting: RefCell<HashMap<u64, Option<Waker>>>,
    next_ticket: Cell<u64>,
    /// Counts tables announced by the bell: a waiter sleeps until it moves.
    round: Cell<u64>,
}

impl Park {
    /// Lets every waiter look at the table again.
    pub(crate) fn wake_all(&self) {
        self.round.set(self.round.get().wrapping_add(1));
        for waker in self
            .waiting
            .borrow_mut()
            .values_mut()
            .filter_map(Option::take)
        {
            waker.wake();
        }
    }

    pub(crate) fn round(&self) -> u64 {
        self.round.get()
    }

    pub(crate) fn parked(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Takes a place; give it back with [`Park::leave`].
    pub(crate) fn enter(&self) -> u64 {
        let ticket = self.next_ticket.get();
        self.next_ticket.set(ticket.wrapping_add(1));
        self.waiting.borrow_mut().insert(ticket, None);
        ticket
    }

    /// Names the task to wake.
    pub(crate) fn register(&self, ticket: u64, cx: &Context<'_>) {
        if let Some(waker) = self.waiting.borrow_mut().get_mut(&ticket) {
            *waker = Some(cx.waker().clone());
        }
    }

    pub(crate) fn leave(&self, ticket: u64) {
        self.waiting.borrow_mut().remove(&ticket);
    }
}
