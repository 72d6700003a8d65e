//! Private parts as benches see them; nothing else may use this.

use crate::endpoint;
use crate::metrics::FunctionCounters;

/// The choice of an endpoint, see `endpoint/pick.rs`.
#[must_use]
pub fn pick(
    count: usize,
    random: impl FnMut() -> u64,
    load: impl Fn(usize) -> Option<u32>,
) -> Option<usize> {
    endpoint::pick(count, random, load)
}

/// One function's counters and latency histogram on one shard.
pub struct Books(FunctionCounters);

impl Books {
    /// Empty books.
    #[must_use]
    pub fn new() -> Self {
        Self(FunctionCounters::new(1))
    }

    /// Counts one ended call.
    pub fn ended(&self, code: u16, micros: u64) {
        self.0.shard(0).ended(code, micros);
    }
}

/// The shard's code in a simulated world in which `bytes` choose what happens: who runs, how bytes
/// are cut and delayed, who misbehaves. Only there when fuzzing.
///
/// # Panics
/// A promise is broken: a mixed-up or changed body, a POST taken twice, a call without an end,
/// something left at the end.
#[cfg(fuzzing)]
pub fn exchange(bytes: &[u8]) {
    crate::sim::chosen(bytes);
}
