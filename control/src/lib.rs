//! Ringway's control plane: the API, the built-in provider, metrics, and the start and stop of it
//! all around the data plane of `ringway-proxy`.
//!
//! # Layout
//! - [`cli`]: the command line; [`settings`]: what it and the environment mean.
//! - [`serve`]: the order of start and stop; [`demo`]: the same with three functions.
//! - [`api`]: HTTP in, one call of [`provider::Provider`] out; [`wire`]: its JSON.
//! - [`provider`]: what runs functions; [`publish`]: what it observes becomes the table.
//! - [`scale`]: what labels allow and alerts ask for; [`policy`]: what annotations set.
//! - `takeover`: how one gateway takes another's place.
//! - [`metrics`]: the Prometheus listener.
//! - `spawner` and `watchdog`: processes of their own, which this binary becomes when told to.
//!
//! It knows tokio and never the runtime of the shards, and sees of the data plane only what that
//! crate exports.

pub mod api;
pub mod cli;
pub mod demo;
pub mod error;
pub mod metrics;
pub mod name;
pub mod policy;
pub mod provider;
pub mod publish;
pub mod queue;
pub mod scale;
pub mod serve;
pub mod settings;
pub mod wire;

mod backoff;
mod client;
mod percent;
mod rfc3339;
mod spawner;
mod supervise;
mod sys;
pub mod takeover;
mod unread;
mod watchdog;
