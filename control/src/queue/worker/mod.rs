//! The worker: runs what is queued, through the gateway's own public listener.
//!
//! It claims a call, makes it, judges the reply, and settles. A claim is not written down: what a
//! crash interrupts is run again at the next start.

mod absence;
mod attempt;
mod governor;
mod line;
mod pace;
mod reply;
mod request;
mod run;

pub(super) use line::{GatewayClient, Outgoing, describe};
pub(super) use pace::Pace;
pub(super) use request::{check, outgoing};
pub use run::Rules;
pub(super) use run::Worker;
