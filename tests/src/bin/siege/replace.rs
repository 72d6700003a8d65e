//! The gateway's end, its successor, and replicas that die, all under load.

use std::time::{Duration, Instant};

use ringway_tests::{Client, Deployment, Gateway, Load, vice};

use crate::must;

/// Callers whose calls take three seconds, while the gateway is asked to end.
pub(crate) fn sigterm() -> Result<Vec<String>, String> {
    let mut gateway = Gateway::with(&[("RINGWAY_SHUTDOWN_GRACE", "2s")]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let address = gateway.address;
    let callers: Vec<_> = (0..CALLERS)
        .map(|i| {
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(u64::from(i) * 20));
                let mut calls = 0;
                let mut client = Client::connect(address).map_err(|e| e.to_string())?;
                loop {
                    let reply = client.request("POST", "/function/vice/slow?ms=3000", &[], b"x");
                    let reply = reply.map_err(|e| format!("after {calls} calls: {e}"))?;
                    if reply.status != 200 || reply.text() != "slow" {
                        return Err(format!("{} {}", reply.status, reply.text()));
                    }
                    calls += 1;
                    // As told, a client goes elsewhere: there is no other gateway here.
                    if reply.header("connection") == Some("close") {
                        return Ok::<u32, String>(calls);
                    }
                }
            })
        })
        .collect();
    std::thread::sleep(Duration::from_secs(5));
    let asked = Instant::now();
    let code = gateway.terminate();
    let took = asked.elapsed();
    let mut calls = 0;
    let mut failures = Vec::new();
    for caller in callers {
        match caller.join().map_err(|_| "a caller panicked")? {
            Ok(made) => calls += made,
            Err(why) => failures.push(why),
        }
    }
    let figures = vec![format!(
        "{calls} calls of {CALLERS} callers, {} failed {:?}; exit code {code:?} {:.1} s after SIGTERM",
        failures.len(),
        failures.first(),
        took.as_secs_f64()
    )];
    must(failures.is_empty(), "a call failed", &figures)?;
    must(code == Some(0), "not a clean end", &figures)?;
    Ok(figures)
}

/// Five successors, one after the other.
pub(crate) fn takeover() -> Result<Vec<String>, String> {
    let mut gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice").replicas(2), 2);
    let load = Load::start(&gateway, "/function/vice/x", 32);
    let slow = Load::start(&gateway, "/function/vice/slow?ms=1000", 8);
    load.after(2_000);
    let mut figures = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        let code = gateway.succeed();
        figures.push(format!(
            "the old one ended with {code:?} after {:.1} s",
            began.elapsed().as_secs_f64()
        ));
        must(code == Some(0), "not a clean end", &figures)?;
        load.after(2_000);
        slow.after(8);
    }
    let calls = load.calls() + slow.calls();
    let mut failures = load.finish();
    failures.extend(slow.finish());
    figures.push(format!(
        "{calls} calls, {} failed {:?}",
        failures.len(),
        failures.first()
    ));
    must(failures.is_empty(), "a call failed", &figures)?;
    Ok(figures)
}

/// SIGKILL of one of three replicas after the other, for calls that may be repeated.
pub(crate) fn kill() -> Result<Vec<String>, String> {
    let gateway = Gateway::start();
    let mark = format!("siege-{}", gateway.pid());
    let command = format!("{} {mark}", vice());
    gateway.deploy_ready(&Deployment::http("vice", &command).replicas(3), 3);
    let load = Load::start(&gateway, "/function/vice/x", 16);
    load.after(2_000);
    for _ in 0..KILLS {
        if let Some(pid) = replica(&mark) {
            kill_process(pid);
        }
        std::thread::sleep(Duration::from_millis(500));
        gateway.await_replicas("vice", 3);
    }
    let calls = load.calls();
    let failures = load.finish();
    let figures = vec![format!(
        "{KILLS} kills, {calls} calls, {} failed {:?}",
        failures.len(),
        failures.first()
    )];
    must(failures.is_empty(), "a call failed", &figures)?;
    Ok(figures)
}

/// A process that runs the marked command itself.
fn replica(mark: &str) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|p| p.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let exe = std::fs::read_link(format!("/proc/{pid}/exe"));
        let marked = String::from_utf8_lossy(&line)
            .split('\0')
            .any(|word| word == mark);
        marked && exe.is_ok_and(|exe| exe.ends_with("vice"))
    })
}

#[expect(unsafe_code, reason = "kill(2) has no safe wrapper in std")]
fn kill_process(pid: u32) {
    let Ok(pid) = libc::pid_t::try_from(pid) else {
        return;
    };
    assert!(pid > 1, "never a group, never everyone");
    // SAFETY: no memory is involved.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

const CALLERS: u32 = 50;
const KILLS: usize = 6;
