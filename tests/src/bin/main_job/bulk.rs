//! Bodies of 1 byte, 1 MiB and 1 GiB through `cat`, by curl, and what they cost in memory.

use std::process::{Command, Stdio};

use ringway_tests::{Deployment, Gateway};

use crate::{memory_kib, must, processes};

/// Peak resident memory allowed to the gateway and to the watchdog.
const PEAK_KIB_MAX: u64 = 64 * 1024;

pub(crate) fn sizes() -> Result<String, String> {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::streaming("cat", "cat"), 1);
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    for bytes in [1u64, 1 << 20, 1 << 30] {
        let file = folder.path().join("body");
        let made = shell(&format!(
            "head -c {bytes} /dev/urandom | tee {} | sha256sum",
            file.display()
        ))?;
        let url = format!("http://{}/function/cat", gateway.address);
        let came = shell(&format!(
            "curl -sS --fail -X POST -H 'Expect:' -T {} {url} | sha256sum",
            file.display()
        ))?;
        must(made == came, || {
            format!("{bytes} bytes: sent {made}, came back {came}")
        })?;
    }
    let gateway_peak = memory_kib(gateway.pid(), "VmHWM");
    let watchdogs = processes("ringway watchdog");
    let watchdog_peak = watchdogs
        .iter()
        .map(|pid| memory_kib(*pid, "VmHWM"))
        .max()
        .unwrap_or(0);
    let figure = format!("peak RSS: gateway {gateway_peak} KiB, watchdog {watchdog_peak} KiB");
    must(watchdog_peak > 0 && gateway_peak > 0, || {
        format!("no memory was read: {figure}")
    })?;
    must(gateway_peak.max(watchdog_peak) < PEAK_KIB_MAX, || {
        figure.clone()
    })?;
    Ok(figure)
}

/// Runs a pipeline; its output's first word.
fn shell(line: &str) -> Result<String, String> {
    let line = format!("set -o pipefail; {line}");
    let run = Command::new("bash")
        .args(["-c", &line])
        .stderr(Stdio::inherit())
        .output();
    let out = run.map_err(|e| e.to_string())?;
    must(out.status.success(), || format!("{line}: {}", out.status))?;
    let text = String::from_utf8_lossy(&out.stdout);
    Ok(text
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned())
}
