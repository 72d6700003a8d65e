//! What the control plane reads: plain numbers, summed over shards.

use crate::fault::{Reject, RetryRule};
use crate::metrics::counters::{Counter, ShardCounters};
use crate::metrics::series::BUCKETS_SECONDS;
use crate::table::{Function, FunctionId};

/// Everything the data plane counts, at about one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// One entry per published function, in order of name and namespace.
    pub functions: Vec<FunctionSnapshot>,
    /// The calls of all names that no function has, if they have a row
    /// ([`Change::PutUnknown`](crate::Change::PutUnknown)).
    pub unknown: Option<FunctionSnapshot>,
    /// One entry per shard.
    pub shards: Vec<ShardSnapshot>,
}

/// One function's counters.
#[derive(Clone, Debug)]
pub struct FunctionSnapshot {
    /// Name and namespace.
    pub id: FunctionId,
    /// Calls begun.
    pub started: u64,
    /// Calls in flight now (parked ones included).
    pub inflight: u64,
    /// Calls parked now: waiting for a first endpoint.
    pub parked: u64,
    /// Ended calls by status, in order of status.
    pub codes: Vec<CodeSnapshot>,
}

/// Calls that ended with one status.
#[derive(Clone, Debug)]
pub struct CodeSnapshot {
    /// The status.
    pub code: u16,
    /// How many.
    pub count: u64,
    /// Their durations' sum, in microseconds.
    pub sum_micros: u64,
    /// `cumulative[i]` calls took at most [`BUCKETS_SECONDS`]`[i]`.
    pub cumulative: [u64; BUCKETS_SECONDS.len()],
}

/// One shard's counters.
#[derive(Clone, Debug, Default)]
pub struct ShardSnapshot {
    /// Connections accepted.
    pub accepted: u64,
    /// Client connections open now.
    pub connections: u64,
    /// Times accepting paused at the connection limit.
    pub accept_paused: u64,
    /// Connections handed over to a less loaded shard.
    pub handed_over: u64,
    /// Connections closed because their client had as many as it may have.
    pub client_refused: u64,
    /// Requests whose head was complete.
    pub requests: u64,
    /// Requests in flight now.
    pub inflight: u64,
    /// Requests parked now.
    pub parked: u64,
    /// Requests forwarded to the control plane.
    pub control_requests: u64,
    /// Requests that found an idle upstream connection.
    pub pool_hits: u64,
    /// Requests that dialled.
    pub pool_misses: u64,
    /// Idle upstream connections found closed at checkout.
    pub pool_stale: u64,
    /// Idle upstream connections dropped because bytes lay in them.
    pub pool_poisoned: u64,
    /// Upstream connections open now.
    pub upstream_connections: u64,
    /// Upstream connections that could not be made.
    pub connect_errors: u64,
    /// Times an endpoint was set aside because a connection to it failed.
    pub ejections: u64,
    /// Bytes read from clients.
    pub bytes_in: u64,
    /// Bytes written to clients.
    pub bytes_out: u64,
    /// Panics caught by the per-connection wall.
    pub panics: u64,
    /// Bytes of I/O buffers allocated now.
    pub buffer_bytes: u64,
    /// The largest lateness of the shard's ticker within about the last ten seconds, in
    /// microseconds; 0 while the shard sleeps.
    pub loop_lag_micros: u64,
    /// Access log records dropped because the ring was full.
    pub log_dropped: u64,
    /// Exchanges ended by the client going away.
    pub client_aborts: u64,
    /// Exchanges ended by the function failing.
    pub upstream_aborts: u64,
    /// Refusals, by [`Reject::ALL`]'s order.
    pub rejects: Vec<u64>,
    /// Replies of functions that could not be trusted, by [`Reject::ALL`]'s order.
    pub reply_rejects: Vec<u64>,
    /// Retries, by [`RetryRule::ALL`]'s order.
    pub retries: Vec<u64>,
}

impl CodeSnapshot {
    pub(crate) fn new(code: u16) -> Self {
        Self {
            code,
            count: 0,
            sum_micros: 0,
            cumulative: [0; BUCKETS_SECONDS.len()],
        }
    }
}

impl FunctionSnapshot {
    pub(crate) fn of(function: &Function) -> Self {
        let counters = &function.shared.counters;
        Self {
            id: function.id.clone(),
            started: counters.started(),
            inflight: counters.inflight(),
            parked: counters.parked(),
            codes: counters.codes(),
        }
    }
}

impl ShardSnapshot {
    pub(crate) fn of(shard: &ShardCounters) -> Self {
        Self {
            accepted: shard.accepted.get(),
            connections: shard.connections.get(),
            accept_paused: shard.accept_paused.get(),
            handed_over: shard.handed_over.get(),
            client_refused: shard.client_refused.get(),
            requests: shard.requests.get(),
            inflight: shard.inflight.get(),
            parked: shard.parked.get(),
            control_requests: shard.control_requests.get(),
            pool_hits: shard.pool_hits.get(),
            pool_misses: shard.pool_misses.get(),
            pool_stale: shard.pool_stale.get(),
            pool_poisoned: shard.pool_poisoned.get(),
            upstream_connections: shard.upstream_connections.get(),
            connect_errors: shard.connect_errors.get(),
            ejections: shard.ejections.get(),
            bytes_in: shard.bytes_in.get(),
            bytes_out: shard.bytes_out.get(),
            panics: shard.panics.get(),
            buffer_bytes: shard.buffer_bytes.get(),
            loop_lag_micros: shard.loop_lag_micros.get(),
            log_dropped: shard.log_dropped.get(),
            client_aborts: shard.client_aborts.get(),
            upstream_aborts: shard.upstream_aborts.get(),
            rejects: shard.rejects.0.iter().map(Counter::get).collect(),
            reply_rejects: shard.reply_rejects.0.iter().map(Counter::get).collect(),
            retries: shard.retries.0.iter().map(Counter::get).collect(),
        }
    }

    /// Refusals for one reason.
    #[must_use]
    pub fn rejected(&self, why: Reject) -> u64 {
        self.rejects.get(why as usize).copied().unwrap_or(0)
    }

    /// Untrusted replies for one reason.
    #[must_use]
    pub fn replies_rejected(&self, why: Reject) -> u64 {
        self.reply_rejects.get(why as usize).copied().unwrap_or(0)
    }

    /// Retries by one rule.
    #[must_use]
    pub fn retried(&self, rule: RetryRule) -> u64 {
        self.retries.get(rule as usize).copied().unwrap_or(0)
    }
}
