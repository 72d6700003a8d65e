//! A reply on its way to its receiver.

use super::job::{Delivery, JobId, Millis};

/// A reply to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    /// Number of the call in the embedded queue; in NATS that of the call's message.
    pub(super) seq: i64,
    pub(super) id: JobId,
    pub(super) call_id: String,
    /// `name.namespace`.
    pub(super) function: String,
    /// The name as in the client's path.
    pub(super) name: String,
    pub(super) url: String,
    /// Deliveries tried.
    pub(super) tried: u32,
    /// Since when it is to be delivered.
    pub(super) since: Millis,
    /// Attempts at the call.
    pub(super) attempts: u32,
    /// Status of the last attempt; `None` when there was no reply.
    pub(super) status: Option<u16>,
    /// From the enqueue to the end of the last attempt.
    pub(super) took_micros: u64,
    pub(super) headers: Vec<u8>,
    pub(super) bytes: u64,
    pub(super) cut: bool,
}

/// Which end of a call a reply is of: a call that is replayed ends again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    /// Number of the call.
    pub(super) seq: i64,
    /// When it ended.
    pub(super) since: Millis,
    /// How long it took until then.
    pub(super) took_micros: u64,
}

impl Letter {
    pub(super) const fn origin(&self) -> Origin {
        Origin {
            seq: self.seq,
            since: self.since,
            took_micros: self.took_micros,
        }
    }
}

/// Replies that may be delivered now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) letters: Vec<Letter>,
    /// Where the next look goes on; `None` when all that are due were looked at.
    pub(super) from: Option<(Millis, i64)>,
    /// When the next one is due that is not due yet.
    pub(super) next: Option<Millis>,
}

/// How a delivery ended, or when it is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeliveryEnd {
    pub(super) delivery: Delivery,
    pub(super) due: Millis,
    pub(super) status: Option<u16>,
    pub(super) error: Option<String>,
}
