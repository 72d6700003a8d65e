//! What a queue can do for those who call.

use std::io;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use super::error::QueueError;
use super::job::{Call, Job, JobId, State};

/// A body in pieces.
pub type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// What a question of the queue leads to.
pub type Asking<'a, T> = BoxFuture<'a, Result<T, QueueError>>;

/// A queue of calls. What it has accepted is executed at least once.
pub trait Queue: Send + Sync {
    /// Takes a call in. When this is `Ok` the call survives whatever happens to the process.
    fn enqueue(&self, call: Call, body: Pieces) -> Asking<'_, ()>;

    /// How a call stands; `None` when there is no such call, or not any more.
    fn job(&self, id: JobId) -> Asking<'_, Option<Job>>;

    /// The body of a kept reply.
    fn reply(&self, id: JobId) -> Asking<'_, Option<Pieces>>;

    /// Calls in the order of state, time and arrival.
    fn list(&self, filter: Filter) -> Asking<'_, Page>;

    /// Ends a call that is not done.
    fn cancel(&self, id: JobId) -> Asking<'_, Cancelled>;

    /// Queues dead calls again; how many.
    fn replay(&self, which: Which) -> Asking<'_, u64>;

    /// Forgets dead calls; how many.
    fn purge(&self, which: Which) -> Asking<'_, u64>;

    /// How full it is.
    fn depths(&self) -> Depths;
}

/// Which calls a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those of this function, as `name.namespace`.
    pub function: Option<String>,
    /// Only those behind this place, from [`Page::next`].
    pub after: Option<Place>,
    /// At most this many.
    pub limit: usize,
}

/// A place in the order of all calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of the state.
    pub state: i64,
    /// Time by which the calls of a state are ordered.
    pub due: i64,
    /// Number of the call.
    pub seq: i64,
}

/// Some calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In order.
    pub jobs: Vec<Job>,
    /// Where the next page begins; `None` when there is none.
    pub next: Option<Place>,
}

/// Which dead calls are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(JobId),
    /// Those of a function, as `name.namespace`, or all.
    All(Option<String>),
}

/// What a cancellation found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It will not be executed, or no longer.
    Done,
    /// It had ended before.
    TooLate(State),
    /// There is no such call.
    Unknown,
}

/// How full a queue is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Depths {
    /// Each function that has calls: `name.namespace`, calls not done, calls running.
    pub functions: Vec<(String, u64, u64)>,
    /// Whether calls are accepted, as far as is known.
    pub is_open: bool,
    /// Dead calls kept.
    pub dead: u64,
    /// Replies to be delivered.
    pub callbacks: u64,
    /// Age of the oldest call that is not done.
    pub oldest_seconds: f64,
}

impl Place {
    /// As text, for a client to hand back.
    #[must_use]
    pub fn text(self) -> String {
        format!("{}.{}.{}", self.state, self.due, self.seq)
    }

    /// Reads what [`Place::text`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.splitn(3, '.').map(|n| n.parse().ok());
        Some(Self {
            state: numbers.next()??,
            due: numbers.next()??,
            seq: numbers.next()??,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_and_other_texts_are_none() {
        let place = Place {
            state: 3,
            due: 1_700_000_000_123,
            seq: 9,
        };
        assert_eq!(Place::parse(&place.text()), Some(place));
        for bad in ["", "1", "1.2", "1.2.x", "1.2.3.4", "..", "1.2."] {
            assert_eq!(Place::parse(bad), None, "{bad}");
        }
    }
}
