//! Any OpenFaaS provider over HTTP: faas-netes, faasd, and those like them.
//!
//! [`order`] completes what is asked so that every provider understands it,
//! [`known`] is what is known of the functions, [`watch`] keeps it true, [`wake`] brings functions
//! back from zero, [`names`] resolves hosts and [`direct`] those of functions, where the provider is not to be in between.
//!
//! Answers pass through as they are. **Invariant:** credentials go to `/system` of the provider
//! and nowhere else; its paths are made of checked values, never of a client's bytes.

mod direct;
mod known;
mod names;
mod order;
mod provider;
mod wake;
mod watch;

pub use direct::Direct;
pub use names::Names;
pub use provider::RemoteProvider;
