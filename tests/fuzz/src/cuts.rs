//! How an input is cut into reads.

/// Lengths of reads, from eight bytes of the input, again and again.
#[derive(Clone)]
pub(crate) struct Cuts {
    state: u64,
}

impl Cuts {
    /// Splits the eight bytes off.
    pub(crate) fn of(input: &[u8]) -> (Self, &[u8]) {
        let (seed, rest) = input.split_at(input.len().min(8));
        let mut bytes = [0; 8];
        bytes[..seed.len()].copy_from_slice(seed);
        let state = u64::from_le_bytes(bytes) | 1;
        (Self { state }, rest)
    }

    /// The length of the next read of at most `left` bytes, at least 1.
    pub(crate) fn next(&mut self, left: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let random = (self.state >> 32) as usize;
        let most = match random % 4 {
            0 => 1,
            1 => 7,
            2 => 64,
            _ => left,
        };
        (1 + (random >> 2) % most.max(1)).min(left.max(1))
    }
}
