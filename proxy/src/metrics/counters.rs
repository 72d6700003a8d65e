//! One shard's own counters: connections, pool, retries, rejects, bytes.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::fault::{Failure, Reject, RetryRule};

/// A counter or gauge with one writer and any number of readers.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning shard's thread may call this.
    pub(crate) fn add(&self, n: u64) {
        // A plain load and store: there is one writer, so no update can be lost.
        let value = self.0.load(Ordering::Relaxed).wrapping_add(n);
        self.0.store(value, Ordering::Relaxed);
    }

    /// Takes `n` off a gauge. Only the owning shard's thread may call this.
    pub(crate) fn sub(&self, n: u64) {
        let value = self.0.load(Ordering::Relaxed).wrapping_sub(n);
        self.0.store(value, Ordering::Relaxed);
    }

    /// Sets a gauge. Only the owning shard's thread may call this.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One counter per value of a label.
#[derive(Debug)]
pub(crate) struct PerLabel<const N: usize>(pub(crate) [Counter; N]);

impl<const N: usize> Default for PerLabel<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

/// One shard's counters. Aligned so that two shards never share a line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct ShardCounters {
    pub(crate) accepted: Counter,
    pub(crate) connections: Counter,
    pub(crate) accept_paused: Counter,
    pub(crate) handed_over: Counter,
    pub(crate) client_refused: Counter,
    pub(crate) requests: Counter,
    pub(crate) inflight: Counter,
    pub(crate) parked: Counter,
    pub(crate) control_requests: Counter,
    pub(crate) pool_hits: Counter,
    pub(crate) pool_misses: Counter,
    pub(crate) pool_stale: Counter,
    pub(crate) pool_poisoned: Counter,
    pub(crate) upstream_connections: Counter,
    pub(crate) connect_errors: Counter,
    pub(crate) ejections: Counter,
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) panics: Counter,
    pub(crate) buffer_bytes: Counter,
    pub(crate) loop_lag_micros: Counter,
    pub(crate) log_dropped: Counter,
    pub(crate) client_aborts: Counter,
    pub(crate) upstream_aborts: Counter,
    pub(crate) rejects: PerLabel<{ Reject::ALL.len() }>,
    pub(crate) reply_rejects: PerLabel<{ Reject::ALL.len() }>,
    pub(crate) retries: PerLabel<{ RetryRule::ALL.len() }>,
}

impl ShardCounters {
    pub(crate) fn reject(&self, why: Reject) {
        self.rejects.0[why as usize].add(1);
    }

    /// Counts a function's reply that cannot be trusted.
    pub(crate) fn reject_reply(&self, why: Reject) {
        self.reply_rejects.0[why as usize].add(1);
    }

    /// Counts a failure that is one of the gateway's own limits as the reject it is.
    pub(crate) fn failed(&self, failure: Failure) {
        match failure {
            Failure::OutOfMemory => self.reject(Reject::Memory),
            Failure::TooManyInflight => self.reject(Reject::Inflight),
            Failure::TooManyParked => self.reject(Reject::Parked),
            Failure::Shortage => self.reject(Reject::Descriptors),
            _ => {}
        }
    }

    pub(crate) fn retry(&self, rule: RetryRule) {
        self.retries.0[rule as usize].add(1);
    }
}
