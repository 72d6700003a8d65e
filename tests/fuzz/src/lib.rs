//! What must hold for every input, one function per fuzz target. `tests/corpus` runs the same
//! functions over the stored inputs as an ordinary test.
//!
//! Where reads matter, the input's first eight bytes say how it is cut.

mod cuts;
mod documents;
mod message;
mod path;

pub use documents::{provider, text};
pub use message::{chunked, request, response};
pub use path::route;

/// Panics where a property does not hold.
pub type Check = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: [(&str, Check); 6] = [
    ("request", request),
    ("response", response),
    ("chunked", chunked),
    ("route", route),
    ("provider", provider),
    ("text", text),
];
