//! The rounds. A machine drifts by 10 % over minutes and by 30 % for seconds: whatever is compared
//! is measured within seconds of each other, again and again, in changing order.

use std::io::Write;

use super::slice::{saturation, slice};
use super::{Field, Plan, Results, apart, extras};
use crate::figures::median;
use crate::peer::Kind;
use crate::proc;
use crate::workload::{Loop, Workload};

/// Runs the plan.
pub(crate) fn run(field: &Field, plan: &Plan) -> anyhow::Result<Results> {
    let mut results = Results::default();
    let _going = Going(field);
    for entrant in &field.entrants {
        proc::stop(&entrant.peer.pids());
    }
    let wants_saturation = |w: &Workload| matches!(w.load(), Loop::OpenShare { .. });
    if plan.workloads.iter().any(wants_saturation) {
        results.saturation = nginx_saturation(field)?;
        match results.saturation {
            Some(rate) => println!("nginx can do {rate:.0} requests per second here"),
            None => println!("W9 is left out: it needs nginx"),
        }
    }
    let sliced: Vec<Workload> = plan.workloads.clone();
    let sliced = sliced.iter().filter(|w| w.load() != Loop::Apart);
    for round in 0..plan.rounds {
        print!("\rround {} of {} ", round + 1, plan.rounds);
        std::io::stdout().flush()?;
        for workload in sliced.clone() {
            let count = field.entrants.len();
            for turn in 0..count {
                // Another one begins in each round: none is always measured after the same one.
                let entrant = &field.entrants[(turn + round) % count];
                if !workload.concerns(entrant.kind) {
                    continue;
                }
                let rate = results.saturation;
                let slice = slice(&field.site, plan, entrant, *workload, round, rate)?;
                results.slices.extend(slice);
            }
        }
    }
    println!();
    apart::run(field, plan, &mut results)?;
    if plan.extras {
        extras::run(field, &mut results)?;
    }
    Ok(results)
}

/// Has all go on when the run is over, however it ends: a proxy that ran before goes on living.
struct Going<'f>(&'f Field);

impl Drop for Going<'_> {
    fn drop(&mut self) {
        for entrant in &self.0.entrants {
            proc::resume(&entrant.peer.pids());
        }
    }
}

fn nginx_saturation(field: &Field) -> anyhow::Result<Option<f64>> {
    let nginx = field.entrants.iter().find(|e| e.kind == Some(Kind::Nginx));
    let Some(nginx) = nginx else {
        return Ok(None);
    };
    let mut rates = Vec::new();
    for _ in 0..3 {
        rates.push(saturation(nginx)?);
    }
    Ok(Some(median(&rates)))
}
