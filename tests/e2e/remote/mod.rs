//! In front of a remote provider: what passes through, and what happens when it does not behave.

mod alerts;
mod counts;
mod crowd;
mod direct;
mod documents;
mod invoke;
mod metrics;
mod names;
mod outage;
mod pass;
mod pool;
mod stream;
mod url;
mod wake;
