//! What the queue counts.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::attempt::Verdict;
use super::job::Delivery;

/// Counters since the start.
#[derive(Default)]
pub struct Tally {
    counts: Mutex<Counts>,
}

/// The counters' values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Calls taken in, by function.
    pub submitted: BTreeMap<String, u64>,
    /// Attempts that ended, by function and status; 0 when there was no reply.
    pub processed: BTreeMap<(String, u16), u64>,
    /// Attempts that are to be repeated, by function.
    pub retries: BTreeMap<String, u64>,
    /// Calls that failed for the last time, by function.
    pub dead: BTreeMap<String, u64>,
    /// Attempts to deliver a reply, by what came of them.
    pub deliveries: BTreeMap<&'static str, u64>,
    /// Calls begun per second at most, while the machine is late; `None`: any number.
    pub rate_limit: Option<f64>,
}

impl Tally {
    /// A call was taken in.
    pub fn submitted(&self, function: &str) {
        add(&mut self.counts.lock().submitted, function);
    }

    /// An attempt ended.
    pub(super) fn processed(&self, function: &str, status: Option<u16>, verdict: Verdict) {
        let mut counts = self.counts.lock();
        let key = (function.to_owned(), status.unwrap_or(0));
        *counts.processed.entry(key).or_default() += 1;
        match verdict {
            Verdict::Done => {}
            Verdict::Again { .. } => add(&mut counts.retries, function),
            Verdict::Dead => add(&mut counts.dead, function),
        }
    }

    /// An attempt to deliver a reply ended.
    pub(super) fn delivered(&self, delivery: Delivery) {
        let outcome = match delivery {
            Delivery::Pending => "retried",
            ended => ended.word(),
        };
        *self.counts.lock().deliveries.entry(outcome).or_default() += 1;
    }

    /// Calls are begun at most this often from here on.
    pub(super) fn rate_limit(&self, rate: Option<f64>) {
        self.counts.lock().rate_limit = rate;
    }

    /// The values now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts.lock().clone()
    }
}

fn add(counts: &mut BTreeMap<String, u64>, function: &str) {
    if let Some(count) = counts.get_mut(function) {
        *count += 1;
        return;
    }
    counts.insert(function.to_owned(), 1);
}
