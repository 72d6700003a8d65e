//! What Ringway must reach, in figures of one run.

use crate::figures::Metric;
use crate::run::Results;
use crate::workload::Workload;

/// One aim, and what became of it.
pub(crate) struct Verdict {
    pub(crate) workload: &'static str,
    pub(crate) what: String,
    pub(crate) limit: f64,
    /// `None`: not measured in this run.
    pub(crate) value: Option<f64>,
    /// Where the middle eight tenths of the rounds lie, for ratios.
    pub(crate) spread: Option<(f64, f64)>,
}

impl Verdict {
    /// Whether it was reached, if it was measured.
    pub(crate) fn is_met(&self) -> Option<bool> {
        // As printed: a ratio of 1.0804 is not worse than 1.08 with what this repeats to.
        self.value
            .map(|value| (value * 1e3).round() <= (self.limit * 1e3).round())
    }

    pub(crate) fn mark(&self) -> &'static str {
        match self.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "-",
        }
    }
}

/// Every aim, in the order of the workloads.
pub(crate) fn verdicts(results: &Results) -> Vec<Verdict> {
    let mut all = Vec::new();
    for (workload, other, limit) in COSTS {
        let of = (*workload, OURS);
        let ratio = results.ratio(of, (*workload, other), Metric::Cost);
        all.push(Verdict {
            workload: workload.name(),
            what: format!("CPU per request, of {other}"),
            limit: *limit,
            value: ratio.map(|r| r.median),
            spread: ratio.map(|r| (r.p10, r.p90)),
        });
    }
    let grown = results
        .at((Workload::W5, OURS))
        .map(|slice| slice.grown_kib);
    all.push(plain(
        "W5",
        "memory grown during a 100 MiB body, MiB",
        2.0,
        grown.max().map(|kib| kib as f64 / 1_024.0),
    ));
    all.push(plain(
        "W7",
        "bytes per idle connection",
        1_024.0,
        results.single("idle connection", OURS),
    ));
    latencies(results, &mut all);
    among_ourselves(results, &mut all);
    alone(results, &mut all);
    all
}

fn latencies(results: &Results, all: &mut Vec<Verdict>) {
    for workload in [Workload::W9Low, Workload::W9High] {
        for other in results.peers(workload) {
            if other == "direct" || other.starts_with(OURS) {
                continue;
            }
            let of = (workload, OURS);
            let p99 = results.ratio(of, (workload, other), Metric::P99);
            all.push(Verdict {
                workload: workload.name(),
                what: format!("p99, of {other}"),
                limit: 1.0,
                value: p99.map(|r| r.median),
                spread: p99.map(|r| (r.p10, r.p90)),
            });
        }
        let p50 = results.ratio((workload, OURS), (workload, "relay"), Metric::P50);
        all.push(Verdict {
            workload: workload.name(),
            what: "p50, of relay".to_owned(),
            limit: 1.05,
            value: p50.map(|r| r.median),
            spread: p50.map(|r| (r.p10, r.p90)),
        });
    }
    for (other, limit) in [("relay", 3.0), ("nginx", 0.0)] {
        let (of, to) = ((Workload::W10, OURS), (Workload::W10, other));
        let more = results.difference(of, to, Metric::P50);
        all.push(Verdict {
            workload: "W10",
            what: format!("p50 on one core, more than {other}, us"),
            limit,
            value: more.map(|d| d.median),
            spread: more.map(|d| (d.p10, d.p90)),
        });
    }
}

/// Ringway against Ringway.
fn among_ourselves(results: &Results, all: &mut Vec<Verdict>) {
    let w1 = Workload::W1;
    let rows = [
        (
            "W11",
            "1,000 functions, of W1",
            (Workload::W11, "ringway-1000"),
            (w1, OURS),
            1.05,
        ),
        (
            "W14-up",
            "chunked, of W3",
            (Workload::W14Up, OURS),
            (Workload::W3, OURS),
            1.05,
        ),
        (
            "W14-down",
            "chunked, of W4",
            (Workload::W14Down, OURS),
            (Workload::W4, OURS),
            1.05,
        ),
        (
            "W1",
            "function on a Unix socket, of relay",
            (w1, "ringway-unix"),
            (w1, "relay"),
            0.86,
        ),
        (
            "W1",
            "epoll driver, of io_uring",
            (w1, "ringway-epoll"),
            (w1, OURS),
            1.13,
        ),
        (
            "W2",
            "epoll driver, of io_uring",
            (Workload::W2, "ringway-epoll"),
            (Workload::W2, OURS),
            1.13,
        ),
        (
            "W3",
            "epoll driver, of io_uring",
            (Workload::W3, "ringway-epoll"),
            (Workload::W3, OURS),
            1.13,
        ),
    ];
    for (workload, what, of, to, limit) in rows {
        let ratio = results.ratio(of, to, Metric::Cost);
        all.push(Verdict {
            workload,
            what: format!("CPU per request: {what}"),
            limit,
            value: ratio.map(|r| r.median),
            spread: ratio.map(|r| (r.p10, r.p90)),
        });
    }
}

