//! The two queues, where the worker and the desk do not mind which it is.

use std::sync::Arc;

use super::attempt::{Ended, Kept, Verdict, Work};
use super::embedded::{self, Embedded};
use super::error::QueueError;
use super::front::{Pieces, Queue};
use super::jetstream::{self, JetStream};
use super::policy::Queueing;

/// A queue.
#[derive(Clone)]
pub(super) enum Backend {
    /// On this machine.
    Embedded(Embedded),
    /// In NATS.
    JetStream(JetStream),
}

/// A call that is one attempt's alone; what is not settled is run again.
pub(super) enum Claim {
    Embedded(embedded::Claim),
    /// Larger by far than the other.
    JetStream(Box<jetstream::Claim>),
}

impl Backend {
    /// What the API works with.
    ///
    /// # Errors
    /// [`QueueError::Absent`] says why calls cannot be taken in now.
    pub(super) fn front(&self) -> Result<Arc<dyn Queue>, QueueError> {
        match self {
            Self::Embedded(queue) => Ok(Arc::new(queue.clone())),
            Self::JetStream(queue) => {
                queue.ready()?;
                Ok(Arc::new(queue.clone()))
            }
        }
    }

    /// Calls that run in this process.
    pub(super) fn running(&self) -> usize {
        match self {
            Self::Embedded(queue) => queue.running(),
            Self::JetStream(queue) => queue.running(),
        }
    }

    /// Tells that a function has too many calls, or took one.
    pub(super) fn adapt(&self, function: &str, crowded: bool, limit: usize) {
        match self {
            Self::Embedded(queue) => queue.adapt(function, crowded, limit),
            Self::JetStream(queue) => queue.adapt(function, crowded, limit),
        }
    }

    /// Lets go of what still runs: the process ends.
    pub(super) async fn give_back(&self) {
        match self {
            // It is to be run at the next start, because it was never said that it runs.
            Self::Embedded(_) => {}
            Self::JetStream(queue) => queue.give_back().await,
        }
    }
}

impl Claim {
    /// The function, as `name.namespace`.
    pub(super) fn function(&self) -> &str {
        match self {
            Self::Embedded(claim) => claim.function(),
            Self::JetStream(claim) => claim.function(),
        }
    }

    /// What the call itself says that its function's annotations ask for.
    pub(super) const fn asked(&self) -> Option<&Queueing> {
        match self {
            Self::Embedded(_) => None,
            Self::JetStream(claim) => claim.asked(),
        }
    }

    /// The call and its body; `None` when it is not to be run after all.
    pub(super) async fn load(&mut self) -> Result<Option<(Work, Pieces)>, QueueError> {
        match self {
            Self::Embedded(claim) => claim.load().await,
            Self::JetStream(claim) => claim.load().await,
        }
    }

    /// Resolves when the call is cancelled.
    pub(super) const fn cut(&mut self) -> &mut tokio::sync::oneshot::Receiver<()> {
        match self {
            Self::Embedded(claim) => &mut claim.cut,
            Self::JetStream(claim) => &mut claim.cut,
        }
    }

    /// How much of a reply may be kept, of `most` that are wanted.
    pub(super) fn reply_bytes_max(&self, most: u64) -> u64 {
        match self {
            Self::Embedded(_) => most,
            Self::JetStream(claim) => claim.reply_bytes_max(most),
        }
    }

    /// Keeps a part of the reply, one after the other.
    pub(super) async fn keep(&mut self, part: i64, bytes: Vec<u8>) -> Result<(), QueueError> {
        match self {
            Self::Embedded(claim) => claim.keep(part, bytes).await,
            Self::JetStream(claim) => {
                claim.keep(&bytes);
                Ok(())
            }
        }
    }

    /// Lets a call go whose function was not called: it is run again, and this was no attempt.
    pub(super) async fn give_back(self) {
        match self {
            // It was never said that it runs.
            Self::Embedded(claim) => drop(claim),
            Self::JetStream(claim) => claim.give_back().await,
        }
    }

    /// Writes how the attempt ended, and lets the call go. `kept` is the reply with the number of
    /// its last part.
    pub(super) async fn settle(
        self,
        ended: Ended,
        verdict: Verdict,
        kept: Option<(Kept, i64)>,
    ) -> Result<(), QueueError> {
        match self {
            Self::Embedded(claim) => claim.settle(ended, verdict, kept).await,
            Self::JetStream(claim) => {
                let kept = kept.map(|(kept, _)| kept);
                claim.settle(ended, verdict, kept).await
            }
        }
    }
}
