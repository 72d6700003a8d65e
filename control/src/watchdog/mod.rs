//! The watchdog: one per replica of a `streaming` function, one process per request.
//!
//! It speaks HTTP/1.1 on a private Unix socket. A request's body goes to the process's standard
//! input, its standard output is the reply, both as they come; its standard error goes to the
//! log. The watchdog has one thread, because it forks.

mod arguments;
mod environment;
mod output;
mod request;
mod serve;

pub(crate) use arguments::{Arguments, SMALL_PAGES};
pub(crate) use serve::run;
