//! The signals a gateway obeys.

use std::io::{self, IsTerminal};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The end, after the grace period.
    End,
    /// The end without a grace period: somebody waits at a terminal.
    EndNow,
    /// To read again what can be read again.
    Reload,
}

/// SIGTERM, SIGINT, SIGHUP.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Whether SIGHUP means that the terminal was closed.
    at_terminal: bool,
}

impl Signals {
    /// Takes them over from their default, which is to end the process.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            at_terminal: io::stderr().is_terminal(),
        })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::EndNow,
            _ = self.hangup.recv() => if self.at_terminal { Asked::EndNow } else { Asked::Reload },
        }
    }

    /// The next one that asks for an end.
    pub(super) async fn end(&mut self) {
        while self.next().await == Asked::Reload {}
    }
}
