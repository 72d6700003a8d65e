//! What a run found, before any arithmetic.

use std::collections::BTreeMap;

use crate::proc::Cost;
use crate::workload::Workload;

/// One proxy under one workload for a moment.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    pub(crate) round: usize,
    pub(crate) workload: Workload,
    pub(crate) peer: String,
    pub(crate) answered: u64,
    pub(crate) failed: u64,
    pub(crate) nanos: u64,
    pub(crate) cost: Cost,
    /// Nanoseconds.
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    /// Most resident memory during the slice, and how much more that is than before it.
    pub(crate) peak_kib: u64,
    pub(crate) grown_kib: u64,
}

/// A figure that was taken by itself.
#[derive(Clone, Debug)]
pub(crate) struct Single {
    /// What it is, such as `idle connection`.
    pub(crate) what: String,
    pub(crate) peer: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

/// Everything.
#[derive(Default)]
pub(crate) struct Results {
    pub(crate) slices: Vec<Slice>,
    pub(crate) singles: Vec<Single>,
    /// What nginx can do, in requests per second: the measure of W9.
    pub(crate) saturation: Option<f64>,
    /// What did not take part, and why.
    pub(crate) absent: Vec<(String, String)>,
    /// Versions of what took part.
    pub(crate) versions: BTreeMap<String, String>,
}

impl Results {
    pub(crate) fn add(&mut self, what: &str, peer: &str, value: f64, unit: &'static str) {
        self.singles.push(Single {
            what: what.to_owned(),
            peer: peer.to_owned(),
            value,
            unit,
        });
    }
}

impl Slice {
    /// Processor time per request, in microseconds.
    pub(crate) fn cost_micros(&self) -> f64 {
        self.cost.nanos as f64 / 1e3 / self.answered.max(1) as f64
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.answered as f64 * 1e9 / self.nanos.max(1) as f64
    }

    /// How much of its core the proxy used.
    pub(crate) fn core_share(&self) -> f64 {
        self.cost.nanos as f64 / self.nanos.max(1) as f64
    }
}
