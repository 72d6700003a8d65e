//! One gateway's soak from its start to its end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringway_tests::{Gateway, Pace, Paced};

use crate::order::Order;
use crate::sampler::{Samples, descriptors, kinds};
use crate::stage::Stage;
use crate::tally::Tally;
use crate::{acts, moves};

/// What there is to say, and what was wrong.
pub(crate) type Report = (Vec<String>, Vec<String>);

/// `Err` when there was no soak.
pub(crate) fn run(driver: &'static str, order: Order) -> Result<Report, String> {
    let mut gateway = Gateway::with(&[("RINGWAY_DRIVER", driver)]);
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let path = folder.path().join("tally");
    let base = held(&gateway);
    let over = AtomicBool::new(false);
    let (mut report, tally) = std::thread::scope(|scope| {
        let listener = scope.spawn(|| Tally::listen(&path, &over));
        let path = path.display().to_string();
        // The listener must be told of the end, whatever happens.
        let soak = AssertUnwindSafe(|| soak(&gateway, &path, order, base));
        let report = catch_unwind(soak).unwrap_or_else(|_| Err("panicked".into()));
        over.store(true, Ordering::Relaxed);
        let tally = listener.join().map_err(|_| "the tally panicked")?;
        Ok::<_, String>((report?, tally.map_err(|e| e.to_string())?))
    })?;
    let (lines, wrongs) = &mut report.0;
    lines.push(format!(
        "unsafe repeats {} of {} POSTs that functions told of",
        tally.repeats, tally.seen
    ));
    if tally.repeats > 0 {
        wrongs.push(format!("{} unsafe repeats", tally.repeats));
    }
    if tally.seen < report.1 {
        wrongs.push(format!(
            "{} POSTs were answered, more than told of",
            report.1
        ));
    }
    let asked = Instant::now();
    let code = gateway.terminate();
    lines.push(format!(
        "exit code {code:?} {:.1} s after SIGTERM",
        asked.elapsed().as_secs_f64()
    ));
    if code != Some(0) {
        wrongs.push(format!("exit code {code:?}"));
    }
    Ok(report.0)
}

/// The load, from the functions' deployment to their deletion; and how many POSTs were answered.
fn soak(
    gateway: &Gateway,
    tally: &str,
    order: Order,
    base: usize,
) -> Result<(Report, u64), String> {
    let stage = Stage::new(gateway, tally);
    moves::set(&stage);
    let began = Instant::now();
    let (samples, seconds, [first, last]) = std::thread::scope(|scope| {
        let stage = &stage;
        let sampler = scope.spawn(|| Samples::take(stage));
        scope.spawn(|| moves::play(stage, order.seed));
        for actor in 1..=ACTORS {
            let seed = order.seed.wrapping_add(actor << 32);
            scope.spawn(move || acts::play(stage, seed));
        }
        let probes = catch_unwind(|| probe(gateway, order));
        let seconds = began.elapsed().as_secs_f64();
        stage.end();
        let samples = sampler.join().map_err(|_| "the sampler panicked")?;
        let probes = probes.map_err(|_| "the probe panicked")?;
        Ok::<_, String>((samples, seconds, probes))
    })?;
    let settled = settled(&stage, base);
    let books = stage.books();
    let (mut lines, mut wrongs) = (books.lines(seconds), books.wrongs());
    lines.extend(samples.lines());
    wrongs.extend(samples.wrongs(order));
    let (before, after) = (first.quantile(0.999), last.quantile(0.999));
    let ratio = after / before;
    lines.push(format!(
        "p99.9 of {PROBES_PER_SECOND} timed calls per second: {before:.2} ms in the first quarter, \
         {after:.2} ms in the last, ratio {ratio:.2} (while the host ran the machine)"
    ));
    if order.is_long() && ratio > RATIO_MAX {
        wrongs.push(format!("p99.9 grew to {ratio:.2} of what it was"));
    }
    wrongs.extend(first.errors.into_iter().chain(last.errors).take(10));
    let changes = books.changed() as f64;
    if changes < seconds - 1.0 {
        wrongs.push(format!("{changes} changes of the table in {seconds:.0} s"));
    }
    lines.push(format!("sent again by the gateway: {}", retries(gateway)));
    match settled {
        Ok(line) => lines.push(line),
        Err(why) => wrongs.push(why),
    }
    Ok(((lines, wrongs), books.posts))
}

