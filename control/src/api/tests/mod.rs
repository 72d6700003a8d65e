//! The routes over a real socket, with a provider that only remembers.

mod documents;
mod doors;
pub(crate) mod memory;
mod server;
