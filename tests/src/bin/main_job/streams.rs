//! Streams: delay from a function's write to the client's read; long silences.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringway_tests::{Client, Deployment, Gateway};

use crate::must;

pub(crate) fn drip() -> Result<String, String> {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let script = "sh -c 'for i in $(seq 100); do echo data: $i $(date +%s%6N); sleep 0.02; done'";
    gateway.deploy_ready(&Deployment::streaming("ticks", script), 1);
    let mut figures = Vec::new();
    for (name, target) in [
        ("http", "/function/vice/drip?n=100&ms=20"),
        ("streaming", "/function/ticks"),
    ] {
        let mut delays = delays(&gateway, target, 100)?;
        delays.sort_unstable();
        let (median, worst) = (delays[delays.len() / 2], delays[delays.len() - 1]);
        figures.push(format!("{name}: median {median} us, worst {worst} us"));
        must(worst < 50_000, || figures.join("; "))?;
    }
    Ok(figures.join("; "))
}

/// Microseconds from each line's own time to its arrival.
fn delays(gateway: &Gateway, target: &str, lines: usize) -> Result<Vec<u64>, String> {
    let mut client = Client::connect(gateway.address).map_err(|e| e.to_string())?;
    client
        .send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
        .map_err(|e| e.to_string())?;
    while !client.line().map_err(|e| e.to_string())?.is_empty() {}
    let mut delays = Vec::new();
    while delays.len() < lines {
        let size = client.line().map_err(|e| e.to_string())?;
        let size = usize::from_str_radix(&size, 16).map_err(|e| e.to_string())?;
        let piece = client.exactly(size + 2).map_err(|e| e.to_string())?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(|e| e.to_string())?;
        for line in String::from_utf8_lossy(&piece)
            .lines()
            .filter(|l| l.starts_with("data:"))
        {
            let written: u64 = line
                .rsplit(' ')
                .next()
                .and_then(|t| t.parse().ok())
                .unwrap_or(0);
            delays.push(
                u64::try_from(now.as_micros())
                    .unwrap_or(u64::MAX)
                    .saturating_sub(written),
            );
        }
    }
    Ok(delays)
}

pub(crate) fn gaps() -> Result<String, String> {
    uncut(6)
}

pub(crate) fn long_gaps() -> Result<String, String> {
    uncut(120)
}

/// A stream of `gaps` silences of 5 s.
fn uncut(gaps: usize) -> Result<String, String> {
    let two = "2s";
    let gateway = Gateway::with(&[
        ("RINGWAY_IDLE_TIMEOUT", two),
        ("read_timeout", two),
        ("write_timeout", two),
        ("upstream_timeout", two),
    ]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let target = format!("/function/vice/drip?n={}&ms=5000", gaps + 1);
    let mut client = Client::connect(gateway.address).map_err(|e| e.to_string())?;
    let started = std::time::Instant::now();
    let reply = client
        .request("GET", &target, &[], b"")
        .map_err(|e| e.to_string())?;
    let lines = reply.text().matches("data: ").count();
    must(reply.complete && lines == gaps + 1, || {
        format!("cut after {lines} lines")
    })?;
    must(
        started.elapsed() >= Duration::from_secs(5 * gaps as u64),
        || "too short".into(),
    )?;
    Ok(format!(
        "{lines} lines in {:.0} s, uncut",
        started.elapsed().as_secs_f64()
    ))
}