fn alone(results: &Results, all: &mut Vec<Verdict>) {
    let single = |what: &str| results.single(what, OURS);
    let calls = single("system calls (strace)");
    let enter = single("io_uring_enter (strace)");
    let others = calls.zip(enter).map(|(calls, enter)| calls - enter);
    let allocations = results
        .singles
        .iter()
        .filter(|s| s.what.starts_with("allocations"));
    let allocations = allocations.map(|s| s.value).reduce(f64::max);
    let clock = results.singles.iter().filter(|s| {
        s.peer == OURS
            && (s.what.starts_with("clock_gettime") || s.what.starts_with("gettimeofday"))
    });
    let clock: f64 = clock.map(|s| s.value).sum();
    // Of the first round, which begins with these: later ones find what bulk left behind.
    let peak = [Workload::W1, Workload::W2, Workload::W3].iter();
    let peak = peak.flat_map(|w| results.at((*w, OURS)));
    let peak = peak.filter(|slice| slice.round == 0);
    let peak = peak.map(|slice| slice.peak_kib).max();
    for (workload, what, limit, value) in [
        (
            "W12",
            "connections, most / least",
            1.25,
            single("connections, most / least"),
        ),
        (
            "W12",
            "requests, most / least",
            1.25,
            single("requests, most / least"),
        ),
        ("W13", "event p99, ms", 5.0, single("event p99")),
        ("W13", "KiB per stream", 16.0, single("stream")),
        ("W1", "io_uring_enter per request", 0.12, enter),
        ("W1", "other system calls per request", 0.005, others),
        (
            "W1",
            "clock system calls per request",
            0.0,
            calls.map(|_| clock),
        ),
        (
            "W1-W3",
            "allocations per request, with those by time",
            0.005,
            allocations,
        ),
        (
            "W1-W3",
            "peak memory, MiB",
            16.0,
            peak.map(|kib| kib as f64 / 1_024.0),
        ),
        ("", "start, ms", 50.0, single("start")),
    ] {
        all.push(plain(workload, what, limit, value));
    }
}

fn plain(workload: &'static str, what: &str, limit: f64, value: Option<f64>) -> Verdict {
    Verdict {
        workload,
        what: what.to_owned(),
        limit,
        value,
        spread: None,
    }
}

/// The one the aims are about.
pub(crate) const OURS: &str = "ringway";

/// Most processor time per request, by that of another proxy in the same round.
const COSTS: &[(Workload, &str, f64)] = &[
    (Workload::W1, "relay", 1.08),
    (Workload::W1, "nginx", 0.78),
    (Workload::W1, "haproxy", 0.80),
    (Workload::W1, "hyper", 0.74),
    (Workload::W1, "pingora", 0.50),
    (Workload::W1, "envoy", 0.42),
    (Workload::W1, "openfaas", 0.24),
    (Workload::W2, "relay", 1.08),
    (Workload::W2, "nginx", 0.78),
    (Workload::W2, "haproxy", 0.80),
    (Workload::W2, "hyper", 0.74),
    (Workload::W2, "pingora", 0.50),
    (Workload::W2, "envoy", 0.42),
    (Workload::W2, "openfaas", 0.18),
    (Workload::W3, "relay", 0.95),
    (Workload::W3, "nginx-large", 0.88),
    (Workload::W4, "relay", 0.66),
    (Workload::W4, "nginx-large", 1.0),
    (Workload::W4, "hyper", 1.0),
    (Workload::W5, "relay", 0.80),
    (Workload::W5, "nginx-large", 1.0),
    (Workload::W5, "hyper", 1.0),
    (Workload::W8, "nginx", 1.0),
];
