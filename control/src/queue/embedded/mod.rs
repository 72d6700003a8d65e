//! The queue on this machine: SQLite in the folder `queue` of the gateway's data, used by one
//! gateway alone.
//!
//! One thread writes ([`writer`](self)), a few connections read, and which call is run next is
//! decided in memory. A call is on the disk before its client hears of it.

mod arrival;
mod claims;
mod lock;
mod open;
mod questions;
mod reader;
mod records;
mod room;
mod schedule;
mod schema;
mod store;
mod sweep;
mod writer;

#[cfg(test)]
mod tests;

pub(super) use claims::Claim;
pub(super) use store::Embedded;

pub(super) use schema::{PART_BYTES, PARTS_MAX};
