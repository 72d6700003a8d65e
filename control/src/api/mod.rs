//! The HTTP API: every request the data plane does not route to a function.
//!
//! **Invariant:** authentication is one layer around everything, unknown paths included, with an
//! explicit list of exceptions: a route that is forgotten here is guarded, not open.

mod answer;
mod asynchronous;
mod auth;
mod body;
mod calls;
mod counts;
mod functions;
mod health;
mod info;
mod jobs;
mod query;
mod router;
mod scale;
mod system;
mod ui;

#[cfg(test)]
pub(crate) mod tests;

pub use counts::Counts;
pub use router::{Api, router};
