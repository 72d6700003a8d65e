//! The routes over a real socket, with a provider that only remembers.

mod documents;
mod doors;
mod memory;
mod server;
