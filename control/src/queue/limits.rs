//! Bounds of a queue.

use std::time::Duration;

/// What a queue holds at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a call's body.
    pub body_bytes_max: u64,
    /// How long calls that ended, and kept replies, are remembered.
    pub keep: Duration,
    /// How many calls that ended are remembered.
    pub keep_max: u64,
}
