//! Random streams: the corpus, joined, cut and changed.

use super::corpus::PIECES;

/// A xorshift generator: the same numbers for the same seed.
pub(super) struct Random(u64);

impl Random {
    /// With `RINGWAY_SEED`, else with `seed`; says which, for a test that fails.
    pub(super) fn new(seed: u64) -> Self {
        let seed = from_env("RINGWAY_SEED").unwrap_or(seed);
        #[expect(clippy::print_stdout, reason = "the seed of a failed test")]
        {
            println!("RINGWAY_SEED={seed}");
        }
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 32).unwrap() % bound
    }

    /// The length of one read: a few bytes, or all.
    pub(super) fn piece(&mut self, all: usize) -> usize {
        match self.below(4) {
            0 => 1,
            1 => 1 + self.below(8),
            2 => 1 + self.below(64),
            _ => all.max(1),
        }
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// A number from the environment.
pub(super) fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// One to three streams of the corpus, three of four of them honest, with a few changes.
pub(super) fn stream(random: &mut Random, honest: &[String], refused: &[String]) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..=random.below(3) {
        let from = if random.below(4) == 0 {
            refused
        } else {
            honest
        };
        stream.extend_from_slice(from[random.below(from.len())].as_bytes());
    }
    // Most changes make nonsense that all refuse: two of three streams have one at most.
    let changes = match random.below(3) {
        0 => 0,
        1 => 1,
        _ => 1 + random.below(5),
    };
    for _ in 0..changes {
        change(random, &mut stream);
    }
    stream
}

fn change(random: &mut Random, stream: &mut Vec<u8>) {
    let at = random.below(stream.len() + 1);
    let end = (at + 1 + random.below(4)).min(stream.len());
    let piece = random.pick(&PIECES).as_bytes();
    match random.below(8) {
        0 => drop(stream.drain(at..end)),
        1 => drop(stream.splice(at..end, piece.iter().copied())),
        2 => {
            if let Some(byte) = stream.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        3 => {
            // A line twice, or in another place.
            let lines = line_starts(stream);
            let from = lines[random.below(lines.len())];
            let to = lines[random.below(lines.len())];
            let line: Vec<u8> = line_at(stream, from).to_vec();
            drop(stream.splice(to..to, line));
        }
        4 => {
            let lines = line_starts(stream);
            let from = lines[random.below(lines.len())];
            let len = line_at(stream, from).len();
            drop(stream.drain(from..from + len));
        }
        5 => {
            // A piece at the start of a line, where fields and chunk sizes begin.
            let lines = line_starts(stream);
            let to = lines[random.below(lines.len())];
            drop(stream.splice(to..to, piece.iter().copied()));
        }
        6 => stream.truncate(at.max(1)),
        _ => drop(stream.splice(at..at, piece.iter().copied())),
    }
}

fn line_starts(stream: &[u8]) -> Vec<usize> {
    let ends = stream
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n');
    let starts = ends.map(|(at, _)| at + 1);
    [0].into_iter().chain(starts).collect()
}

fn line_at(stream: &[u8], start: usize) -> &[u8] {
    let rest = &stream[start..];
    let end = rest.iter().position(|byte| *byte == b'\n');
    &rest[..end.map_or(rest.len(), |end| end + 1)]
}
