//! Ringway's data plane: accepts on N shards, routes `/function/<name>` by an immutable table,
//! and streams to pooled upstream connections. Everything else goes to one Unix socket.
//!
//! Knows monoio and HTTP/1.1; never knows tokio or the control plane. The paved path is
//! [`Publisher::new`], then [`Gateway::start`] with a [`Config`].

#[doc(hidden)]
pub mod http;
#[doc(hidden)]
pub mod innards;
pub mod limits;
pub mod metrics;
pub mod table;

mod buf;
mod clock;
mod config;
mod cors;
mod demand;
mod endpoint;
mod fault;
mod gateway;
mod listen;
mod name;
mod own;
#[doc(hidden)]
pub mod route;
mod runtime;
mod shard;
#[cfg(any(test, fuzzing))]
mod sim;

pub use config::{AccessLog, Cidr, Config, DriverChoice, HalfClose};
pub use cors::{Cors, Origins};
pub use demand::{Demand, NoDemand};
pub use fault::{Reject, RetryRule};
pub use gateway::{Driver, DriverReport, Gateway, Pulse, StartError};
pub use listen::Backlog;
pub use name::{Name, NameError};
pub use own::{OwnPort, OwnPorts};
pub use table::{Address, Change, Forward, FunctionId, FunctionSpec, Publisher, Retry, Settings};
