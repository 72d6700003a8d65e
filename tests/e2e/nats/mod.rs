//! The queue in NATS: what is the same as with the embedded one, and what only it can do.

mod calls;
mod cancel;
mod letters;
mod outage;
mod settings;
mod workers;
