//! One slice: the proxy goes on, is warmed, is measured, and is stopped again.

use std::cell::Cell;

use super::{Entrant, Plan, Slice};
use crate::load::{self, Closed, Mix, Outcome, Rate, Reuse};
use crate::peer::Site;
use crate::proc::{self, Cost};
use crate::workload::{Loop, Workload};

/// Connections of open loops: more than are ever busy at once on a proxy that keeps up.
const OPEN_CONNECTIONS: usize = 64;
/// Load before the measured part, enough for buffers and pools to be what they will be.
const WARM_NANOS: u64 = 50_000_000;

/// Measures one slice. `saturation` is what nginx can do, for the workloads that need it.
pub(crate) fn slice(
    site: &Site,
    plan: &Plan,
    entrant: &Entrant,
    workload: Workload,
    round: usize,
    saturation: Option<f64>,
) -> anyhow::Result<Option<Slice>> {
    let pids = entrant.peer.pids();
    proc::resume(&pids);
    if workload.is_on_one_core() {
        proc::pin(&pids, &[site.load_processor]);
    }
    let resident = proc::memory(&pids).resident;
    proc::forget_peak(&pids);
    let measured = loaded(plan, entrant, workload, saturation, &pids);
    let peak_kib = proc::memory(&pids).peak;
    if workload.is_on_one_core() {
        proc::pin(&pids, &[site.proxy_processor]);
    }
    proc::stop(&pids);
    let Some((outcome, cost)) = measured? else {
        return Ok(None);
    };
    Ok(Some(Slice {
        round,
        workload,
        peer: entrant.peer.name.clone(),
        answered: outcome.answered,
        failed: outcome.failed,
        nanos: outcome.nanos,
        cost,
        p50: outcome.latency.quantile(0.5),
        p99: outcome.latency.quantile(0.99),
        p999: outcome.latency.quantile(0.999),
        peak_kib,
        grown_kib: peak_kib.saturating_sub(resident),
    }))
}

fn loaded(
    plan: &Plan,
    entrant: &Entrant,
    workload: Workload,
    saturation: Option<f64>,
    pids: &[rustix::process::Pid],
) -> anyhow::Result<Option<(Outcome, Cost)>> {
    let address = entrant.peer.address;
    let (connections, reuse) = match workload.load() {
        Loop::Closed { connections } => (connections, Reuse::All),
        Loop::Fresh { connections } => (connections, Reuse::One),
        Loop::Open { per_second } => return paced(plan, address, workload, per_second, pids),
        Loop::OpenShare { of_nginx } => {
            let Some(saturation) = saturation else {
                return Ok(None);
            };
            return paced(plan, address, workload, saturation * of_nginx, pids);
        }
        Loop::Apart => return Ok(None),
    };
    let mut load = Closed::new(address, workload.mix(), connections, reuse)?;
    load.run(0)?;
    load.run(WARM_NANOS)?;
    let before = Cost::of(pids);
    let outcome = load.run(plan.slice_nanos)?;
    Ok(Some((outcome, Cost::of(pids).since(before))))
}

fn paced(
    plan: &Plan,
    address: std::net::SocketAddr,
    workload: Workload,
    per_second: f64,
    pids: &[rustix::process::Pid],
) -> anyhow::Result<Option<(Outcome, Cost)>> {
    let mix = workload.mix();
    let rate = Rate {
        address,
        request: mix.request(0),
        connections: OPEN_CONNECTIONS,
        per_second,
        nanos: plan.slice_nanos,
        warm_nanos: WARM_NANOS,
    };
    let before = Cell::new(Cost::default());
    let outcome = load::open(&rate, || before.set(Cost::of(pids)))?;
    Ok(Some((outcome, Cost::of(pids).since(before.get()))))
}

/// Requests per second through a proxy that runs, under W1.
pub(crate) fn saturation(entrant: &Entrant) -> anyhow::Result<f64> {
    let pids = entrant.peer.pids();
    proc::resume(&pids);
    let Loop::Closed { connections } = Workload::W1.load() else {
        return Ok(0.0);
    };
    let mix: Mix = Workload::W1.mix();
    let mut load = Closed::new(entrant.peer.address, mix, connections, Reuse::All)?;
    load.run(WARM_NANOS)?;
    let outcome = load.run(SATURATION_NANOS)?;
    proc::stop(&pids);
    Ok(outcome.answered as f64 * 1e9 / outcome.nanos as f64)
}

const SATURATION_NANOS: u64 = 500_000_000;
