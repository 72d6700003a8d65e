//! Replies that are delivered to the URL a call named.
//!
//! **Invariant:** no connection is made to an address that [`Guard`] does not allow, however the
//! address was come by: written in the URL, found by name, or named by a redirect.

mod connect;
mod deliver;
mod guard;
mod postman;
mod pump;
mod resolve;
mod tls;
mod turns;
mod url;

pub use guard::Guard;
pub(super) use postman::Postman;
pub(super) use pump::Pump;
pub use resolve::Resolver;
pub(super) use turns::Turns;
pub use url::CallbackUrl;
