//! Free ports, below those the kernel hands to outgoing connections: a port that a test closes
//! and opens again must not be taken by a connection in between.

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
/// Up to 31,999: the kernel's range begins at 32,768.
const COUNT: u16 = 21_000;
