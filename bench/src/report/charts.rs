//! Which charts a run has.

use super::chart::{Bar, Chart, Tone};
use crate::figures::Metric;
use crate::run::Results;
use crate::target::OURS;
use crate::workload::Workload;

/// All that there are figures for.
pub(super) fn charts(results: &Results) -> Vec<Chart> {
    let mut all = Vec::new();
    for workload in Workload::ALL {
        if workload.is_about_latency() {
            all.extend(latency(results, workload, Metric::P50));
            all.extend(latency(results, workload, Metric::P99));
        } else {
            all.extend(cost(results, workload));
        }
    }
    for (what, title, unit) in SINGLES {
        all.extend(single(results, what, title, unit));
    }
    all
}

fn tone(peer: &str) -> Tone {
    match peer {
        "relay" | "direct" => Tone::Floor,
        _ if peer.starts_with(OURS) => Tone::Ours,
        _ => Tone::Other,
    }
}

fn sorted(mut bars: Vec<Bar>) -> Vec<Bar> {
    bars.sort_by(|a, b| a.value.total_cmp(&b.value));
    bars
}

fn cost(results: &Results, workload: Workload) -> Option<Chart> {
    let bars = results.peers(workload).into_iter().filter_map(|peer| {
        let place = (workload, peer);
        let cost = results.spread(place, Metric::Cost)?;
        let rate = results.spread(place, Metric::PerSecond)?.median;
        let ratio = results.ratio(place, (workload, "relay"), Metric::Cost);
        let note = match ratio.filter(|_| peer != "relay") {
            Some(ratio) => format!("{:.2} of relay, {rate:.0}/s", ratio.median),
            None => format!("{rate:.0}/s"),
        };
        Some(Bar {
            label: peer.to_owned(),
            value: cost.median,
            spread: Some((cost.p10, cost.p90)),
            note,
            tone: tone(peer),
        })
    });
    let bars = sorted(bars.collect());
    let floor = results.spread((workload, "relay"), Metric::Cost);
    (!bars.is_empty()).then(|| Chart {
        name: format!("{}-cpu", workload.name().to_lowercase()),
        title: format!("{}: {}", workload.name(), workload.about()),
        about: "Processor time per request; lower is better. Line: p10 to p90 over rounds."
            .to_owned(),
        unit: "us",
        bars,
        floor: floor.map(|floor| (floor.median, "the relay, no HTTP")),
        is_in_readme: true,
    })
}

fn latency(results: &Results, workload: Workload, metric: Metric) -> Option<Chart> {
    let bars = results.peers(workload).into_iter().filter_map(|peer| {
        let figures = results.spread((workload, peer), metric)?;
        Some(Bar {
            label: peer.to_owned(),
            value: figures.median,
            spread: Some((figures.p10, figures.p90)),
            note: String::new(),
            tone: tone(peer),
        })
    });
    let bars = sorted(bars.collect());
    let (short, long) = match metric {
        Metric::P99 => ("p99", "99 of 100 requests are answered within this"),
        _ => ("p50", "Half of the requests are answered within this"),
    };
    (!bars.is_empty()).then(|| Chart {
        name: format!("{}-{short}", workload.name().to_lowercase()),
        title: format!("{}, {short}: {}", workload.name(), workload.about()),
        about: format!("{long}; lower is better. Line: p10 to p90 over rounds."),
        unit: "us",
        bars,
        floor: None,
        is_in_readme: matches!(workload, Workload::W9High | Workload::W10),
    })
}

fn single(results: &Results, what: &str, title: &str, unit: &'static str) -> Option<Chart> {
    let found = results.singles.iter().filter(|single| single.what == what);
    let bars = found.map(|single| Bar {
        label: single.peer.clone(),
        value: single.value,
        spread: None,
        note: String::new(),
        tone: tone(&single.peer),
    });
    let bars = sorted(bars.collect());
    (bars.len() > 1).then(|| Chart {
        name: what.replace([' ', '.', '(', ')'], "-"),
        title: title.to_owned(),
        about: "Lower is better.".to_owned(),
        unit,
        bars,
        floor: None,
        is_in_readme: what == "idle connection",
    })
}

const SINGLES: [(&str, &str, &str); 5] = [
    (
        "idle connection",
        "W7: memory of an idle connection",
        "bytes",
    ),
    ("stream", "W13: memory of an open event stream", "KiB"),
    (
        "event p99",
        "W13: 99 of 100 events arrive within this of being written",
        "ms",
    ),
    ("system calls", "System calls per request under W1", ""),
    (
        "start",
        "From exec to the first request that passes through",
        "ms",
    ),
];
