//! Bytes that belong to one call and to no other, and their checksum: what the caller and the
//! function `vice` at `/proof` show each other, so that a mistaken byte has nowhere to hide.

/// The first `length` bytes that belong to `id`.
#[must_use]
pub fn pattern(id: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    let mut state = id;
    while bytes.len() < length {
        // The steps of splitmix64: neighbours have nothing in common.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The bytes that answer the call `id`: others than those of any request.
#[must_use]
pub fn answer(id: u64, length: usize) -> Vec<u8> {
    pattern(!id, length)
}

/// A checksum over bytes that come in any pieces: FNV-1a.
pub struct Sum(u64);

impl Default for Sum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Sum {
    /// That of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> u64 {
        let mut sum = Self::default();
        sum.add(bytes);
        sum.value()
    }

    /// Adds a piece.
    pub fn add(&mut self, piece: &[u8]) {
        for byte in piece {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    /// The sum so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_begins_as_its_longer_self_and_unlike_others() {
        let long = pattern(7, 1_000);
        for length in [0, 1, 7, 8, 9, 999] {
            assert_eq!(pattern(7, length), long[..length]);
        }
        assert_ne!(pattern(8, 1_000), long);
        assert_ne!(answer(7, 1_000), long);
    }

    #[test]
    fn a_sum_is_the_same_in_any_pieces() {
        let bytes = pattern(1, 100);
        for cut in 0..bytes.len() {
            let mut sum = Sum::default();
            sum.add(&bytes[..cut]);
            sum.add(&bytes[cut..]);
            assert_eq!(sum.value(), Sum::of(&bytes));
        }
        assert_eq!(Sum::of(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
