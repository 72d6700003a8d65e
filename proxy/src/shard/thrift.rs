//! When it is worth its time to have the allocator give freed memory back; pure.

use crate::clock::Millis;

/// What was freed and done up to the last look.
#[derive(Debug, Default)]
pub(crate) struct Thrift {
    freed: u64,
    requests: u64,
    not_before: Millis,
}

impl Thrift {
    /// Looked at every second: whether memory is to be given back now.
    pub(crate) fn is_due(&mut self, now: Millis, freed: u64, requests: u64) -> bool {
        let quiet = requests.wrapping_sub(self.requests) <= QUIET;
        self.requests = requests;
        let due = quiet && now >= self.not_before && freed.wrapping_sub(self.freed) >= WORTH;
        if due {
            self.freed = freed;
            self.not_before = now.saturating_add(PAUSE);
        }
        due
    }
}

/// Bytes of buffers that are worth a walk through the allocator's pages (a millisecond or so): what
/// else was freed with them is as much again, and one live object keeps 64 KiB.
const WORTH: u64 = 64 * 1024;
/// Requests per second below which a shard has the time.
const QUIET: u64 = 500;
const PAUSE: Millis = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_when_much_was_freed_and_little_is_to_do() {
        let mut thrift = Thrift::default();
        assert!(!thrift.is_due(1_000, WORTH - 1, 0), "too little");
        assert!(!thrift.is_due(2_000, WORTH, QUIET + 1), "too busy");
        assert!(thrift.is_due(3_000, WORTH, QUIET + 2));
        assert!(!thrift.is_due(4_000, WORTH, QUIET + 2), "nothing new");
        assert!(!thrift.is_due(12_999, 3 * WORTH, QUIET + 2), "too soon");
        assert!(thrift.is_due(13_000, 3 * WORTH, QUIET + 2));
    }
}
