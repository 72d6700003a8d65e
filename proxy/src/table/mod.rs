//! Endpoint tables: immutable snapshots, published by generation.
//!
//! **Invariant:** a [`Table`] never changes once published; the only door to one is
//! [`Publisher`]. Shards read through a [`Reader`]: one atomic load per request.

mod ledger;
mod publish;
mod slots;
mod snapshot;
mod spec;

pub use publish::{Change, Publisher};
pub(crate) use publish::{Doorbell, Reader};
pub use snapshot::{Endpoint, Function, Table};
pub(crate) use snapshot::{FunctionRef, Held};
pub use spec::{Address, Forward, FunctionId, FunctionSpec, Retry, Settings};
