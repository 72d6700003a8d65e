//! What a draining queue does to callers who wait.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringway_tests::Client;

use crate::clients::{Clients, quantile};
use crate::scene::Scene;

/// The same pace with an idle queue, and while it drains.
pub(crate) fn beside() -> Result<Vec<String>, String> {
    let scene = Scene::new(&[], 0);
    let address = scene.gateway.address;
    let idle = paced(address)?;
    scene.hold(true);
    let clients = Clients::start(address, "/async-function/tally", 32, 100_000);
    let (ids, _) = clients.end();
    scene.hold(false);
    let before = scene.pending();
    let began = Instant::now();
    let busy = paced(address)?;
    let after = scene.pending();
    let rate = (before - after) / began.elapsed().as_secs_f64();
    let line = |what: &str, times: &[Duration]| {
        format!(
            "{what}: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, 0 errors of {}",
            quantile(times, 0.5),
            quantile(times, 0.99),
            quantile(times, 0.999),
            times.len()
        )
    };
    let figures = vec![
        line("idle queue    ", &idle),
        line("draining queue", &busy),
        format!(
            "{} were queued, {before} left when it began, {after} when it ended: {rate:.0} per second",
            ids.len()
        ),
    ];
    if after <= 0.0 {
        return Err(format!(
            "the queue was empty too soon\n   {}",
            figures.join("\n   ")
        ));
    }
    if quantile(&busy, 0.99) > 2.0 * quantile(&idle, 0.99) {
        return Err(format!(
            "p99 more than doubled\n   {}",
            figures.join("\n   ")
        ));
    }
    Ok(figures)
}

/// 500 calls per second for ten seconds, each timed from when it was due.
fn paced(address: SocketAddr) -> Result<Vec<Duration>, String> {
    let began = Instant::now();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| std::thread::spawn(move || one(address, thread, began)))
        .collect();
    let mut times = Vec::new();
    for thread in threads {
        times.extend(thread.join().map_err(|_| "a client panicked")??);
    }
    times.sort_unstable();
    Ok(times)
}

fn one(address: SocketAddr, thread: u32, began: Instant) -> Result<Vec<Duration>, String> {
    let mut client = Client::connect(address).map_err(|e| e.to_string())?;
    let mut times = Vec::new();
    for n in 0..CALLS / THREADS {
        let due = began + (n * THREADS + thread) * Duration::from_micros(1_000_000 / RATE);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let reply = client.request("POST", "/function/tally", &[], b"x");
        let reply = reply.map_err(|e| e.to_string())?;
        if reply.status != 200 {
            return Err(format!("status {}", reply.status));
        }
        times.push(due.elapsed());
    }
    Ok(times)
}

const RATE: u64 = 500;
const CALLS: u32 = 5_000;
const THREADS: u32 = 10;
