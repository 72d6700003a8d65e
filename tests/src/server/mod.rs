//! A scripted HTTP/1.1 server run by the test process: it records every request byte for byte
//! and does exactly what it is told, bytes that are no HTTP included.
//!
//! It knows nothing of functions: an [`App`] says what to do with each request.

mod answer;
mod connection;
mod listener;
mod path;
mod seen;
mod stream;
mod vice;

pub use answer::{Act, Answer, App};
pub use listener::Server;
pub use path::{clean, decode};
pub use seen::Seen;
pub use stream::Stream;
pub use vice::Vice;
