//! `/metrics` on its own listener and behind the API: what is counted, as Prometheus reads it.

mod calls;
mod functions;
mod listener;
mod page;
mod process;
mod queue;
mod shards;
mod text;

pub use calls::SystemCalls;
pub use listener::{Facts, page, queue_router, router};
