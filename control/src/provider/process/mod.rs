//! The built-in provider: functions are processes on this machine, started by the spawner.
//!
//! [`state`] says what should be, [`function`] makes it so, [`replica`] is one process's life.
//! **Invariant:** an address is in the table only while its process is ready: a dead replica's
//! address leaves at once, and a process is asked to end only after its address has left.

mod command_line;
mod drain;
mod function;
mod launch;
mod logs;
mod namespaces;
mod ports;
mod provider;
mod quantity;
mod ready;
mod recipe;
mod replica;
mod secrets;
mod shared;
mod spawner;
mod state;
mod store;
mod usage;
mod vault;
mod world;

#[cfg(test)]
mod tests;

pub use provider::ProcessProvider;
pub use spawner::Launched;
pub use store::{Store, StoreError};
