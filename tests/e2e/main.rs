//! The gateway as its users see it: one binary of tests, one module per concern. Runs once per
//! driver (`RINGWAY_TEST_DRIVER`).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod api;
mod async_calls;
mod auth;
mod body;
mod bounds;
mod canary;
mod deploy;
mod driver;
mod expect;
mod failure;
mod hardening;
mod head;
mod idle;
mod invoke;
mod lifecycle;
mod local;
mod nats;
mod park;
mod path_safety;
mod range;
mod refusals;
mod remote;
mod shortage;
mod signals;
mod stream;
mod takeover;
mod vices;
mod websocket;
