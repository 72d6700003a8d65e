//! Single-writer counters per shard and function; readers sum over shards.
//!
//! **Invariant:** only a shard's own thread writes its counters (a plain load and store, no
//! locked instruction); any thread may read them.

mod access_log;
mod counters;
mod series;
mod snapshot;

#[doc(hidden)]
pub use access_log::escape;
pub(crate) use access_log::{LogRing, LogWriter, PATH_BYTES, Record};
pub(crate) use counters::{Counter, ShardCounters};
pub use series::BUCKETS_SECONDS;
pub(crate) use series::{FunctionCounters, FunctionShard};
pub use snapshot::{CodeSnapshot, FunctionSnapshot, ShardSnapshot, Snapshot};
