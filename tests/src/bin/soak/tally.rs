//! Which POSTs reached a function, and which did so twice.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A bit per id.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    bits: Vec<u64>,
    /// Ids that were told.
    pub(crate) seen: u64,
    /// Ids that were told again.
    pub(crate) repeats: u64,
}

impl Tally {
    /// Listens until `over` and no more is told.
    pub(crate) fn listen(path: &Path, over: &AtomicBool) -> std::io::Result<Self> {
        let socket = UnixDatagram::bind(path)?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        let mut tally = Self::default();
        loop {
            let last = over.load(Ordering::Relaxed);
            let mut id = [0; 8];
            match socket.recv(&mut id) {
                Ok(8) => tally.tell(u64::from_le_bytes(id)),
                Ok(_) => {}
                Err(_) if last => return Ok(tally),
                Err(_) => {}
            }
        }
    }

    fn tell(&mut self, id: u64) {
        let (word, bit) = ((id / 64) as usize, 1 << (id % 64));
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        if self.bits[word] & bit == 0 {
            self.seen += 1;
        } else {
            self.repeats += 1;
        }
        self.bits[word] |= bit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_comes_again_is_a_repeat() {
        let mut tally = Tally::default();
        for id in [0, 63, 64, 1_000, 64, 64] {
            tally.tell(id);
        }
        assert_eq!((tally.seen, tally.repeats), (4, 2));
    }
}
