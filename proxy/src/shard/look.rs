//! Whether a send goes on, by looks at what the kernel still has of it; pure.
//!
//! A buffer is large and a client may be slow: how long the whole of it takes says nothing. One
//! that takes nothing at all is what a write timeout is about.

/// Looks at a send in the time it may stand still. The first only sees how much there is.
pub(crate) const LOOKS: u32 = 4;

/// What the last look at a send found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Bytes the kernel still had; [`u32::MAX`] before the first look.
    unsent: u32,
    /// Looks in a row that found the same.
    same: u32,
}

pub(super) const NOT_LOOKED: Look = Look {
    unsent: u32::MAX,
    same: 0,
};

impl Look {
    /// The next look; `None` when the send stands still.
    pub(super) fn then(self, unsent: Option<u32>) -> Option<Self> {
        let next = match unsent {
            Some(unsent) if unsent != self.unsent => Self { unsent, same: 0 },
            _ => Self {
                same: self.same + 1,
                ..self
            },
        };
        (next.same < LOOKS - 1).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_stands_still_when_three_looks_find_what_the_first_found() {
        let looks = |found: &[u32]| {
            let mut look = Some(NOT_LOOKED);
            let count = found.iter().take_while(|unsent| {
                look = look.and_then(|look| look.then(Some(**unsent)));
                look.is_some()
            });
            count.count()
        };
        assert_eq!(looks(&[9, 9, 9, 9, 9]), 3, "the fourth is too many");
        assert_eq!(looks(&[9, 9, 9, 8, 8, 8, 8]), 6);
        assert_eq!(looks(&[9, 8, 9, 8, 9, 8, 9, 8]), 8);
        let blind = NOT_LOOKED.then(None).and_then(|look| look.then(None));
        assert_eq!(blind.and_then(|look| look.then(None)), None);
    }
}
