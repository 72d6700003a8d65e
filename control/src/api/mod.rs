//! The HTTP API: every request the data plane does not route to a function.
//!
//! **Invariant:** authentication is one layer around everything, unknown paths included, with an
//! explicit list of exceptions: a route that is forgotten here is guarded, not open.

mod auth;
mod body;
mod functions;
mod health;
mod info;
mod router;
mod scale;
mod ui;

#[cfg(test)]
mod tests;

pub use router::{Api, router};
