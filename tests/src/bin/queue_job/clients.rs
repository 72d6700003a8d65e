//! Clients that enqueue calls, each on a connection of its own, one call after the other.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringway_tests::Client;

/// Clients at work.
pub(crate) struct Clients {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Vec<Duration>>>,
}

struct Shared {
    address: SocketAddr,
    target: String,
    /// Calls wanted.
    wanted: usize,
    /// Numbers given out; a call that was not accepted is not asked for again by its number.
    next: AtomicUsize,
    accepted: AtomicUsize,
    ids: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Clients {
    /// `count` clients that go on until `wanted` calls were accepted.
    pub(crate) fn start(address: SocketAddr, target: &str, count: usize, wanted: usize) -> Self {
        let shared = Arc::new(Shared {
            address,
            target: target.to_owned(),
            wanted,
            next: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            ids: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let thread = |_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.run())
        };
        let threads = (0..count).map(thread).collect();
        Self { shared, threads }
    }

    /// Calls accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Waits for the end; the ids of accepted calls, and the sorted times to their 202.
    pub(crate) fn end(self) -> (Vec<String>, Vec<Duration>) {
        let mut times = Vec::new();
        for thread in self.threads {
            times.extend(thread.join().unwrap_or_default());
        }
        times.sort_unstable();
        let mut ids = self
            .shared
            .ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut ids), times)
    }
}

impl Shared {
    fn run(&self) -> Vec<Duration> {
        let (mut times, mut ids) = (Vec::new(), Vec::new());
        let mut client = None;
        while self.accepted.load(Ordering::Relaxed) < self.wanted
            && !self.stop.load(Ordering::Relaxed)
        {
            let id = format!("call-{}", self.next.fetch_add(1, Ordering::Relaxed));
            let began = Instant::now();
            if self.one(&mut client, &id) {
                times.push(began.elapsed());
                ids.push(id);
                self.accepted.fetch_add(1, Ordering::Relaxed);
            } else {
                client = None;
                // The gateway is down.
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        self.ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .append(&mut ids);
        times
    }

    fn one(&self, client: &mut Option<Client>, id: &str) -> bool {
        if client.is_none() {
            *client = Client::connect(self.address).ok();
        }
        let Some(client) = client else { return false };
        let headers = [("X-Call-Id", id)];
        let reply = client.request("POST", &self.target, &headers, b"a small body");
        reply.is_ok_and(|reply| reply.status == 202)
    }
}

/// A share of sorted times, such as 0.99.
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> f64 {
    let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |d| d.as_secs_f64() * 1_000.0)
}
