//! The gateway from start to end: what is started in which order, and ended in which.

mod backend;
mod base;
mod bounded;
mod demand;
mod folder;
mod ground;
mod handover;
mod later;
mod listen;
mod login;
mod pages;
mod pulse;
mod queue_worker;
mod running;
mod signals;
mod stop;
mod systemd;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use crate::cli;
use crate::settings::Settings;

pub(crate) use queue_worker::run as run_queue_worker;
pub use running::{Running, StartError};

/// Serves until a signal.
#[must_use]
pub fn run(settings: Settings) -> ExitCode {
    start_log(&settings.log);
    match Running::start(settings) {
        Ok(running) => {
            // Without it the process is larger, and that is all.
            let _ = pages::let_go();
            running.wait()
        }
        Err(error) => cli::fail(&error),
    }
}

/// Sends the log to standard error.
pub(crate) fn start_log(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    // Fails only when a log was started before, which then is the one to use.
    let _ = subscriber.try_init();
}
