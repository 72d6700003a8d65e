//! Replicas as one shard sees them: who is busy, who failed, which connections are idle.

mod pick;
mod pool;

pub(crate) use pick::pick;
pub(crate) use pool::{Checkout, Endpoints, Key, Room};
