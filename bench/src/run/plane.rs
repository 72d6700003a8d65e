//! Allocations per request: Ringway's data plane in a program whose allocator counts.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, ensure};

use super::Results;
use crate::load::{Closed, Reuse};
use crate::peer::Site;
use crate::workload::Workload;

/// The workloads whose requests are counted.
const COUNTED: [Workload; 3] = [Workload::W1, Workload::W2, Workload::W3];
const LOAD_NANOS: u64 = 300_000_000;
const WARM_UPS: usize = 5;

/// Counts them with both drivers.
pub(crate) fn allocations(site: &Site, results: &mut Results) -> anyhow::Result<()> {
    let program = site.program.with_file_name("ringway-bench-plane");
    if !program.is_file() {
        println!("no allocations: {} is not built", program.display());
        return Ok(());
    }
    for driver in ["io_uring", "epoll"] {
        let mut child = Command::new(&program)
            .args([
                "--driver",
                driver,
                "--function",
                &site.functions[0].to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let counted = count(&mut child, results, driver);
        drop(child.stdin.take());
        child.wait()?;
        counted?;
    }
    Ok(())
}

fn count(
    child: &mut std::process::Child,
    results: &mut Results,
    driver: &str,
) -> anyhow::Result<()> {
    let mut orders = child.stdin.take().context("no input")?;
    let mut answers = BufReader::new(child.stdout.take().context("no output")?);
    let mut line = String::new();
    answers.read_line(&mut line)?;
    let address = line.trim().parse().context("the plane says no address")?;
    for workload in COUNTED {
        let mut load = Closed::new(address, workload.mix(), 64, Reuse::All)?;
        // Until as many buffers have been needed at once as will be.
        for _ in 0..WARM_UPS {
            load.run(LOAD_NANOS)?;
        }
        let before = ask(&mut orders, &mut answers)?;
        let answered = load.run(LOAD_NANOS)?.answered;
        let after = ask(&mut orders, &mut answers)?;
        ensure!(answered > 0, "no request was answered");
        let what = format!("allocations {} ({driver})", workload.name());
        let per = (after - before) as f64 / answered as f64;
        results.add(&what, "ringway", per, "per request");
    }
    Ok(())
}

fn ask(orders: &mut ChildStdin, answers: &mut BufReader<ChildStdout>) -> anyhow::Result<u64> {
    orders.write_all(b"?")?;
    let mut line = String::new();
    answers.read_line(&mut line)?;
    line.trim().parse().context("the plane says no count")
}
