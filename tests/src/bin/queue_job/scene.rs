//! A gateway with one function that notes its calls in a file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringway_tests::{Deployment, Gateway, sibling};
use tempfile::TempDir;

/// The gateway, and where its function notes calls.
pub(crate) struct Scene {
    pub(crate) gateway: Gateway,
    folder: TempDir,
}

/// Settings under which one call runs, and takes [`A_WHILE`].
pub(crate) const NOTHING_RUNS: [(&str, &str); 3] = [
    ("RINGWAY_ASYNC_CONCURRENCY", "1"),
    ("RINGWAY_ASYNC_TIMEOUT", "2h"),
    ("upstream_timeout", "2h"),
];
/// 50 minutes in microseconds.
pub(crate) const A_WHILE: u32 = 3_000_000_000;

impl Scene {
    pub(crate) fn new(settings: &[(&str, &str)], pause_micros: u32) -> Self {
        // In memory where that is possible: on the queue's disk the function's writes would wait
        // for the queue's commits.
        let memory = tempfile::tempdir_in("/dev/shm");
        let folder = memory.or_else(|_| tempfile::tempdir()).expect("a folder");
        let gateway = Gateway::with(settings);
        let scene = Self { gateway, folder };
        let tally = scene.tally_path();
        let deployment = Deployment::http("tally", &sibling("tallyman").display().to_string())
            .env("TALLY", &tally.display().to_string())
            .env("PAUSE_MICROS", &pause_micros.to_string());
        scene.gateway.deploy_ready(&deployment, 1);
        scene
    }

    fn tally_path(&self) -> PathBuf {
        self.folder.path().join("tally")
    }

    /// Makes the function wait with its answers, or lets it go.
    pub(crate) fn hold(&self, hold: bool) {
        let path = self.folder.path().join("tally.hold");
        let done = if hold {
            std::fs::write(path, "")
        } else {
            std::fs::remove_file(path)
        };
        done.expect("a file in the own folder");
    }

    /// How often each call was executed.
    pub(crate) fn executed(&self) -> HashMap<String, u32> {
        executed(&self.tally_path())
    }

    /// Waits until no call is queued; how long that took.
    pub(crate) fn drained(&self, patience: Duration) -> Result<Duration, String> {
        let began = Instant::now();
        while self.pending() > 0.0 {
            if began.elapsed() > patience {
                return Err(format!("{} calls are left", self.pending()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(began.elapsed())
    }

    /// Calls that are not done.
    pub(crate) fn pending(&self) -> f64 {
        let text = self.gateway.metrics_text();
        let is_page = text.contains("ringway_async_available 1");
        let lines = text.lines();
        let counts = lines.filter_map(|l| l.strip_prefix("ringway_async_pending{"));
        let sum: f64 = counts
            .filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        // A page that did not come says nothing.
        if is_page { sum + 0.0 } else { f64::INFINITY }
    }
}

fn executed(path: &Path) -> HashMap<String, u32> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut counts = HashMap::new();
    for line in text.lines() {
        *counts.entry(line.to_owned()).or_default() += 1;
    }
    counts
}
