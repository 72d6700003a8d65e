//! Start, system calls and allocations.

use std::time::Instant;

use super::{Entrant, Field, Results};
use crate::figures::median;
use crate::load::{Closed, Reuse};
use crate::peer::{self, Kind, Site};
use crate::proc;
use crate::workload::Workload;

use super::plane::allocations;

const STARTS: usize = 5;
const COUNTED_NANOS: u64 = 500_000_000;

/// Takes them of every proxy that can be started here.
pub(crate) fn run(field: &Field, results: &mut Results) -> anyhow::Result<()> {
    for entrant in &field.entrants {
        let Some(kind) = entrant.kind.filter(|kind| *kind != Kind::Direct) else {
            continue;
        };
        starts(&field.site, kind, results)?;
        if kind != Kind::RingwayThousand {
            counted(entrant, results)?;
        }
    }
    if field
        .entrants
        .iter()
        .any(|e| e.kind.is_some_and(Kind::is_ours))
    {
        allocations(&field.site, results)?;
    }
    Ok(())
}

/// From exec to the first request that passes through.
fn starts(site: &Site, kind: Kind, results: &mut Results) -> anyhow::Result<()> {
    let mut millis = Vec::new();
    for _ in 0..STARTS {
        let began = Instant::now();
        let peer = peer::start(site, kind)?;
        millis.push(began.elapsed().as_secs_f64() * 1e3);
        drop(peer);
    }
    results.add("start", kind.name(), median(&millis), "ms");
    Ok(())
}

/// System calls per request under W1, by whichever of the two tools there are.
fn counted(entrant: &Entrant, results: &mut Results) -> anyhow::Result<()> {
    let name = entrant.peer.name.as_str();
    let pids = entrant.peer.pids();
    for (tool, what) in [
        ("perf", "system calls"),
        ("strace", "system calls (strace)"),
    ] {
        if peer::find(tool).is_none() {
            continue;
        }
        proc::resume(&pids);
        let mut load = Closed::new(entrant.peer.address, Workload::W1.mix(), 64, Reuse::All)?;
        load.run(50_000_000)?;
        let mut answered = 0;
        let calls = proc::calls(tool, &pids, || {
            answered = load.run(COUNTED_NANOS)?.answered;
            Ok(())
        });
        proc::resume(&pids);
        drop(load);
        proc::stop(&pids);
        let calls = match calls {
            Ok(calls) => calls,
            Err(error) => {
                println!("{name}: no system calls by {tool}: {error:#}");
                continue;
            }
        };
        let per = |count: u64| count as f64 / answered.max(1) as f64;
        results.add(what, name, per(calls.all), "per request");
        for (call, count) in calls.by_name.iter().filter(|(_, n)| per(*n) >= 0.000_5) {
            results.add(
                &format!("{call} ({})", calls.tool),
                name,
                per(*count),
                "per request",
            );
        }
    }
    Ok(())
}
