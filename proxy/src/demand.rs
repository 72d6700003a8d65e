//! The way out of the data plane: "this function has callers and no replica".

use std::sync::Arc;

use crate::table::FunctionId;

/// Told that a function has callers and no replica.
///
/// Called from a shard's thread; it must neither block nor panic (hand the id to a bounded channel
/// and return).
pub trait Demand: Send + Sync {
    /// `function` has a caller waiting for its first endpoint. At most once per function until
    /// its row in the table changes.
    fn wanted(&self, function: &FunctionId);

    /// A provider answered a call of `function` with 503 in its own name (`X-OpenFaaS-Internal`):
    /// it has no replica, so the endpoint in the table is of no use. The caller got that reply. At
    /// most once per function and [`UNREADY_EVERY`](crate::limits::UNREADY_EVERY), unless a row
    /// without endpoints said meanwhile that it was so.
    ///
    /// `true` promises that the function's row will be put or removed soon, whatever is found
    /// out: until then its callers wait.
    fn unready(&self, function: &FunctionId) -> bool {
        let _ = function;
        false
    }
}

/// Ignores every demand: parked callers wait for a table published for another reason.
#[derive(Clone, Copy, Debug)]
pub struct NoDemand;

impl Demand for NoDemand {
    fn wanted(&self, _function: &FunctionId) {}
}

/// A shared [`Demand`].
pub(crate) type SharedDemand = Arc<dyn Demand>;
