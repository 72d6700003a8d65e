//! Asynchronous calls: taken in, kept, executed later, and their replies delivered.
//!
//! [`Queue`] is what the API needs of a queue; `embedded` is the one on this machine, `jetstream` the
//! one that many share, `backend` either of them as the worker sees it. The worker makes each call through the gateway's own public listener, so that there is one way to a
//! function. What a call is, and how it stands, is in `job`.

mod attempt;
mod backend;
mod callback;
mod desk;
mod embedded;
mod error;
mod front;
mod headers;
mod jetstream;
mod job;
mod letter;
mod limits;
mod policy;
mod rank;
mod seldom;
mod tally;
mod window;
mod worker;

pub use callback::{CallbackUrl, Guard, Resolver};
pub use desk::{Desk, Engine, Place as QueuePlace};
pub use error::QueueError;
pub use front::{Asking, Cancelled, Depths, Filter, Page, Pieces, Place, Queue, Which};
pub use jetstream::{NatsLogin, NatsOptions, NatsTls};
pub use job::{Call, CallbackStanding, Delivery, Job, JobId, Millis, State, StoredReply};
pub use limits::Limits;
pub use policy::{Queueing, RetryPolicy};
pub use tally::{Counts, Tally};
pub use worker::Rules;

pub(crate) use headers::{lines, map, of_body};
pub(crate) use policy::codes;
pub(crate) use rank::step_back;
pub(crate) use seldom::seldom;
