//! The queue in NATS JetStream: any number of gateways and workers share it.
//!
//! Calls are messages of a work queue, a subject and a consumer per function (`lanes`); a message
//! is acknowledged when what became of its call is written, and kept alive until then. How calls
//! stand is one record each in a stream of its own (`ledger`), changed only from what it was when
//! it was read: that decides between those who run, cancel and replay the same call. Dead letters,
//! results and replies to be delivered have a stream each (`streams`).
//!
//! **Invariant:** a call's message is acknowledged after its dead letter, its result and its reply
//! are in their streams, and its record says that it is over. NATS may be away at any time: what
//! is to be written waits, and nothing ends for it.

mod active;
mod claim;
mod dead;
mod lanes;
mod ledger;
mod legacy;
mod lists;
mod message;
mod names;
mod options;
mod post;
mod store;
mod streams;

pub(super) use claim::Claim;
pub use options::{NatsLogin, NatsOptions, NatsTls};
pub(super) use store::JetStream;
