//! `ringway queue-worker`: the real binary, between a nats-server and a gateway.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::client::request;
use crate::gateway::{Gateway, binary, signal};
use crate::nats::Nats;
use crate::port::free_port;
use crate::wait::eventually;

/// A worker; killed when dropped.
pub struct QueueWorker {
    child: Option<Child>,
    log: NamedTempFile,
    /// Where it tells its numbers.
    pub metrics: SocketAddr,
}

impl QueueWorker {
    /// Starts one, and waits until it has found its queue.
    #[must_use]
    pub fn start(nats: &Nats, gateway: &Gateway, settings: &[(&str, &str)]) -> Self {
        let metrics: SocketAddr = ([127, 0, 0, 1], free_port()).into();
        let log = NamedTempFile::new().expect("a log file");
        let stderr = log.reopen().expect("the log file");
        let child = Command::new(binary())
            .arg("queue-worker")
            .envs(nats.settings())
            .env("faas_gateway_address", gateway.address.ip().to_string())
            .env("faas_gateway_port", gateway.address.port().to_string())
            .env("RINGWAY_METRICS_LISTEN", metrics.to_string())
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stderr(stderr)
            .spawn();
        let worker = Self {
            child: Some(child.expect("the ringway binary starts")),
            log,
            metrics,
        };
        eventually("a queue worker", Duration::from_secs(15), || {
            let reply = request(metrics, "GET", "/readyz", &[], b"");
            reply.is_ok_and(|r| r.status == 200).then_some(())
        });
        worker
    }

    /// What it wrote to its log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }

    /// Its metrics page.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        let reply = request(self.metrics, "GET", "/metrics", &[], b"");
        reply.map(|reply| reply.text()).unwrap_or_default()
    }

    /// Calls that run in it.
    #[must_use]
    pub fn running(&self) -> u64 {
        let page = self.metrics_text();
        let lines = page.lines();
        let counts = lines.filter(|line| line.starts_with("ringway_async_inflight{"));
        let counts = counts.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        counts.sum()
    }

    /// Kills it as `kill -9` does, and waits.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to end, and waits; the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        signal(child.id(), libc::SIGTERM);
        child.wait().ok()?.code()
    }
}

impl Drop for QueueWorker {
    fn drop(&mut self) {
        self.kill();
    }
}
