//! What a draining queue does to callers who wait.

use std::time::Instant;

use ringway_tests::Pace;

use crate::clients::Clients;
use crate::scene::Scene;

/// The same pace with an idle queue, and while it drains.
pub(crate) fn beside() -> Result<Vec<String>, String> {
    let scene = Scene::new(&[], 0);
    let address = scene.gateway.address;
    let idle = PACE.run(address);
    scene.hold(true);
    let clients = Clients::start(address, "/async-function/tally", 32, 250_000);
    let (ids, _) = clients.end();
    scene.hold(false);
    let before = scene.pending();
    let began = Instant::now();
    let busy = PACE.run(address);
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
    if let Some(error) = idle.errors.iter().chain(&busy.errors).next() {
        return failed(error);
    }
    if busy.quantile_of_all(0.99) > 2.0 * idle.quantile_of_all(0.99) {
        return failed("p99 more than doubled");
    }
    Ok(figures)
}

const PACE: Pace = Pace {
    rate: 500,
    calls: 5_000,
    threads: 10,
    body: b"x",
    target: "/function/tally",
};
