//! How many replicas a function should have: what its labels allow, and what alerts ask for. Pure.

mod alert;
mod bounds;

pub use alert::{Alert, Status, alerts};
pub use bounds::Bounds;
