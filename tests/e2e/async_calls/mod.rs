//! Asynchronous calls: `/async-function/…` and what becomes of them.

mod absent;
pub(crate) mod callback;
mod cancel;
mod crash;
pub(crate) mod dead;
pub(crate) mod enqueue;
mod guard;
mod https;
mod retry;
pub(crate) mod stage;
mod status;
