//! Calls at a fixed pace, each timed from when it was due: a gateway that falls behind is seen.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::halts::{Halt, Watch};

/// What is called, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Calls per second.
    pub rate: u32,
    /// Calls in all.
    pub calls: u32,
    /// Connections, a thread each; not more than there are calls in the time of a slow one.
    pub threads: u32,
    /// `POST` with this body.
    pub body: &'static [u8],
    /// Path and query.
    pub target: &'static str,
}

/// How long calls took, shortest first.
#[derive(Debug)]
pub struct Paced {
    /// All of them.
    pub all: Vec<Duration>,
    /// Those during which the machine ran; all of them where that cannot be told.
    pub running: Vec<Duration>,
    /// When it did not run.
    pub halts: Option<Vec<Halt>>,
    /// What went wrong.
    pub errors: Vec<String>,
}

/// When a call was to be sent, and how long after that its reply was there.
struct Call {
    due: Instant,
    took: Duration,
}

impl Pace {
    /// Makes the calls.
    #[must_use]
    pub fn run(self, address: SocketAddr) -> Paced {
        let watch = Watch::start();
        let began = Instant::now();
        let threads: Vec<_> = (0..self.threads)
            .map(|thread| std::thread::spawn(move || self.one(address, thread, began)))
            .collect();
        let (mut calls, mut errors) = (Vec::new(), Vec::new());
        for thread in threads {
            let (made, failed) = thread.join().expect("a caller");
            calls.extend(made);
            errors.extend(failed);
        }
        let halts = watch.map(Watch::end);
        let untouched = |call: &Call| {
            let mut halts = halts.iter().flatten();
            !halts.any(|(from, to)| call.due < *to && *from < call.due + call.took)
        };
        let running = sorted(calls.iter().filter(|call| untouched(call)));
        Paced {
            all: sorted(calls.iter()),
            running,
            halts,
            errors,
        }
    }

    fn one(self, address: SocketAddr, thread: u32, began: Instant) -> (Vec<Call>, Vec<String>) {
        let (mut calls, mut errors) = (Vec::new(), Vec::new());
        let mut client = None;
        let every = Duration::from_secs(1) / self.rate;
        for n in 0..self.calls / self.threads {
            let due = began + (n * self.threads + thread) * every;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            match self.call(address, &mut client) {
                Ok(()) => {}
                Err(why) => {
                    errors.push(why);
                    client = None;
                }
            }
            let took = due.elapsed();
            calls.push(Call { due, took });
        }
        (calls, errors)
    }

    fn call(self, address: SocketAddr, client: &mut Option<Client>) -> Result<(), String> {
        if client.is_none() {
            *client = Some(Client::connect(address).map_err(|e| format!("connect: {e}"))?);
        }
        let Some(open) = client else { return Ok(()) };
        let reply = open.request("POST", self.target, &[], self.body);
        let reply = reply.map_err(|e| e.to_string())?;
        if reply.header("connection") == Some("close") {
            *client = None;
        }
        if reply.status == 200 && reply.complete {
            return Ok(());
        }
        Err(format!("status {}: {}", reply.status, reply.text()))
    }
}

impl Paced {
    /// A share of the calls during which the machine ran, in milliseconds; such as 0.99.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        quantile(&self.running, share)
    }

    /// A share of all calls, in milliseconds.
    #[must_use]
    pub fn quantile_of_all(&self, share: f64) -> f64 {
        quantile(&self.all, share)
    }

    /// What there is to say, a line each, beginning with `what`.
    #[must_use]
    pub fn lines(&self, what: &str) -> Vec<String> {
        let line = |which: &str, times: &[Duration]| {
            let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|q| quantile(times, q));
            let count = times.len();
            format!("{what}: p50 {p50:.2} ms, p99 {p99:.2} ms, p99.9 {p999:.2} ms, {count} {which}")
        };
        let errors = self.errors.len();
        let mut lines = vec![line(&format!("calls, {errors} errors"), &self.all)];
        if let Some(halts) = &self.halts {
            let stood: Duration = halts.iter().map(|(from, to)| *to - *from).sum();
            lines.push(line("of them while the machine ran", &self.running));
            lines.push(format!(
                "{what}: the host halted a CPU {} times, {} ms in all",
                halts.len(),
                stood.as_millis()
            ));
        }
        lines
    }
}

fn sorted<'a>(calls: impl Iterator<Item = &'a Call>) -> Vec<Duration> {
    let mut times: Vec<_> = calls.map(|call| call.took).collect();
    times.sort_unstable();
    times
}

fn quantile(sorted: &[Duration], share: f64) -> f64 {
    let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |d| d.as_secs_f64() * 1_000.0)
}
