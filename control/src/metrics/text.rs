//! Everything that is exported, in the order of the page. Pure.

use ringway_proxy::metrics::{CodeSnapshot, Snapshot};

use super::calls::Key;
use super::functions::functions;
use super::page::Page;
use super::process::Process;
use super::queue::queue;
use super::shards::shards;
use crate::publish::Standing;
use crate::queue::{Counts, Depths};
use crate::supervise;

/// What the page tells.
pub(super) struct Numbers<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) standings: &'a [Standing],
    pub(super) driver: &'a str,
    pub(super) calls: &'a [(Key, CodeSnapshot)],
    pub(super) queue: (&'a Counts, Option<&'a Depths>),
    pub(super) stuck: usize,
    pub(super) process: Process,
}

/// The page.
pub(super) fn render(numbers: &Numbers<'_>) -> String {
    let mut page = Page {
        text: String::with_capacity(16 * 1024),
    };
    functions(&mut page, numbers.snapshot, numbers.standings);
    calls(&mut page, numbers.calls);
    queue(&mut page, numbers.queue.0, numbers.queue.1);
    let family = "ringway_build_info";
    page.family(family, "gauge", "Version of this gateway; always 1.");
    page.sample(family, &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.family("ringway_driver", "gauge", "I/O driver in use; always 1.");
    page.sample("ringway_driver", &[("driver", numbers.driver)], 1);
    shards(&mut page, numbers.snapshot);
    let family = "ringway_shards_stuck";
    page.family(family, "gauge", "Shards that have not answered for 5 s.");
    page.sample(family, &[], numbers.stuck);
    process(&mut page, numbers.process);
    page.text
}

/// The page of a queue worker.
pub(super) fn render_queue(counts: &Counts, depths: Option<&Depths>, observed: Process) -> String {
    let mut page = Page::default();
    queue(&mut page, counts, depths);
    process(&mut page, observed);
    page.text
}

/// Calls of the API.
fn calls(page: &mut Page, calls: &[(Key, CodeSnapshot)]) {
    let family = "http_requests_total";
    page.family(
        family,
        "counter",
        "Calls of the API, by method, route and status.",
    );
    for ((method, path, status), of) in calls {
        let status = status.to_string();
        let labels = [
            ("method", method.as_str()),
            ("path", path),
            ("status", &status),
        ];
        page.sample(family, &labels, of.count);
    }
    let family = "http_request_duration_seconds";
    page.family(family, "histogram", "Duration of calls of the API.");
    for ((method, path, status), of) in calls {
        let status = status.to_string();
        let labels = [
            ("method", method.as_str()),
            ("path", path),
            ("status", &status),
        ];
        page.histogram(family, &labels, of);
    }
}

/// Panics of the control plane, and the numbers every Prometheus client exports of its process.
fn process(page: &mut Page, process: Process) {
    let family = "ringway_task_panics_total";
    let help = "Panics in tasks of the control plane, which go on or are begun again.";
    page.family(family, "counter", help);
    page.sample(family, &[], supervise::panics());
    let mut one = |name: &str, kind: &str, help: &str, value: f64| {
        page.family(name, kind, help);
        page.sample(name, &[], value);
    };
    one(
        "process_cpu_seconds_total",
        "counter",
        "User and system processor time.",
        process.cpu_seconds,
    );
    one(
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory.",
        process.resident_bytes as f64,
    );
    one(
        "process_virtual_memory_bytes",
        "gauge",
        "Virtual memory.",
        process.virtual_bytes as f64,
    );
    one(
        "process_open_fds",
        "gauge",
        "Open descriptors.",
        process.open_descriptors as f64,
    );
    one(
        "process_max_fds",
        "gauge",
        "Most descriptors that may be open.",
        process.descriptors_max as f64,
    );
    one(
        "process_start_time_seconds",
        "gauge",
        "Start of the process, as Unix time.",
        process.start_seconds,
    );
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use http::{Method, StatusCode};
    use ringway_proxy::metrics::{BUCKETS_SECONDS, FunctionSnapshot, ShardSnapshot};

    use super::*;
    use crate::metrics::SystemCalls;
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
            reply_rejects: vec![0, 3],
            ejections: 2,
            ..ShardSnapshot::default()
        };
        let snapshot = Snapshot {
            functions: vec![function],
            unknown: None,
            shards: vec![shard.clone(), shard],
        };
        let of_cat = || [("cat.openfaas-fn".to_owned(), 4)].into();
        let counts = Counts {
            submitted: of_cat(),
            retries: of_cat(),
            dead: of_cat(),
            processed: [(("cat.openfaas-fn".to_owned(), 500), 4)].into(),
            deliveries: [("delivered", 6)].into(),
            rate_limit: Some(850.4),
        };
        let depths = Depths {
            is_open: true,
            functions: vec![("cat.openfaas-fn".to_owned(), 9, 2)],
            dead: 7,
            callbacks: 8,
            oldest_seconds: 1.5,
        };
        let calls = SystemCalls::default();
        let took = std::time::Duration::from_millis(30);
        calls.ended(&Method::GET, "/system/functions", StatusCode::OK, took);
        render(&Numbers {
            snapshot: &snapshot,
            standings: &[Standing {
                name: "cat.openfaas-fn".to_owned(),
                replicas: 4,
                ready: 3,
            }],
            driver: "epoll",
            calls: &calls.series(),
            queue: (&counts, Some(&depths)),
            stuck: 0,
            process: Process::observe(),
        })
    }

    #[test]
    fn names_and_labels_are_those_dashboards_know() {
        let page = page();
        let cat = "function_name=\"cat.openfaas-fn\"";
        let ok = format!("{cat},code=\"200\"");
        let list = "method=\"GET\",path=\"/system/functions\",status=\"200\"";
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
            format!("gateway_service_ready_count{{{cat}}} 3"),
            format!("http_requests_total{{{list}}} 1"),
            format!("http_request_duration_seconds_bucket{{{list},le=\"0.025\"}} 0"),
            format!("http_request_duration_seconds_bucket{{{list},le=\"0.05\"}} 1"),
            format!("http_request_duration_seconds_sum{{{list}}} 0.030000"),
            format!("ringway_async_submitted_total{{{cat}}} 4"),
            format!("ringway_async_processed_total{{{cat},code=\"500\"}} 4"),
            format!("ringway_async_retries_total{{{cat}}} 4"),
            format!("ringway_async_dead_total{{{cat}}} 4"),
            format!("ringway_async_pending{{{cat}}} 9"),
            format!("ringway_async_inflight{{{cat}}} 2"),
            "ringway_async_callbacks_total{outcome=\"delivered\"} 6".to_owned(),
            "ringway_async_available 1".to_owned(),
            "ringway_async_rate_limit 850".to_owned(),
            "ringway_async_dead 7".to_owned(),
            "ringway_async_callbacks_pending 8".to_owned(),
            "ringway_async_oldest_seconds 1.5".to_owned(),
            "ringway_build_info{version=\"0.1.0\"} 1".to_owned(),
            "ringway_driver{driver=\"epoll\"} 1".to_owned(),
            "ringway_connections{shard=\"1\"} 5".to_owned(),
            "ringway_rejects_total{reason=\"syntax\"} 14".to_owned(),
            "ringway_reply_rejects_total{reason=\"bare_line_end\"} 6".to_owned(),
            "ringway_ejections_total{shard=\"0\"} 2".to_owned(),
            "ringway_retries_total{rule=\"connect\"} 0".to_owned(),
        ] {
            assert!(page.lines().any(|l| l == line), "{line}\n{page}");
        }
        assert!(page.contains("\nringway_task_panics_total "), "{page}");
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
