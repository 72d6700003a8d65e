//! A histogram of nanoseconds: 128 steps per power of two, so that a value read back is within
//! 0.8 % of what was put in.

/// Steps per power of two, as a power of two.
const STEP_BITS: u32 = 7;
const STEPS: usize = 1 << STEP_BITS;
/// Up to 2^40 ns, 18 minutes; what is longer counts as that.
const POWERS: usize = 40;

/// Counts of durations.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u32>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; STEPS * (POWERS - STEP_BITS as usize + 1)],
            total: 0,
        }
    }

    pub(crate) fn add(&mut self, nanos: u64) {
        let last = self.counts.len() - 1;
        self.counts[index(nanos).min(last)] += 1;
        self.total += 1;
    }

    /// The value that this share of all values does not exceed; 0 when there is none.
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= wanted {
                return value(index);
            }
        }
        0
    }
}

fn index(nanos: u64) -> usize {
    let power = nanos.max(1).ilog2();
    if power <= STEP_BITS {
        return nanos as usize;
    }
    let shift = power - STEP_BITS;
    (shift as usize) * STEPS + (nanos >> shift) as usize
}

/// The middle of a step.
fn value(index: usize) -> u64 {
    if index < 2 * STEPS {
        return index as u64;
    }
    let shift = index / STEPS - 1;
    let low = ((index % STEPS + STEPS) as u64) << shift;
    low + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_within_a_step() {
        for nanos in (0..40)
            .map(|power| 1_u64 << power)
            .flat_map(|n| [n, n + n / 3])
        {
            let mut histogram = Histogram::new();
            histogram.add(nanos);
            let back = histogram.quantile(0.5);
            let off = back.abs_diff(nanos) as f64 / nanos as f64;
            assert!(off < 0.008, "{nanos} came back as {back}");
        }
    }

    #[test]
    fn quantiles_are_in_order() {
        let mut histogram = Histogram::new();
        (1..=1_000).for_each(|n| histogram.add(n * 1_000));
        let of = |share| histogram.quantile(share) as f64 / 1_000.0;
        assert!((of(0.5) - 500.0).abs() < 5.0);
        assert!((of(0.99) - 990.0).abs() < 8.0);
        assert!((of(0.999) - 999.0).abs() < 8.0);
        assert_eq!(Histogram::new().quantile(0.5), 0);
    }
}
