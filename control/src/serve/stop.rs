//! The end: drain, stop the data plane, end the functions.

use std::io;
use std::process::{Child, ExitCode};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ringway_proxy::Gateway;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time;

use super::backend::BuiltIn;
use super::running::{Running, SharedGateway};

impl Running {
    /// Serves until a signal comes or the spawner is gone, then ends in order.
    #[must_use]
    pub fn wait(self) -> ExitCode {
        let Self {
            runtime,
            gateway,
            provider,
            built_in,
            facts,
            mut signals,
            later,
            drain_bound,
            folder,
            ..
        } = self;
        let code = runtime.block_on(async {
            let code = tokio::select! {
                () = signals.next() => ExitCode::SUCCESS,
                () = spawner_gone(built_in.as_ref()) => {
                    tracing::error!(
                        "the spawner is gone and every function's process with it; stopping"
                    );
                    ExitCode::FAILURE
                }
            };
            tracing::info!("draining; a second signal ends at once");
            facts.draining.store(true, Ordering::Relaxed);
            later.desk.stop();
            let ended = async {
                later.desk.idle(Instant::now() + drain_bound).await;
                drain(&gateway, drain_bound).await;
                if let Some(built_in) = &built_in {
                    built_in.provider.stop().await;
                }
            };
            tokio::select! {
                () = ended => {}
                () = signals.next() => {
                    tracing::warn!("ended at once");
                    // The spawner sees its socket end and leaves nothing behind.
                    std::process::exit(1);
                }
            }
            code
        });
        // The last ends of the spawner's socket go with the runtime's tasks.
        let spawner = built_in.map(|built_in| built_in.spawner);
        drop((provider, facts));
        later.end();
        runtime.shutdown_timeout(RUNTIME_WAIT);
        if let Some(spawner) = spawner {
            wait_for(spawner);
        }
        // Already removed by the spawner, unless it failed.
        drop(folder);
        tracing::info!("ended");
        code
    }
}

/// Ends when the spawner does; never when there is none.
async fn spawner_gone(built_in: Option<&BuiltIn>) {
    match built_in {
        Some(built_in) => {
            let mut gone = built_in.provider.spawner_gone();
            // An error says the same: nobody is there to tell.
            let _ = gone.wait_for(|gone| *gone).await;
        }
        None => std::future::pending().await,
    }
}

/// Lets calls finish, and stops the data plane at the bound at the latest.
async fn drain(gateway: &SharedGateway, bound: Duration) {
    let began = Instant::now();
    if let Some(gateway) = &*gateway.lock() {
        gateway.drain();
    }
    let connections = || {
        let snapshot = gateway
            .lock()
            .as_ref()
            .map(Gateway::metrics)
            .unwrap_or_default();
        snapshot.shards.iter().map(|s| s.connections).sum::<u64>()
    };
    // Looked at from here, so that the counters stay readable as long as there is something.
    while connections() > 0 && began.elapsed() < bound {
        time::sleep(LOOK).await;
    }
    let Some(gateway) = gateway.lock().take() else {
        return;
    };
    let left = bound.saturating_sub(began.elapsed());
    let stopped = tokio::task::spawn_blocking(move || gateway.stop(left.min(LAST_CALLS))).await;
    match stopped {
        Ok(0) => {}
        Ok(cut) => tracing::warn!(cut, "connections were cut at the end of the drain"),
        Err(error) => tracing::error!(%error, "the data plane did not stop well"),
    }
}

fn wait_for(mut spawner: Child) {
    let deadline = Instant::now() + SPAWNER_WAIT;
    while Instant::now() < deadline {
        match spawner.try_wait() {
            Ok(None) => std::thread::sleep(LOOK),
            Ok(Some(_)) | Err(_) => return,
        }
    }
    tracing::warn!("the spawner did not end");
}

/// The signals that ask for an end.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// The terminal was closed.
    hangup: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

const LOOK: Duration = Duration::from_millis(20);
/// After no connection was left: threads only have to end.
const LAST_CALLS: Duration = Duration::from_secs(1);
const RUNTIME_WAIT: Duration = Duration::from_secs(1);
const SPAWNER_WAIT: Duration = Duration::from_secs(3);
