//! The worker's loop: as many calls at once as may run, until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::line::GatewayClient;
use crate::publish::{Board, UNKNOWN};
use crate::queue::embedded::Embedded;
use crate::queue::policy::RetryPolicy;
use crate::queue::tally::Tally;

/// How calls are run.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Most calls at once.
    pub concurrency: usize,
    /// Most calls of one function at once, unless its annotation says another number.
    pub function_concurrency: usize,
    /// Longest time of one attempt, its reply's body included.
    pub timeout: Duration,
    /// Most bytes kept of a reply.
    pub reply_bytes_max: u64,
    /// What functions without annotations get.
    pub retry: RetryPolicy,
}

/// Runs what is queued.
pub(in crate::queue) struct Worker {
    pub(super) queue: Embedded,
    pub(super) gateway: GatewayClient,
    pub(super) rules: Rules,
    pub(super) tally: Arc<Tally>,
    board: Arc<Board>,
    stopping: Arc<AtomicBool>,
}

impl Worker {
    pub(in crate::queue) const fn new(
        queue: Embedded,
        gateway: GatewayClient,
        rules: Rules,
        tally: Arc<Tally>,
        board: Arc<Board>,
        stopping: Arc<AtomicBool>,
    ) -> Self {
        Self {
            queue,
            gateway,
            rules,
            tally,
            board,
            stopping,
        }
    }

    /// Works until it is told to stop; calls that run then go on.
    pub(in crate::queue) async fn run(self: Arc<Self>) {
        while !self.is_stopping() {
            let most = self.rules.concurrency;
            while let Some(claim) = self.queue.claim(most, |function| self.limit(function)) {
                tokio::spawn(Arc::clone(&self).attempt(claim));
            }
            if !self.queue.refill().await {
                self.queue.woken().await;
            }
        }
    }

    /// What a function's calls are counted under: names that no function has share one series.
    pub(super) fn label<'a>(&self, function: &'a str) -> &'a str {
        match self.board.queueing(function) {
            Some(_) => function,
            None => UNKNOWN,
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Most calls of a function at once. More than it takes at all would only be refused.
    pub(super) fn limit(&self, function: &str) -> usize {
        let known = self.board.queueing(function);
        let asked = known.as_ref().and_then(|q| q.concurrency);
        asked.map_or(self.rules.function_concurrency, |n| n as usize)
    }

    /// How a function's failed calls are run again.
    pub(super) fn policy(&self, function: &str) -> RetryPolicy {
        match self.board.queueing(function) {
            Some(asked) => self.rules.retry.with(&asked),
            None => self.rules.retry.clone(),
        }
    }
}
