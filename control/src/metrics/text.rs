//! Prometheus' text format 0.0.4. Pure.

use std::fmt::{Display, Write};

use ringway_proxy::metrics::{BUCKETS_SECONDS, CodeSnapshot, ShardSnapshot, Snapshot};
use ringway_proxy::{Reject, RetryRule};

use crate::name;

/// Everything that is exported.
pub(super) fn render(snapshot: &Snapshot, replicas: &[(String, u32)], driver: &str) -> String {
    let mut page = Page {
        text: String::with_capacity(16 * 1024),
    };
    functions(&mut page, snapshot, replicas);
    page.family(
        "ringway_build_info",
        "gauge",
        "Version of this gateway; always 1.",
    );
    page.sample(
        "ringway_build_info",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1,
    );
    page.family("ringway_driver", "gauge", "I/O driver in use; always 1.");
    page.sample("ringway_driver", &[("driver", driver)], 1);
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
    page.text
}

fn functions(page: &mut Page, snapshot: &Snapshot, replicas: &[(String, u32)]) {
    let names: Vec<String> = snapshot
        .functions
        .iter()
        .map(|f| name::full(&f.id))
        .collect();
    let rows = || names.iter().zip(&snapshot.functions);

    let family = "gateway_function_invocation_total";
    page.family(family, "counter", "Calls that ended, by status.");
    for (name, function) in rows() {
        for code in &function.codes {
            let status = code.code.to_string();
            page.sample(
                family,
                &[("function_name", name), ("code", &status)],
                code.count,
            );
        }
    }
    // Dashboards expect this counter without the usual suffix.
    let family = "gateway_function_invocation_started";
    page.family(family, "counter", "Calls that began.");
    for (name, function) in rows() {
        page.sample(family, &[("function_name", name)], function.started);
    }
    let family = "gateway_functions_seconds";
    page.family(family, "histogram", "Duration of calls, by status.");
    for (name, function) in rows() {
        for code in &function.codes {
            histogram(page, family, name, code);
        }
    }
    let family = "gateway_function_invocation_inflight";
    page.family(
        family,
        "gauge",
        "Calls in flight, waiting for a replica included.",
    );
    for (name, function) in rows() {
        page.sample(family, &[("function_name", name)], function.inflight);
    }
    let family = "ringway_function_parked";
    page.family(family, "gauge", "Calls that wait for a first replica.");
    for (name, function) in rows() {
        page.sample(family, &[("function_name", name)], function.parked);
    }
    let family = "gateway_service_count";
    page.family(family, "gauge", "Replicas wanted.");
    for (name, count) in replicas {
        page.sample(family, &[("function_name", name)], *count);
    }
}

fn histogram(page: &mut Page, family: &str, name: &str, code: &CodeSnapshot) {
    let status = code.code.to_string();
    let labels = [("function_name", name), ("code", status.as_str())];
    let bucket = format!("{family}_bucket");
    for (bound, count) in BUCKETS_SECONDS.iter().zip(code.cumulative) {
        let bound = bound.to_string();
        page.sample(&bucket, &[labels[0], labels[1], ("le", &bound)], count);
    }
    page.sample(&bucket, &[labels[0], labels[1], ("le", "+Inf")], code.count);
    let (seconds, micros) = (code.sum_micros / 1_000_000, code.sum_micros % 1_000_000);
    page.sample(
        &format!("{family}_sum"),
        &labels,
        format_args!("{seconds}.{micros:06}"),
    );
    page.sample(&format!("{family}_count"), &labels, code.count);
}

/// The text so far.
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            // Values are names, numbers and words of ours: nothing in them needs escaping.
            let _ = write!(self.text, "{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
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

const SHARD_FAMILIES: [ShardFamily; 20] = [
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
        "Times accepting paused at the connection limit.",
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ringway_proxy::metrics::FunctionSnapshot;

    use super::*;
    use crate::name::Namespace;

    fn page() -> String {
        let mut cumulative = [1; BUCKETS_SECONDS.len()];
        cumulative[0] = 0;
        let code = CodeSnapshot {
            code: 200,
            count: 2,
            sum_micros: 12_000_345,
            cumulative,
        };
        let function = FunctionSnapshot {
            id: Namespace::parse("openfaas-fn")
                .unwrap()
                .function("cat")
                .unwrap(),
            started: 3,
            inflight: 1,
            parked: 0,
            codes: vec![code],
        };
        let shard = ShardSnapshot {
            connections: 5,
            rejects: vec![7],
            ..ShardSnapshot::default()
        };
        let snapshot = Snapshot {
            functions: vec![function],
            unknown: None,
            shards: vec![shard.clone(), shard],
        };
        render(&snapshot, &[("cat.openfaas-fn".to_owned(), 4)], "epoll")
    }

    #[test]
    fn names_and_labels_are_those_dashboards_know() {
        let page = page();
        let cat = "function_name=\"cat.openfaas-fn\"";
        let ok = format!("{cat},code=\"200\"");
        for line in [
            format!("gateway_function_invocation_total{{{ok}}} 2"),
            format!("gateway_function_invocation_started{{{cat}}} 3"),
            format!("gateway_functions_seconds_bucket{{{ok},le=\"0.005\"}} 0"),
            format!("gateway_functions_seconds_bucket{{{ok},le=\"1\"}} 1"),
            format!("gateway_functions_seconds_bucket{{{ok},le=\"+Inf\"}} 2"),
            format!("gateway_functions_seconds_sum{{{ok}}} 12.000345"),
            format!("gateway_functions_seconds_count{{{ok}}} 2"),
            format!("gateway_function_invocation_inflight{{{cat}}} 1"),
            format!("gateway_service_count{{{cat}}} 4"),
            "ringway_build_info{version=\"0.1.0\"} 1".to_owned(),
            "ringway_driver{driver=\"epoll\"} 1".to_owned(),
            "ringway_connections{shard=\"1\"} 5".to_owned(),
            "ringway_rejects_total{reason=\"syntax\"} 14".to_owned(),
            "ringway_retries_total{rule=\"connect\"} 0".to_owned(),
        ] {
            assert!(page.lines().any(|l| l == line), "{line}\n{page}");
        }
    }

    #[test]
    fn every_family_has_its_help_and_type_once() {
        let page = page();
        let mut seen = HashSet::new();
        for line in page.lines().filter_map(|l| l.strip_prefix("# TYPE ")) {
            let name = line.split(' ').next().unwrap();
            assert!(seen.insert(name), "{name} twice");
            assert!(page.contains(&format!("# HELP {name} ")));
        }
        for line in page.lines().filter(|l| !l.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|s| name.strip_suffix(s));
            assert!(
                seen.contains(name) || base.is_some_and(|b| seen.contains(b)),
                "{line}"
            );
        }
    }
}
