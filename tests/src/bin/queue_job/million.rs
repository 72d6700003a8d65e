//! A very long queue.

use std::time::{Duration, Instant};

use crate::clients::{Clients, quantile};
use crate::scene::{A_WHILE, NOTHING_RUNS, Scene};

/// Memory, status and lists while a million calls are queued.
pub(crate) fn queued() -> Result<Vec<String>, String> {
    let mut scene = Scene::new(&NOTHING_RUNS, A_WHILE);
    let mut figures = Vec::new();
    let mut first = 0;
    for step in 1..=STEPS {
        let began = Instant::now();
        let clients = Clients::start(
            scene.gateway.address,
            "/async-function/tally",
            64,
            CALLS / STEPS,
        );
        let (ids, times) = clients.end();
        let resident = scene.gateway.resident_kib() / 1024;
        if step == 1 {
            first = resident;
        }
        figures.push(format!(
            "{:>8.0} queued: {:>6.0} per second, p99 {:.1} ms, {resident} MiB resident, {}",
            scene.pending(),
            ids.len() as f64 / began.elapsed().as_secs_f64(),
            quantile(&times, 0.99),
            looks(&scene)?,
        ));
    }
    let last = scene.gateway.resident_kib() / 1024;
    let began = Instant::now();
    scene.gateway.restart();
    figures.push(format!(
        "restarted in {:.2} s, {} queued, {} MiB resident",
        began.elapsed().as_secs_f64(),
        scene.pending(),
        scene.gateway.resident_kib() / 1024
    ));
    if last > first + MIB_MORE {
        return Err(format!("the memory grows\n   {}", figures.join("\n   ")));
    }
    Ok(figures)
}

/// How long questions take.
fn looks(scene: &Scene) -> Result<String, String> {
    let slowest = |target: &str| {
        let times = (0..20).map(|_| {
            let began = Instant::now();
            let reply = scene.gateway.call("GET", target, b"");
            (began.elapsed(), reply)
        });
        let answers: Vec<_> = times.collect();
        let slowest = answers.iter().map(|(t, _)| *t).max().unwrap_or_default();
        (slowest, answers.into_iter().next().map(|(_, reply)| reply))
    };
    let (list, reply) = slowest("/system/async-calls?state=queued&function=tally&limit=100");
    let page: serde_json::Value = reply
        .and_then(|reply| serde_json::from_slice(&reply.body).ok())
        .ok_or("no list")?;
    let id = page["calls"][50]["jobId"]
        .as_str()
        .ok_or("no call in the list")?;
    let (status, _) = slowest(&format!("/async-function/{id}"));
    let (metrics, _) = slowest("/metrics");
    let limit = Duration::from_millis(500);
    if list > limit || status > limit {
        return Err(format!("slow: list {list:?}, status {status:?}"));
    }
    let millis = |d: Duration| d.as_secs_f64() * 1_000.0;
    Ok(format!(
        "slowest of 20: status {:.1} ms, list {:.1} ms, metrics {:.1} ms",
        millis(status),
        millis(list),
        millis(metrics)
    ))
}

const CALLS: usize = 1_000_000;
const STEPS: usize = 5;
/// Caches that fill, not a queue that is held.
const MIB_MORE: u64 = 64;
