//! The way out of the data plane: "this function has callers and no endpoint".

use std::sync::Arc;

use crate::table::FunctionId;

/// Told that a function has parked callers and no endpoint.
///
/// Called from a shard's thread, at most once per function until the function's row in the
/// table changes; it must neither block nor panic (hand the id to a bounded channel and return).
pub trait Demand: Send + Sync {
    /// `function` has a caller waiting for its first endpoint.
    fn wanted(&self, function: &FunctionId);
}

/// Ignores every demand: parked callers wait for a table published for another reason.
#[derive(Clone, Copy, Debug)]
pub struct NoDemand;

impl Demand for NoDemand {
    fn wanted(&self, _function: &FunctionId) {}
}

/// A shared [`Demand`].
pub(crate) type SharedDemand = Arc<dyn Demand>;
