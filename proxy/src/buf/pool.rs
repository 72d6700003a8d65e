//! Size-classed free lists, one set per shard; a buffer comes back when it is dropped.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::buf::window::Buf;
use crate::limits::HEAD_BUFFER_BYTES;
use crate::metrics::ShardCounters;

/// Sizes of buffer, smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Heads and idle reads.
    Head,
    /// The first buffer of a streaming body.
    Small,
    /// After two full reads of `Small`.
    Medium,
    /// After two full reads of `Medium`: bulk is paid per system call, so bigger is cheaper.
    Bulk,
}

impl Class {
    const ALL: [Self; 4] = [Self::Head, Self::Small, Self::Medium, Self::Bulk];

    /// Bytes of memory of a buffer of this class (headroom and tailroom included).
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Head => HEAD_BUFFER_BYTES,
            Self::Small => 16 * 1024,
            Self::Medium => 64 * 1024 + 2048,
            Self::Bulk => 256 * 1024 + 2048,
        }
    }

    /// Free buffers kept: what a burst of short bodies needs; the rest goes back to the allocator.
    const fn kept(self) -> usize {
        match self {
            Self::Head => 512,
            Self::Small => 64,
            Self::Medium => 64,
            Self::Bulk => 16,
        }
    }

    /// The next larger class, if any.
    pub(crate) const fn larger(self) -> Option<Self> {
        match self {
            Self::Head => Some(Self::Small),
            Self::Small => Some(Self::Medium),
            Self::Medium => Some(Self::Bulk),
            Self::Bulk => None,
        }
    }

    /// The smallest class with room for `bytes` besides headroom and tailroom.
    pub(crate) fn for_bytes(bytes: u64) -> Self {
        let fits = |class: &&Self| (class.bytes() as u64).saturating_sub(2048) >= bytes;
        Self::ALL.iter().find(fits).copied().unwrap_or(Self::Bulk)
    }
}

/// Buffers for heads that are kept when little is to do.
const HEADS_KEPT: usize = 16;

/// Free buffers of one class.
#[derive(Default)]
struct Free {
    list: RefCell<Vec<Box<[u8]>>>,
    /// The fewest there were since the last look: so many were not needed. `<=` the list's length.
    idle: Cell<usize>,
}

/// One shard's buffers.
pub(crate) struct Pool {
    free: [Free; Class::ALL.len()],
    /// Bytes allocated, in use or free: `0 <= bytes`.
    bytes: Cell<u64>,
    /// Bytes freed so far.
    freed: Cell<u64>,
    /// Bytes in use: `0 <= used <= bytes`.
    used: Cell<u64>,
    /// Near this many used bytes only `Head` and `Small` are given out; above it no new call is
    /// begun.
    bytes_max: u64,
    counters: &'static ShardCounters,
}

impl Pool {
    pub(crate) fn new(bytes_max: u64, counters: &'static ShardCounters) -> Rc<Self> {
        Rc::new(Self {
            free: Default::default(),
            bytes: Cell::new(0),
            freed: Cell::new(0),
            used: Cell::new(0),
            bytes_max,
            counters,
        })
    }

    /// A buffer of `class`, or of `Small` when memory is short.
    pub(crate) fn take(self: &Rc<Self>, class: Class) -> Buf {
        let short = class > Class::Small && self.is_short();
        let class = if short { Class::Small } else { class };
        self.reserve(class.bytes() as u64);
        let memory = self.free[class as usize].pop().unwrap_or_else(|| {
            self.account(class.bytes() as u64, true);
            vec![0; class.bytes()].into_boxed_slice()
        });
        Buf::new(memory, class, Rc::clone(self))
    }

