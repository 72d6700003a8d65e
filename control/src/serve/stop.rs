//! The end: drain, stop the data plane, end the functions.

use std::process::{Child, ExitCode};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ringway_proxy::{Backlog, Gateway};
use tokio::time;

use super::backend::BuiltIn;
use super::later::Later;
use super::pulse::shard_ended;
use super::running::{Running, SharedGateway};
use super::signals::{Asked, Signals};
use super::systemd;
use crate::provider::Provider;
use crate::settings::Login;
use crate::takeover::Stage;

impl Running {
    /// Serves until a signal comes, another gateway takes over, or something is gone that cannot
    /// be replaced; then ends in order.
    #[must_use]
    pub fn wait(mut self) -> ExitCode {
        let runtime = self.runtime.handle().clone();
        let code = runtime.block_on(async {
            let why = match self.reason().await {
                Why::Asked(asked) => self.let_come(asked).await,
                why => {
                    self.takeover.end();
                    why
                }
            };
            // Once another gateway serves, whoever asks for the health of the address is answered
            // that it is well, also by this one.
            let draining = !matches!(why, Why::Succeeded);
            self.facts.draining.store(draining, Ordering::Relaxed);
            let manner = why.manner(self.grace, self.backlog());
            match why {
                Why::Succeeded => {
                    tracing::info!("another gateway has taken over");
                    self.metrics.abort();
                }
                Why::Broken(what) => {
                    tracing::error!("{what}; stopping");
                    systemd::stopping();
                }
                Why::Asked(_) => systemd::stopping(),
            }
            let ended = end(&self.gateway, &self.later, self.drain_bound, manner);
            let ended = async {
                ended.await;
                if let Some(built_in) = &self.built_in {
                    built_in.provider.stop().await;
                }
            };
            tokio::select! {
                () = ended => {}
                () = self.signals.end() => {
                    self.break_off();
                    tracing::warn!("ended at once");
                    // The spawner sees its socket end and leaves nothing behind.
                    std::process::exit(1);
                }
            }
            self.break_off();
            match why {
                Why::Asked(_) | Why::Succeeded => ExitCode::SUCCESS,
                Why::Broken(_) => ExitCode::FAILURE,
            }
        });
        self.leave();
        tracing::info!("ended");
        code
    }

    /// Waits for a reason to end.
    async fn reason(&mut self) -> Why {
        let reload = || reload(self.login.as_ref(), &*self.provider);
        tokio::select! {
            asked = told_to_end(&mut self.signals, reload) => Why::Asked(asked),
            () = self.takeover.reached(Stage::Over) => Why::Succeeded,
            () = spawner_gone(self.built_in.as_ref()) => {
                Why::Broken("the spawner is gone and every function's process with it")
            }
            () = shard_ended(Arc::clone(&self.gateway), Arc::clone(&self.facts)) => {
                Why::Broken("a shard is gone")
            }
        }
    }

    /// Asked to end, lets a successor that is under way come first: it waits no longer for its
    /// functions than it would anyway, and without it nobody would serve. A second signal ends the
    /// wait.
    async fn let_come(&mut self, asked: Asked) -> Why {
        let pid = match self.takeover.end() {
            Stage::Alone => return Why::Asked(asked),
            Stage::Over => return Why::Succeeded,
            Stage::UnderWay(pid) => pid,
        };
        tracing::info!(
            pid,
            "asked to end while another gateway takes over: serving until it does; a second \
             signal ends the wait"
        );
        let takeover = Arc::clone(&self.takeover);
        let why = tokio::select! {
            why = self.reason() => why,
            () = takeover.reached(Stage::Alone) => return Why::Asked(asked),
        };
        match why {
            Why::Asked(_) => Why::Asked(Asked::EndNow),
            why => why,
        }
    }

    /// A successor has the listening sockets as soon as it is under way: they stay as they are.
    fn backlog(&self) -> Backlog {
        match self.takeover.stage() {
            Stage::Alone => Backlog::Serve,
            Stage::UnderWay(_) | Stage::Over => Backlog::Leave,
        }
    }

    /// What is under way when this gateway is gone cannot succeed; the successor finds out.
    fn break_off(&self) {
        if let Stage::UnderWay(pid) = self.takeover.stage() {
            tracing::warn!(pid, "a takeover was broken off: this gateway ends");
        }
    }

