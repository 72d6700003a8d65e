//! One attempt at a call: what is sent, how it ended, and what follows from it.

use std::time::Duration;

use super::job::{Call, Millis};

/// A call to be made now.
#[derive(Clone, Debug)]
pub(super) struct Work {
    /// The call.
    pub call: Call,
    /// Attempts that ended before this one.
    pub attempts: u32,
    /// Bytes of the request's body.
    pub body_bytes: u64,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// The reply's status; `None` when there was no reply.
    pub status: Option<u16>,
    /// Why there was none.
    pub error: Option<String>,
    /// When it began.
    pub started_at: Millis,
    /// How long it took.
    pub took: Duration,
}

/// What becomes of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is done.
    Done,
    /// It has failed for the last time.
    Dead,
    /// It is run again.
    Again {
        /// When.
        due: Millis,
        /// Whether this attempt counts; one that the gateway put off does not.
        counted: bool,
    },
}

/// The reply of the last attempt, as far as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// Its status.
    pub status: u16,
    /// `name: value` lines, each ended by CRLF.
    pub headers: Vec<u8>,
    /// Bytes kept.
    pub bytes: u64,
    /// Whether there were more.
    pub cut: bool,
    /// The last piece, not yet written.
    pub tail: Vec<u8>,
}
