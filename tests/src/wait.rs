//! Waiting by condition, with a deadline.

use std::time::{Duration, Instant};

/// Calls `look` until it gives something, for at most `patience`.
///
/// # Panics
/// When `patience` ends first; the text says what was waited for.
pub fn eventually<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "waited {patience:?} for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
