//! What systemd is told (`Type=notify` or `notify-reload`, `WatchdogSec=`; sd_notify(3)). Without
//! systemd nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

/// The gateway serves.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The gateway is about to end.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Another process is the gateway from here on.
pub(super) fn succeeded_by(pid: u32) {
    tell(&[NotifyState::MainPid(pid)]);
}

/// What can be read again is being read again; [`ready`] says when that is over.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// Every shard answers.
pub(super) fn alive() {
    if watchdog_interval().is_some() {
        tell(&[NotifyState::Watchdog]);
    }
}

/// How often systemd wants to hear that, at least.
pub(super) fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd was not told");
    }
}