    /// Ends what serves no call any more: threads, the spawner, the folder of sockets.
    fn leave(self) {
        let Self {
            runtime,
            provider,
            built_in,
            facts,
            later,
            folder,
            ..
        } = self;
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
    }
}

/// Ends the serving after the grace period: asynchronous calls and connections at once, and
/// `bound` is the time of both.
async fn end(gateway: &SharedGateway, later: &Later, bound: Duration, manner: Manner) {
    let grace = manner.grace;
    if !grace.is_zero() {
        tracing::info!(
            ?grace,
            "not ready any more; draining after the grace period"
        );
        time::sleep(grace).await;
    }
    tracing::info!("draining; a second signal ends at once");
    let until = deadline(Instant::now(), bound);
    later.desk.stop();
    // Calls that run have their connections; one that has none yet is no attempt.
    tokio::join!(later.desk.idle(until), drain(gateway, manner, until));
}

/// When what is left is cut; a bound that no clock reaches is a year.
fn deadline(now: Instant, bound: Duration) -> Instant {
    now.checked_add(bound).unwrap_or(now + FOR_EVER)
}

/// Why the gateway ends.
#[derive(Clone, Copy)]
enum Why {
    /// By a signal.
    Asked(Asked),
    /// Another gateway serves.
    Succeeded,
    /// Something is gone without which it cannot serve; a supervisor starts it again.
    Broken(&'static str),
}

impl Why {
    const fn manner(self, grace: Duration, backlog: Backlog) -> Manner {
        let (grace, idle) = match self {
            Self::Asked(Asked::End) => (grace, LAST_REQUEST),
            Self::Succeeded => (Duration::ZERO, LAST_REQUEST_NO_HURRY),
            Self::Asked(_) | Self::Broken(_) => (Duration::ZERO, Duration::ZERO),
        };
        Manner {
            grace,
            idle,
            backlog,
        }
    }
}

/// How the gateway ends.
#[derive(Clone, Copy)]
struct Manner {
    /// Until accepting ends.
    grace: Duration,
    /// For a last request on each connection.
    idle: Duration,
    backlog: Backlog,
}

/// Obeys signals until one asks for an end.
async fn told_to_end(signals: &mut Signals, reload: impl AsyncFn()) -> Asked {
    loop {
        match signals.next().await {
            Asked::Reload => reload().await,
            end => return end,
        }
    }
}

/// Reads again what may have changed: credentials, the provider's functions and addresses.
async fn reload(login: Option<&Login>, provider: &dyn Provider) {
    systemd::reloading();
    provider.refresh();
    if let Some(login) = login {
        let login = login.clone();
        match tokio::task::spawn_blocking(move || login.reload()).await {
            Ok(Ok(changed)) => tracing::info!(credentials_changed = changed, "reloaded"),
            Ok(Err(error)) => {
                tracing::error!("the credentials stay as they were: {error}");
            }
            Err(error) => tracing::error!(%error, "the credentials were not read"),
        }
    } else {
        tracing::info!("reloaded");
    }
    systemd::ready();
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

/// Lets calls finish, and connections have a time for a last one; stops the data plane at the
/// deadline at the latest.
async fn drain(gateway: &SharedGateway, manner: Manner, until: Instant) {
    if let Some(gateway) = &*gateway.lock() {
        gateway.drain(manner.idle, manner.backlog);
    }
    let drained = || gateway.lock().as_ref().is_none_or(Gateway::is_drained);
    // Looked at from here, so that the counters stay readable as long as there is something.
    while !drained() && Instant::now() < until {
        time::sleep(LOOK).await;
    }
    let Some(gateway) = gateway.lock().take() else {
        return;
    };
    let left = until.saturating_duration_since(Instant::now());
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

/// For how long a connection may still bring a request after SIGTERM.
const LAST_REQUEST: Duration = Duration::from_secs(1);
/// … when another gateway serves already.
const LAST_REQUEST_NO_HURRY: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);
/// A year.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3_600);
/// After no connection was left: threads only have to end.
const LAST_CALLS: Duration = Duration::from_secs(1);
const RUNTIME_WAIT: Duration = Duration::from_secs(1);
const SPAWNER_WAIT: Duration = Duration::from_secs(3);
