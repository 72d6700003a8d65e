//! A provider run by the test process: it behaves as faas-netes CE or as faasd CE does, with
//! their differing codes, quirks and absent fields, records every request, and misbehaves when
//! told to.

mod function;
mod functions;
mod invoke;
mod kind;
mod logs;
mod namespaces;
mod routes;
mod script;
mod secrets;
mod start;
mod time;
mod validate;
mod world;

#[cfg(test)]
mod tests;

pub use function::Readiness;
pub use kind::{Kind, Options};
pub use start::Provider;
