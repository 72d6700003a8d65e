//! What a draining queue does to callers who wait.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringway_tests::Client;

use crate::clients::{Clients, quantile};
use crate::halts::{Halt, Watch};
use crate::scene::Scene;

/// The same pace with an idle queue, and while it drains.
pub(crate) fn beside() -> Result<Vec<String>, String> {
    let scene = Scene::new(&[], 0);
    let address = scene.gateway.address;
    let idle = Calls::of(address)?;
    scene.hold(true);
    let clients = Clients::start(address, "/async-function/tally", 32, 100_000);
    let (ids, _) = clients.end();
    scene.hold(false);
    let before = scene.pending();
    let began = Instant::now();
    let busy = Calls::of(address)?;
    let after = scene.pending();
    let rate = (before - after) / began.elapsed().as_secs_f64();
    let mut figures = idle.lines("idle queue    ");
    figures.extend(busy.lines("draining queue"));
    figures.push(format!(
        "{} were queued, {before} left when it began, {after} when it ended: {rate:.0} per second",
        ids.len()
    ));
    let failed = |why: &str| Err(format!("{why}\n   {}", figures.join("\n   ")));
    if after <= 0.0 {
        return failed("the queue was empty too soon");
    }
    if quantile(&busy.running, 0.99) > 2.0 * quantile(&idle.running, 0.99) {
        return failed("p99 more than doubled");
    }
    Ok(figures)
}

/// How long calls took, shortest first.
struct Calls {
    all: Vec<Duration>,
    /// Those during which the machine ran; all of them where that cannot be told.
    running: Vec<Duration>,
    halts: Option<Vec<Halt>>,
}

impl Calls {
    fn of(address: SocketAddr) -> Result<Self, String> {
        let watch = Watch::start();
        let calls = paced(address)?;
        let halts = watch.map(Watch::end);
        let untouched = |call: &Call| {
            let mut halts = halts.iter().flatten();
            !halts.any(|(from, to)| call.due < *to && *from < call.due + call.took)
        };
        let running = sorted(calls.iter().filter(|call| untouched(call)));
        Ok(Self {
            all: sorted(calls.iter()),
            running,
            halts,
        })
    }

    fn lines(&self, what: &str) -> Vec<String> {
        let line = |which: &str, times: &[Duration]| {
            let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|q| quantile(times, q));
            let count = times.len();
            format!("{what}: p50 {p50:.2} ms, p99 {p99:.2} ms, p99.9 {p999:.2} ms, {count} {which}")
        };
        let mut lines = vec![line("calls, 0 errors", &self.all)];
        if let Some(halts) = &self.halts {
            let stood: Duration = halts.iter().map(|(from, to)| *to - *from).sum();
            lines.push(line("of them while the machine ran", &self.running));
            lines.push(format!(
                "{what}: the host halted a CPU {} times, {} ms in all",
                halts.len(),
                stood.as_millis()
            ));
        }
        lines
    }
}

fn sorted<'a>(calls: impl Iterator<Item = &'a Call>) -> Vec<Duration> {
    let mut times: Vec<_> = calls.map(|call| call.took).collect();
    times.sort_unstable();
    times
}

/// When a call was to be sent, and how long after that its reply was there.
struct Call {
    due: Instant,
    took: Duration,
}

/// 500 calls per second for ten seconds, each timed from when it was due.
fn paced(address: SocketAddr) -> Result<Vec<Call>, String> {
    let began = Instant::now();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| std::thread::spawn(move || one(address, thread, began)))
        .collect();
    let mut calls = Vec::new();
    for thread in threads {
        calls.extend(thread.join().map_err(|_| "a client panicked")??);
    }
    Ok(calls)
}

fn one(address: SocketAddr, thread: u32, began: Instant) -> Result<Vec<Call>, String> {
    let mut client = Client::connect(address).map_err(|e| e.to_string())?;
    let mut calls = Vec::new();
    for n in 0..CALLS / THREADS {
        let due = began + (n * THREADS + thread) * Duration::from_micros(1_000_000 / RATE);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let reply = client.request("POST", "/function/tally", &[], b"x");
        let reply = reply.map_err(|e| e.to_string())?;
        if reply.status != 200 {
            return Err(format!("status {}", reply.status));
        }
        let took = due.elapsed();
        calls.push(Call { due, took });
    }
    Ok(calls)
}

const RATE: u64 = 500;
const CALLS: u32 = 5_000;
const THREADS: u32 = 10;
