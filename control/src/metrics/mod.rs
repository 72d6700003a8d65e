//! `/metrics` on its own listener: what the data plane counts, as Prometheus reads it.

mod listener;
mod text;

pub use listener::{Facts, router};
