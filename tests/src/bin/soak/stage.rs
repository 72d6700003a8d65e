//! What everyone who plays on one gateway shares.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ringway_tests::Gateway;

use crate::books::Books;

pub(crate) struct Stage<'a> {
    pub(crate) gateway: &'a Gateway,
    /// The path of the socket that functions tell of POSTs.
    pub(crate) tally: &'a str,
    next: AtomicU64,
    over: AtomicBool,
    books: Mutex<Books>,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(gateway: &'a Gateway, tally: &'a str) -> Self {
        Self {
            gateway,
            tally,
            next: AtomicU64::new(1),
            over: AtomicBool::new(false),
            books: Mutex::default(),
        }
    }

    /// An id that no other call has.
    pub(crate) fn id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
