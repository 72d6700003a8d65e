//! The load generator: one thread, epoll. It costs about half the processor time of wrk, which
//! is what lets one core saturate a fast proxy on the other.

mod closed;
mod connection;
mod open;
mod request;
mod stream;

pub(crate) use closed::{Closed, Reuse};
pub(crate) use connection::get_text;
pub(crate) use open::{Rate, open};
pub(crate) use request::{Mix, Request};
pub(crate) use stream::Streams;

use crate::histogram::Histogram;

/// What a slice of load came to.
pub(crate) struct Outcome {
    /// Requests answered with 200 and a whole body.
    pub(crate) answered: u64,
    pub(crate) failed: u64,
    /// From the first request to the end of the last.
    pub(crate) nanos: u64,
    pub(crate) latency: Histogram,
}