/// Timed calls in the first and in the last quarter of the time.
fn probe(gateway: &Gateway, order: Order) -> [Paced; 2] {
    let quarter = order.time() / 4;
    let calls = (quarter.as_secs_f64() * f64::from(PROBES_PER_SECOND)) as u32;
    let pace = Pace {
        rate: PROBES_PER_SECOND,
        calls,
        threads: 4,
        body: b"x",
        target: "/function/probe/x",
    };
    let first = pace.run(gateway.address);
    std::thread::sleep(quarter * 2);
    [first, pace.run(gateway.address)]
}

/// Waits until the gateway has no call any more, and without functions no connection either.
fn settled(stage: &Stage<'_>, base: usize) -> Result<String, String> {
    let gateway = stage.gateway;
    await_none(|| {
        let page = gateway.metrics_text();
        let sums = GAUGES.iter().map(|family| (family, sum(&page, family)));
        let left = sums.filter(|(_, sum)| *sum != Some(0.0));
        left.map(|(family, sum)| format!("{family} {sum:?}"))
            .collect()
    })?;
    moves::strike(stage)?;
    await_none(|| {
        let open = held(gateway);
        if open <= base + LATE {
            return Vec::new();
        }
        let mut left = kinds(gateway);
        left.insert(0, format!("{open} descriptors, {base} before it"));
        left
    })?;
    Ok(
        "after the load: no call in flight or parked, no panic; without functions no descriptor \
        more than before"
            .to_owned(),
    )
}

/// Descriptors but for those of idle connections to the control plane, which is in the same
/// process at their other end: how many of these are kept is chance.
fn held(gateway: &Gateway) -> usize {
    let idle = sum(&gateway.metrics_text(), "ringway_upstream_connections");
    descriptors(gateway).saturating_sub(2 * idle.unwrap_or(0.0) as usize)
}

/// Waits until nothing is left.
fn await_none(left: impl Fn() -> Vec<String>) -> Result<(), String> {
    let until = Instant::now() + SETTLE_PATIENCE;
    loop {
        let left = left();
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(format!("after the load: {}", left.join(", ")));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Over all series of a family; `None` if there is none.
fn sum(page: &str, family: &str) -> Option<f64> {
    let values = page.lines().filter_map(|line| {
        let rest = line.strip_prefix(family)?;
        let value = rest
            .starts_with(['{', ' '])
            .then(|| rest.rsplit(' ').next());
        value??.parse::<f64>().ok()
    });
    values.reduce(|a, b| a + b)
}

fn retries(gateway: &Gateway) -> String {
    let page = gateway.metrics_text();
    let lines = page
        .lines()
        .filter_map(|line| line.strip_prefix("ringway_retries_total"));
    lines.collect::<Vec<_>>().join(", ")
}

/// Families that are 0 while nothing happens, or while all is well.
const GAUGES: [&str; 6] = [
    "ringway_inflight",
    "ringway_parked",
    "gateway_function_invocation_inflight",
    "ringway_panics_total",
    "ringway_task_panics_total",
    "ringway_shards_stuck",
];
/// Clients at once, each a thread.
const ACTORS: u64 = 12;
const PROBES_PER_SECOND: u32 = 100;
/// Last quarter to first, in a long run.
const RATIO_MAX: f64 = 2.0;
/// What the queue opens at first use and keeps: up to four connections that read, of two files.
const LATE: usize = 8;
/// Longer than idle connections to functions are kept.
const SETTLE_PATIENCE: Duration = Duration::from_secs(40);
