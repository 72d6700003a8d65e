//! Bounds of a queue.

use std::time::Duration;

/// What a queue holds at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a call's body.
    pub body_bytes_max: u64,
    /// Bytes of the head of the request by which a call is made: what the gateway takes.
    pub head_bytes_max: usize,
    /// Longest `Host` of that request.
    pub host_bytes: usize,
    /// How long calls that ended, and kept replies, are remembered.
    pub keep: Duration,
    /// How many calls that ended are remembered.
    pub keep_max: u64,
}
