//! The spawner: the process that starts and ends every function's process.
//!
//! The gateway re-executes itself as this before the first shard runs, because a process that
//! owns shards must never fork (accepted sockets are not close-on-exec). It takes [`Order`]s from
//! the Unix socket that is its standard input, answers with [`Report`]s, and writes the logs.
//!
//! **Invariant:** when the socket ends (the gateway is gone, however it went), everything that
//! was started here is killed. Where allowed this is the init of a PID namespace, so that the
//! kernel keeps the promise even for processes that tried to get away.
//!
//! It has one thread and never starts another.

mod cgroup;
mod logs;
mod namespace;
mod protocol;
mod replica;
mod turn;
mod usage;

pub(crate) use namespace::{Place, run};
pub(crate) use protocol::{
    Abilities, Amount, Ending, HEADER_BYTES, Order, Report, SECRETS_FOLDER, SignalKind, StartOrder,
    frame, length,
};
pub(crate) use replica::INSTANCE_VARIABLE;
