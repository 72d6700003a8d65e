//! HTTP/1.1, sans-IO: bytes in, decisions and bytes out. No socket, no clock, no thread.
//!
//! ```text
//!   client bytes ─► head_end ─► parse_request ─► route ─► forward::request ─► function
//!                                   │ framing                                    │
//!                                   ▼                                            ▼
//!                              BodyCursor (up)                    head_end ─► parse_response
//!                                                                                │ framing
//!   client ◄─ forward::response ◄────────────────────────────────────────────────┤
//!   client ◄─ BodyCursor (down) ◄────────────────────────────────────────────────┘
//! ```
//!
//! **Invariants**
//! - Framing headers are never copied: they are parsed once ([`Framing`]) and written again.
//! - Bytes from a socket lead to a value, never to a panic; every accumulation has a bound in
//!   [`limits`](crate::limits).
//! - A message is split at the same byte, and yields the same output, whatever the reads were.

#![deny(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod body;
mod chunked;
mod digits;
pub mod forward;
mod framing;
mod head;
mod header;
mod refused;
mod reply;
mod request;
mod response;
mod target;
#[cfg(test)]
pub(crate) mod tests;
mod trailer;

pub use body::{BodyCursor, Prefix, Step};
pub use head::{
    Framing, HeadEnd, HeaderSlots, Method, Refusal, RequestHead, ResponseHead, Trailers, Version,
};
pub use header::is_list_of_tokens;
pub use reply::{CONTINUE, Reply};
pub use request::{parse_request, request_slots};
pub use response::{parse_response, response_slots};
