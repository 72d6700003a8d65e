//! The same cause is logged once in a while, however many calls it keeps from being accepted.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Whether this cause is to be logged now.
pub(crate) fn seldom(cause: &str) -> bool {
    is_news(&mut LAST.lock(), cause, Instant::now())
}

fn is_news(last: &mut Vec<(String, Instant)>, cause: &str, now: Instant) -> bool {
    last.retain(|(_, at)| now.saturating_duration_since(*at) < EVERY);
    if last.iter().any(|(known, _)| known == cause) {
        return false;
    }
    if last.len() < CAUSES_MAX {
        last.push((cause.to_owned(), now));
    }
    true
}

static LAST: Mutex<Vec<(String, Instant)>> = Mutex::new(Vec::new());
const EVERY: Duration = Duration::from_secs(10);
/// Causes remembered; there are a few.
const CAUSES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_news_once_in_ten_seconds() {
        let (mut last, now) = (Vec::new(), Instant::now());
        assert!(is_news(&mut last, "full", now));
        assert!(is_news(&mut last, "away", now));
        assert!(!is_news(&mut last, "full", now + EVERY / 2));
        assert!(is_news(&mut last, "full", now + EVERY));
    }
}
