//! How many durable 202s per second.

use std::time::Instant;

use crate::clients::{Clients, quantile};
use crate::scene::{A_WHILE, NOTHING_RUNS, Scene};

/// Nothing is executed meanwhile: what is measured is the taking in.
pub(crate) fn enqueue() -> Result<Vec<String>, String> {
    let scene = Scene::new(&NOTHING_RUNS, A_WHILE);
    let mut figures = Vec::new();
    let counters = || {
        let cpu = scene
            .gateway
            .metric("process_cpu_seconds_total")
            .unwrap_or(0.0);
        (cpu, Instant::now())
    };
    for (clients, wanted) in [(1, 2_000), (16, 20_000), (64, 100_000)] {
        let (cpu, began) = counters();
        let run = Clients::start(
            scene.gateway.address,
            "/async-function/tally",
            clients,
            wanted,
        );
        let (ids, times) = run.end();
        let (cpu_after, _) = counters();
        let seconds = began.elapsed().as_secs_f64();
        figures.push(format!(
            "{clients:>3} clients: {:>6.0} per second, p50 {:.2} ms, p99 {:.2} ms, gateway's CPU {:.2} cores",
            ids.len() as f64 / seconds,
            quantile(&times, 0.5),
            quantile(&times, 0.99),
            (cpu_after - cpu) / seconds,
        ));
    }
    Ok(figures)
}
