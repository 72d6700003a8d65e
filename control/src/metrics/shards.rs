//! The families about shards: one sample per shard, or a sum over them.

use ringway_proxy::metrics::{ShardSnapshot, Snapshot};
use ringway_proxy::{Reject, RetryRule};

use super::page::Page;

/// Everything the shards count.
pub(super) fn shards(page: &mut Page, snapshot: &Snapshot) {
    for family in SHARD_FAMILIES {
        page.family(family.name, family.kind, family.help);
        for (index, shard) in snapshot.shards.iter().enumerate() {
            let index = index.to_string();
            page.sample(family.name, &[("shard", &index)], (family.value)(shard));
        }
    }
    let name = "ringway_rejects_total";
    page.family(
        name,
        "counter",
        "Requests and connections refused, by reason.",
    );
    for why in Reject::ALL {
        let sum: u64 = snapshot.shards.iter().map(|s| s.rejected(*why)).sum();
        page.sample(name, &[("reason", why.label())], sum);
    }
    let name = "ringway_reply_rejects_total";
    page.family(
        name,
        "counter",
        "Replies of functions that cannot be trusted, by reason.",
    );
    for why in Reject::ALL {
        let shards = snapshot.shards.iter();
        let sum: u64 = shards.map(|s| s.replies_rejected(*why)).sum();
        page.sample(name, &[("reason", why.label())], sum);
    }
    let name = "ringway_retries_total";
    page.family(
        name,
        "counter",
        "Requests sent again, by the rule that allowed it.",
    );
    for rule in RetryRule::ALL {
        let sum: u64 = snapshot.shards.iter().map(|s| s.retried(*rule)).sum();
        page.sample(name, &[("rule", rule.label())], sum);
    }
}

/// A number every shard has.
struct ShardFamily {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: fn(&ShardSnapshot) -> u64,
}

const fn counter(
    name: &'static str,
    help: &'static str,
    value: fn(&ShardSnapshot) -> u64,
) -> ShardFamily {
    ShardFamily {
        name,
        kind: "counter",
        help,
        value,
    }
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    value: fn(&ShardSnapshot) -> u64,
) -> ShardFamily {
    ShardFamily {
        name,
        kind: "gauge",
        help,
        value,
    }
}

const SHARD_FAMILIES: [ShardFamily; 24] = [
    gauge("ringway_connections", "Client connections open.", |s| {
        s.connections
    }),
    counter(
        "ringway_accepted_total",
        "Client connections accepted.",
        |s| s.accepted,
    ),
    counter(
        "ringway_accept_paused_total",
        "Times accepting paused, at the connection limit or for want of memory.",
        |s| s.accept_paused,
    ),
    counter(
        "ringway_requests_total",
        "Requests whose head was complete.",
        |s| s.requests,
    ),
    gauge("ringway_inflight", "Requests in flight.", |s| s.inflight),
    gauge(
        "ringway_parked",
        "Requests that wait for a first replica.",
        |s| s.parked,
    ),
    counter(
        "ringway_control_requests_total",
        "Requests to the control plane.",
        |s| s.control_requests,
    ),
    counter(
        "ringway_pool_hits_total",
        "Requests that found an idle upstream connection.",
        |s| s.pool_hits,
    ),
    counter("ringway_pool_misses_total", "Requests that dialled.", |s| {
        s.pool_misses
    }),
    counter(
        "ringway_pool_stale_total",
        "Idle upstream connections found closed.",
        |s| s.pool_stale,
    ),
    counter(
        "ringway_pool_poisoned_total",
        "Idle upstream connections that held bytes.",
        |s| s.pool_poisoned,
    ),
    gauge(
        "ringway_upstream_connections",
        "Upstream connections open.",
        |s| s.upstream_connections,
    ),
    counter(
        "ringway_connect_errors_total",
        "Upstream connections that failed.",
        |s| s.connect_errors,
    ),
    counter(
        "ringway_ejections_total",
        "Times a replica was set aside because a connection to it failed.",
        |s| s.ejections,
    ),
    counter("ringway_bytes_in_total", "Bytes read from clients.", |s| {
        s.bytes_in
    }),
    counter(
        "ringway_bytes_out_total",
        "Bytes written to clients.",
        |s| s.bytes_out,
    ),
    counter(
        "ringway_panics_total",
        "Panics caught; each cost one connection.",
        |s| s.panics,
    ),
    counter(
        "ringway_handed_over_total",
        "Connections handed over to a shard with fewer.",
        |s| s.handed_over,
    ),
    counter(
        "ringway_client_connections_refused_total",
        "Connections closed because their client had connections_per_client_max.",
        |s| s.client_refused,
    ),
    gauge(
        "ringway_loop_lag_microseconds",
        "Largest lateness of the shard's loop in the last ten seconds.",
        |s| s.loop_lag_micros,
    ),
    gauge("ringway_buffer_bytes", "Bytes of I/O buffers.", |s| {
        s.buffer_bytes
    }),
    counter(
        "ringway_log_dropped_total",
        "Access log records dropped.",
        |s| s.log_dropped,
    ),
    counter(
        "ringway_client_aborts_total",
        "Calls ended by the client going away.",
        |s| s.client_aborts,
    ),
    counter(
        "ringway_upstream_aborts_total",
        "Calls ended by the function failing.",
        |s| s.upstream_aborts,
    ),
];
