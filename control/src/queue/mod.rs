//! Asynchronous calls: taken in, kept, executed later, and their replies delivered.
//!
//! [`Queue`] is what the API needs of a queue; `embedded` is the one on this machine. The worker
//! makes each call through the gateway's own public listener, so that there is one way to a
//! function. What a call is, and how it stands, is in `job`.

mod attempt;
mod callback;
mod desk;
mod embedded;
mod error;
mod front;
mod headers;
mod job;
mod limits;
mod policy;
mod rank;
mod tally;
mod worker;

pub use callback::{CallbackUrl, Guard, Resolver};
pub use desk::{Desk, Engine};
pub use error::QueueError;
pub use front::{Asking, Cancelled, Depths, Filter, Page, Pieces, Place, Queue, Which};
pub use job::{Call, CallbackStanding, Delivery, Job, JobId, Millis, State, StoredReply};
pub use limits::Limits;
pub use policy::{Queueing, RetryPolicy};
pub use tally::{Counts, Tally};
pub use worker::Rules;

pub(crate) use headers::{lines, map};
pub(crate) use policy::codes;
pub(crate) use rank::step_back;
