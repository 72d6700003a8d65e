//! Random numbers from a seed.

/// A xorshift generator: the same numbers for the same seed.
pub struct Random(u64);

impl Random {
    /// Begins.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as usize % bound
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        (self.below(256) & 0xff) as u8
    }
}
