//! What a shard asks of its runtime, by monoio. Unit tests have `sim/rt.rs` in its place.

pub(crate) use monoio::io::{CancelHandle, Canceller};
pub(crate) use monoio::net::{TcpListener, TcpStream};
pub(crate) use monoio::spawn;
pub(crate) use monoio::time::{sleep, timeout};
