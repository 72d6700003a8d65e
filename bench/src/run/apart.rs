//! W7, W12 and W13, each on processes of its own: memory per idle connection and per stream is
//! that of a proxy which has not had other work.

use std::time::Duration;

use anyhow::ensure;

use super::{Entrant, Field, Plan, Results};
use crate::figures::median;
use crate::load::{Closed, Mix, Request, Reuse, Streams};
use crate::peer::{self, Kind, Peer, RingwayForm, Site};
use crate::proc;
use crate::workload::Workload;

/// Connections of W12.
const SHARED_CONNECTIONS: usize = 1_000;
const SHARED_NANOS: u64 = 1_000_000_000;
/// How long the events of W13 are read.
const STREAM_NANOS: u64 = 3_000_000_000;

/// Runs those that are planned.
pub(crate) fn run(field: &Field, plan: &Plan, results: &mut Results) -> anyhow::Result<()> {
    let wanted = |workload| plan.workloads.contains(&workload);
    for entrant in &field.entrants {
        let Some(kind) = entrant.kind.filter(|kind| takes_part(*kind)) else {
            continue;
        };
        if wanted(Workload::W7) {
            let bytes = fresh(&field.site, kind, |peer| idle(peer, plan))?;
            results.add("idle connection", kind.name(), bytes, "bytes");
        }
        if wanted(Workload::W13) {
            fresh(&field.site, kind, |peer| streams(peer, plan, results))?;
        }
    }
    if wanted(Workload::W12) && has_ringway(&field.entrants) {
        shards(&field.site, results)?;
    }
    Ok(())
}

fn takes_part(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Direct | Kind::RingwayUnix | Kind::RingwayThousand
    )
}

fn has_ringway(entrants: &[Entrant]) -> bool {
    entrants.iter().any(|e| e.kind == Some(Kind::Ringway))
}

/// A proxy started for one measurement, and ended after it.
fn fresh<T>(
    site: &Site,
    kind: Kind,
    with: impl FnOnce(&Peer) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let peer = peer::start(site, kind)?;
    let mut warm = Closed::new(peer.address, Workload::W1.mix(), 64, Reuse::All)?;
    warm.run(100_000_000)?;
    drop(warm);
    with(&peer)
}

/// Bytes per connection that has had one request and idles.
fn idle(peer: &Peer, plan: &Plan) -> anyhow::Result<f64> {
    let settled = Duration::from_secs(2);
    std::thread::sleep(settled);
    let before = proc::memory(&peer.pids()).anonymous;
    // A few at a time: what is measured is connections at rest, not a burst of requests.
    let mut all = Vec::new();
    while all.len() * IDLE_STEP < plan.idle_connections {
        let mix = Mix::one(Request::get("/function/f0/tiny"));
        let mut some = Closed::new(peer.address, mix, IDLE_STEP, Reuse::All)?;
        let outcome = some.run(0)?;
        ensure!(
            outcome.failed == 0,
            "{}: idle connections failed",
            peer.name
        );
        all.push(some);
    }
    std::thread::sleep(plan.idle_wait.max(settled));
    let after = proc::memory(&peer.pids()).anonymous;
    let count: usize = all.iter().map(Closed::connections).sum();
    Ok(after.saturating_sub(before) as f64 * 1_024.0 / count as f64)
}

fn streams(peer: &Peer, plan: &Plan, results: &mut Results) -> anyhow::Result<()> {
    let before = proc::memory(&peer.pids()).anonymous;
    let mut streams = Streams::open(&peer.address, "/function/f0/sse", plan.streams)?;
    streams.read(SETTLE_NANOS)?;
    let (events, late) = streams.read(STREAM_NANOS)?;
    let after = proc::memory(&peer.pids()).anonymous;
    let name = peer.name.as_str();
    let count = streams.count();
    if count < plan.streams {
        results.add(
            "streams that ended",
            name,
            (plan.streams - count) as f64,
            "",
        );
    }
    let per_stream = after.saturating_sub(before) as f64 / count as f64;
    results.add("stream", name, per_stream, "KiB");
    for (what, share) in [
        ("event p50", 0.5),
        ("event p99", 0.99),
        ("event p99.9", 0.999),
    ] {
        results.add(what, name, late.quantile(share) as f64 / 1e6, "ms");
    }
    let seconds = STREAM_NANOS as f64 / 1e9;
    results.add("events per second", name, events as f64 / seconds, "");
    Ok(())
}

/// How evenly two shards share, as the most by the least; the median of several starts.
fn shards(site: &Site, results: &mut Results) -> anyhow::Result<()> {
    let form = RingwayForm {
        shards: 2,
        ..RingwayForm::of(Kind::Ringway)
    };
    let (mut connections, mut requests) = (Vec::new(), Vec::new());
    for _ in 0..SHARED_STARTS {
        let peer = site.ringway("ringway-2-shards", form, site.functions[0])?;
        let Some(metrics) = peer.metrics else {
            continue;
        };
        let mix = Workload::W1.mix();
        let mut load = Closed::new(peer.address, mix, SHARED_CONNECTIONS, Reuse::All)?;
        load.run(0)?;
        let open = peer::by_shard(&metrics, "ringway_connections")?;
        let before = peer::by_shard(&metrics, "ringway_requests_total")?;
        load.run(SHARED_NANOS)?;
        let after = peer::by_shard(&metrics, "ringway_requests_total")?;
        let served: Vec<u64> = after.iter().zip(&before).map(|(a, b)| a - b).collect();
        ensure!(
            open.len() == 2 && served.len() == 2,
            "two shards, not {open:?}"
        );
        connections.push(most_by_least(&open));
        requests.push(most_by_least(&served));
    }
    let name = Kind::Ringway.name();
    results.add("connections, most / least", name, median(&connections), "");
    results.add("requests, most / least", name, median(&requests), "");
    Ok(())
}

fn most_by_least(values: &[u64]) -> f64 {
    let most = values.iter().max().copied().unwrap_or(0);
    let least = values.iter().min().copied().unwrap_or(0);
    most as f64 / least.max(1) as f64
}

const IDLE_STEP: usize = 50;
const SETTLE_NANOS: u64 = 1_000_000_000;
const SHARED_STARTS: usize = 3;
