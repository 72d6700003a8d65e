//! Callers under whose feet a test changes things.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::client::Client;
use crate::gateway::Gateway;
use crate::wait::eventually;

/// Callers that never stop, and what they saw.
pub struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<Vec<String>>>,
    calls: Arc<AtomicU64>,
}

impl Load {
    /// Begins: `threads` callers, each on a connection of its own, again when it ends.
    pub fn start(gateway: &Gateway, target: &'static str, threads: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let calls = Arc::new(AtomicU64::new(0));
        let address = gateway.address;
        let threads = (0..threads)
            .map(|_| {
                let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
                std::thread::spawn(move || {
                    let mut bad = Vec::new();
                    let mut client = None;
                    while !stop.load(Ordering::Relaxed) {
                        let c = client.get_or_insert_with(|| {
                            Client::connect(address).expect("the gateway accepts")
                        });
                        calls.fetch_add(1, Ordering::Relaxed);
                        match c.request("GET", target, &[], b"") {
                            Ok(r) if r.status == 200 && r.complete => {
                                if r.header("connection") == Some("close") {
                                    client = None;
                                }
                            }
                            Ok(r) => bad.push(format!("{} {}", r.status, r.text())),
                            Err(e) => {
                                bad.push(e.to_string());
                                client = None;
                            }
                        }
                    }
                    bad
                })
            })
            .collect();
        Self {
            stop,
            threads,
            calls,
        }
    }

    /// Waits until this many calls more were made.
    pub fn after(&self, more: u64) {
        let from = self.calls.load(Ordering::Relaxed);
        eventually("more calls", Duration::from_secs(20), || {
            (self.calls.load(Ordering::Relaxed) >= from + more).then_some(())
        });
    }

    /// Calls made so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Ends; what went wrong.
    pub fn finish(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads
            .into_iter()
            .flat_map(|t| t.join().expect("a caller"))
            .collect()
    }
}
