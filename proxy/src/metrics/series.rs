//! Per function: how many calls began, are in flight, ended by status, and how long they took.

use std::sync::OnceLock;

use crate::metrics::counters::Counter;
use crate::metrics::snapshot::CodeSnapshot;

/// Upper bounds of the latency histogram, in seconds: the Prometheus client defaults, which
/// OpenFaaS dashboards expect.
pub const BUCKETS_SECONDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The same bounds in microseconds.
const BUCKETS_MICROS: [u64; 11] = [
    5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];

/// One function's counters over all shards; a shard's part is allocated at its first call.
#[derive(Debug)]
pub(crate) struct FunctionCounters {
    shards: Box<[OnceLock<Box<FunctionShard>>]>,
}

/// One shard's counters of one function. Aligned so that two shards never share a line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct FunctionShard {
    pub(crate) started: Counter,
    pub(crate) inflight: Counter,
    pub(crate) parked: Counter,
    codes: OnceLock<Box<CodeSeries>>,
}

/// Calls that ended with one status; a list, since a function answers with few of them.
#[derive(Debug)]
struct CodeSeries {
    code: u16,
    count: Counter,
    sum_micros: Counter,
    /// `buckets[i]` counts calls in `(bound[i-1], bound[i]]`; not cumulative.
    buckets: [Counter; BUCKETS_MICROS.len()],
    next: OnceLock<Box<Self>>,
}

impl FunctionCounters {
    pub(crate) fn new(shards: usize) -> Self {
        Self {
            shards: (0..shards).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The counters that shard `index` writes; allocates at its first call only.
    pub(crate) fn shard(&self, index: usize) -> &FunctionShard {
        self.shards[index].get_or_init(Box::default)
    }

    pub(crate) fn started(&self) -> u64 {
        self.sum(|s| s.started.get())
    }

    pub(crate) fn inflight(&self) -> u64 {
        self.sum(|s| s.inflight.get())
    }

    pub(crate) fn parked(&self) -> u64 {
        self.sum(|s| s.parked.get())
    }

    fn sum(&self, of: impl Fn(&FunctionShard) -> u64) -> u64 {
        let shards = self.shards.iter().filter_map(OnceLock::get);
        shards.map(|s| of(s)).fold(0, u64::wrapping_add)
    }

    /// Ended calls by status, in order of status, summed over shards.
    pub(crate) fn codes(&self) -> Vec<CodeSnapshot> {
        let mut codes: Vec<CodeSnapshot> = Vec::new();
        for shard in self.shards.iter().filter_map(OnceLock::get) {
            let mut next = shard.codes.get();
            while let Some(series) = next {
                let at = codes.binary_search_by_key(&series.code, |c| c.code);
                let at = at.unwrap_or_else(|at| {
                    codes.insert(at, CodeSnapshot::new(series.code));
                    at
                });
                series.add_to(&mut codes[at]);
                next = series.next.get();
            }
        }
        codes
    }
}

impl FunctionShard {
    /// Counts one ended call.
    pub(crate) fn ended(&self, code: u16, micros: u64) {
        let mut slot = &self.codes;
        loop {
            let series = slot.get_or_init(|| Box::new(CodeSeries::new(code)));
            if series.code == code {
                series.count.add(1);
                series.sum_micros.add(micros);
                if let Some(i) = BUCKETS_MICROS.iter().position(|bound| micros <= *bound) {
                    series.buckets[i].add(1);
                }
                return;
            }
            slot = &series.next;
        }
    }
}

impl CodeSeries {
    fn new(code: u16) -> Self {
        Self {
            code,
            count: Counter::default(),
            sum_micros: Counter::default(),
            buckets: Default::default(),
            next: OnceLock::new(),
        }
    }

    fn add_to(&self, sum: &mut CodeSnapshot) {
        sum.count = sum.count.wrapping_add(self.count.get());
        sum.sum_micros = sum.sum_micros.wrapping_add(self.sum_micros.get());
        let mut below: u64 = 0;
        for (into, bucket) in sum.cumulative.iter_mut().zip(&self.buckets) {
            below = below.wrapping_add(bucket.get());
            *into = into.wrapping_add(below);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_land_in_their_bucket_and_sum_over_shards() {
        let counters = FunctionCounters::new(2);
        counters.shard(0).started.add(3);
        counters.shard(0).ended(200, 5_000);
        counters.shard(0).ended(502, 20_000_000);
        counters.shard(1).ended(200, 5_001);
        let codes = counters.codes();
        assert_eq!(codes.len(), 2);
        assert_eq!((codes[0].code, codes[0].count), (200, 2));
        assert_eq!(codes[0].cumulative[0], 1);
        assert_eq!(codes[0].cumulative[1], 2);
        assert_eq!(codes[0].sum_micros, 10_001);
        assert_eq!((codes[1].code, codes[1].cumulative[10]), (502, 0));
        assert_eq!(counters.started(), 3);
    }
}
