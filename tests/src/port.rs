//! Free ports, below those the kernel hands to outgoing connections and those that gateways give
//! to replicas (from 20,000 on): a port that a test closes and opens again, or is about to open,
//! must not be taken in between.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// A port of 127.0.0.1 that was free a moment ago, and that this process was not given before.
///
/// # Panics
/// When every port of the range is taken.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Other processes that test at the same time begin elsewhere, however near their ids are.
    let spread = std::process::id().wrapping_mul(2_654_435_761);
    let start = u16::try_from(spread % u32::from(COUNT));
    let start = start.unwrap_or(0);
    for _ in 0..COUNT {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + next) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} on");
}

/// Above the usual servers.
const FIRST: u16 = 11_000;
/// Up to 19,999.
const COUNT: u16 = 9_000;
