//! A gateway that takes no connections: calls wait until it does, and none of them is an attempt.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time;

use super::run::Worker;
use crate::supervise::keep;

impl Worker {
    /// The gateway could not be connected to. Nothing is begun until it can be.
    pub(super) fn miss_gateway(self: &Arc<Self>, error: &str) {
        // An end is not news.
        if self.is_stopping() || self.gateway.away.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(
            gateway = self.gateway.authority(),
            error,
            "the gateway takes no connections; asynchronous calls wait for it"
        );
        let worker = Arc::clone(self);
        let wait = async move || worker.await_gateway().await;
        tokio::spawn(keep("wait for the gateway", wait));
    }

    /// Whether the gateway took no connection when it was last asked for one.
    pub(super) fn misses_gateway(&self) -> bool {
        self.gateway.away.load(Ordering::Relaxed)
    }

    async fn await_gateway(&self) {
        let mut pause = PAUSE_MIN;
        while !self.is_stopping() {
            time::sleep(pause).await;
            if self.gateway.greet().await {
                tracing::info!("the gateway takes connections again; asynchronous calls go on");
                self.gateway.away.store(false, Ordering::Relaxed);
                return;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

const PAUSE_MIN: Duration = Duration::from_millis(100);
/// A gateway that is back is not kept waiting for longer.
const PAUSE_MAX: Duration = Duration::from_secs(2);
