//! Settings: what was typed ([`Key`], [`Given`]) becomes what it means ([`Settings`]).
//!
//! **Invariant:** nothing outside this folder reads the process environment, and nothing after
//! [`Settings::resolve`] meets a malformed value.

pub mod duration;

mod asynchronous;
mod bounds;
mod credentials;
mod edge;
mod error;
mod key;
mod listen;
mod nats;
mod queues;
mod reader;
mod reference;
mod resolve;
mod shape;
mod surroundings;
mod url;
mod worker;

#[cfg(test)]
mod tests;

pub use asynchronous::AsyncSettings;
pub use credentials::{Credentials, Login};
pub use edge::EdgeSettings;
pub use error::SettingError;
pub use key::Key;
pub use reference::reference;
pub use resolve::{DirectSettings, Settings};
pub use shape::Given;
pub use surroundings::{ARCHITECTURE, Surroundings, arguments, own_binary, variables};
pub use url::ProviderUrl;
pub use worker::WorkerSettings;