    /// Bytes in use.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn used(&self) -> u64 {
        self.used.get()
    }

    /// Bytes given to the allocator since the start.
    pub(crate) fn freed(&self) -> u64 {
        self.freed.get()
    }

    /// Whether what is in use is near the limit.
    pub(crate) fn is_short(&self) -> bool {
        self.used.get() > self.bytes_max / 5 * 4
    }

    /// Whether what is in use is above the limit.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.used.get() > self.bytes_max
    }

    pub(crate) fn put_back(&self, memory: Box<[u8]>, class: Class) {
        self.release(class.bytes() as u64);
        let mut free = self.free[class as usize].list.borrow_mut();
        if free.len() < class.kept() {
            free.push(memory);
        } else {
            self.account(memory.len() as u64, false);
        }
    }

    /// Counts bytes outside of buffers as in use, until [`Pool::forget`].
    pub(crate) fn keep(&self, bytes: &[u8]) {
        let bytes = bytes.len() as u64;
        self.reserve(bytes);
        self.account(bytes, true);
    }

    pub(crate) fn forget(&self, bytes: &[u8]) {
        let bytes = bytes.len() as u64;
        self.release(bytes);
        self.account(bytes, false);
    }

    /// Counts bytes that no buffer of this pool holds (those in a pipe, those that a reply will need)
    /// as in use, until [`Pool::release`].
    pub(crate) fn reserve(&self, bytes: u64) {
        self.used.set(self.used.get().saturating_add(bytes));
    }

    pub(crate) fn release(&self, bytes: u64) {
        self.used.set(self.used.get().saturating_sub(bytes));
    }

    /// Gives bulk buffers and heads that nobody needed since the last time back to the allocator.
    pub(crate) fn shrink(&self) {
        for (class, kept) in [
            (Class::Head, HEADS_KEPT),
            (Class::Medium, 0),
            (Class::Bulk, 0),
        ] {
            for memory in self.free[class as usize].surplus(kept) {
                self.account(memory.len() as u64, false);
            }
        }
    }

    /// As [`Pool::shrink`], when nobody is there who could need one.
    pub(crate) fn shrink_unused(&self) {
        for free in &self.free {
            free.idle.set(free.list.borrow().len());
        }
        self.shrink();
    }

    fn account(&self, bytes: u64, grown: bool) {
        let before = self.bytes.get();
        if grown {
            self.bytes.set(before.saturating_add(bytes));
            self.counters.buffer_bytes.add(bytes);
        } else {
            self.bytes.set(before.saturating_sub(bytes));
            self.freed.set(self.freed.get().wrapping_add(bytes));
            self.counters.buffer_bytes.sub(bytes);
        }
    }
}

impl Free {
    fn pop(&self) -> Option<Box<[u8]>> {
        let mut list = self.list.borrow_mut();
        let memory = list.pop();
        self.idle.set(self.idle.get().min(list.len()));
        memory
    }

    /// Takes out what was idle since the last time, but `kept`.
    fn surplus(&self, kept: usize) -> Vec<Box<[u8]>> {
        let mut list = self.list.borrow_mut();
        let (len, idle) = (list.len(), self.idle.get());
        let left = len.saturating_sub(idle).max(kept).min(len);
        let surplus = list.split_off(left);
        if !surplus.is_empty() {
            let room = 2 * list.len().max(kept);
            list.shrink_to(room);
        }
        self.idle.set(list.len());
        surplus
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(bytes_max: u64) -> Rc<Pool> {
        Pool::new(bytes_max, Box::leak(Box::default()))
    }

    #[test]
    fn a_dropped_buffer_is_used_again() {
        let pool = pool(u64::MAX);
        drop(pool.take(Class::Head));
        drop(pool.take(Class::Head));
        assert_eq!(pool.bytes.get(), Class::Head.bytes() as u64);
        let two = (pool.take(Class::Head), pool.take(Class::Head));
        assert_eq!(pool.bytes.get(), 2 * Class::Head.bytes() as u64);
        drop(two);
    }

    #[test]
    fn short_memory_gives_small_buffers_and_what_comes_back_is_no_longer_missing() {
        let pool = pool(Class::Bulk.bytes() as u64);
        let first = pool.take(Class::Bulk);
        assert_eq!(first.class(), Class::Bulk);
        assert!(!pool.is_exhausted(), "at the limit");
        let second = pool.take(Class::Bulk);
        assert_eq!(second.class(), Class::Small);
        assert!(pool.is_exhausted(), "above it");
        drop(first);
        assert!(!pool.is_exhausted());
        assert_eq!(pool.take(Class::Bulk).class(), Class::Bulk);
        drop(second);
        assert_eq!(pool.used.get(), 0);
    }

    #[test]
    fn shrinking_returns_what_was_not_needed_since_the_last_time() {
        let pool = pool(u64::MAX);
        let bulk = Class::Bulk.bytes() as u64;
        drop((pool.take(Class::Bulk), pool.take(Class::Bulk)));
        pool.shrink();
        assert_eq!(pool.bytes.get(), 2 * bulk, "both were needed just now");
        drop(pool.take(Class::Bulk));
        pool.shrink();
        assert_eq!(pool.bytes.get(), bulk, "one was not");
        pool.shrink();
        assert_eq!(pool.bytes.get(), 0);
    }

    #[test]
    fn a_few_heads_stay() {
        let pool = pool(u64::MAX);
        let heads: Vec<_> = (0..HEADS_KEPT + 5)
            .map(|_| pool.take(Class::Head))
            .collect();
        drop(heads);
        pool.shrink_unused();
        let kept = (HEADS_KEPT * Class::Head.bytes()) as u64;
        assert_eq!(pool.bytes.get(), kept);
    }

    #[test]
    fn classes_fit_what_they_are_asked_for() {
        assert_eq!(Class::for_bytes(0), Class::Head);
        assert_eq!(Class::for_bytes(2_048), Class::Head);
        assert_eq!(Class::for_bytes(2_049), Class::Small);
        assert_eq!(Class::for_bytes(64 * 1024), Class::Medium);
        assert_eq!(Class::for_bytes(u64::MAX), Class::Bulk);
    }
}
