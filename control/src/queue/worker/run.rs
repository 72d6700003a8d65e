//! The worker's loop: as many calls at once as may run, until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time;

use super::line::GatewayClient;
use super::pace::Pace;
use crate::publish::Board;
use crate::queue::backend::{Backend, Claim};
use crate::queue::embedded::Embedded;
use crate::queue::jetstream;
use crate::queue::policy::{Queueing, RetryPolicy};
use crate::queue::tally::Tally;
use crate::supervise::{keep, once};

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
    /// How late the machine may be before calls are begun more slowly; `None`: never.
    pub late: Option<Duration>,
    /// What functions without annotations get.
    pub retry: RetryPolicy,
}

/// Runs what is queued.
pub(in crate::queue) struct Worker {
    pub(super) queue: Backend,
    pub(super) gateway: GatewayClient,
    pub(super) rules: Rules,
    pub(super) tally: Arc<Tally>,
    board: Arc<Board>,
    stopping: Arc<AtomicBool>,
    pace: Option<Arc<Pace>>,
}

impl Worker {
    pub(in crate::queue) const fn new(
        queue: Backend,
        gateway: GatewayClient,
        rules: Rules,
        tally: Arc<Tally>,
        board: Arc<Board>,
        stopping: Arc<AtomicBool>,
        pace: Option<Arc<Pace>>,
    ) -> Self {
        Self {
            queue,
            gateway,
            rules,
            tally,
            board,
            stopping,
            pace,
        }
    }

    /// Works until it is told to stop; calls that run then go on.
    pub(in crate::queue) async fn run(self: Arc<Self>) {
        match self.queue.clone() {
            Backend::Embedded(queue) => {
                keep("the queue's calls", async move || self.serve(&queue).await).await;
            }
            Backend::JetStream(queue) => {
                let away = &self.gateway.away;
                let mut claims = queue.serve(&self.rules, &self.stopping, away);
                keep("the queue's calls", async move || {
                    self.take(&mut claims).await
                })
                .await;
            }
        }
    }

    async fn take(self: &Arc<Self>, claims: &mut mpsc::Receiver<jetstream::Claim>) {
        while !self.is_stopping() {
            // Looks up now and then, to hear of the end.
            if let Ok(Some(claim)) = time::timeout(LOOK, claims.recv()).await {
                if self.misses_gateway() {
                    // Another worker may reach one.
                    continue;
                }
                self.turn().await;
                self.begin(Claim::JetStream(Box::new(claim)));
            }
        }
    }

    /// A panic costs the attempt; its claim is let go of.
    fn begin(self: &Arc<Self>, claim: Claim) {
        let attempt = Arc::clone(self).attempt(claim);
        tokio::spawn(once("a queued call", attempt));
    }

    async fn serve(self: &Arc<Self>, queue: &Embedded) {
        while !self.is_stopping() {
            let most = self.rules.concurrency;
            while !self.misses_gateway()
                && let Some(claim) = queue.claim(most, |function| self.limit(function))
            {
                self.turn().await;
                self.begin(Claim::Embedded(claim));
            }
            if self.misses_gateway() {
                time::sleep(LOOK).await;
                continue;
            }
            if !queue.refill().await {
                queue.woken().await;
            }
        }
    }

    /// Waits until one more call may begin.
    async fn turn(&self) {
        if let Some(pace) = &self.pace {
            pace.turn().await;
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// What a call's function asks for: as it is known now, or as it was when it was queued.
    /// `None`: there is no such function.
    fn asked(&self, claim: &Claim) -> Option<Queueing> {
        let known = self.board.queueing(claim.function());
        known.or_else(|| claim.asked().cloned())
    }

    /// Whether somebody knows the function, so that its calls have a series of their own.
    pub(super) fn is_known(&self, claim: &Claim) -> bool {
        self.asked(claim).is_some()
    }

    /// Most calls of a claimed call's function at once.
    pub(super) fn limit_of(&self, claim: &Claim) -> usize {
        self.most(self.asked(claim).as_ref())
    }

    /// Most calls of a function at once.
    fn limit(&self, function: &str) -> usize {
        self.most(self.board.queueing(function).as_ref())
    }

    /// More than a function takes at all would only be refused.
    fn most(&self, asked: Option<&Queueing>) -> usize {
        let most = asked.and_then(|asked| asked.concurrency);
        most.map_or(self.rules.function_concurrency, |n| n as usize)
    }

    /// How a failed call is run again.
    pub(super) fn policy(&self, claim: &Claim) -> RetryPolicy {
        match self.asked(claim) {
            Some(asked) => self.rules.retry.with(&asked),
            None => self.rules.retry.clone(),
        }
    }
}

/// How often it is looked whether the end has come, or the gateway is back.
const LOOK: Duration = Duration::from_millis(200);
