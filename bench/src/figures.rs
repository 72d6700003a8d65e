//! Medians, spreads and ratios over rounds.

use crate::run::{Results, Slice};
use crate::workload::Workload;

/// The middle of some figures, and where most of them lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) p10: f64,
    pub(crate) median: f64,
    pub(crate) p90: f64,
}

/// What is read off a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Processor time per request, in microseconds.
    Cost,
    PerSecond,
    /// In microseconds.
    P50,
    P99,
    P999,
    CoreShare,
}

impl Metric {
    fn of(self, slice: &Slice) -> f64 {
        match self {
            Self::Cost => slice.cost_micros(),
            Self::PerSecond => slice.per_second(),
            Self::P50 => slice.p50 as f64 / 1e3,
            Self::P99 => slice.p99 as f64 / 1e3,
            Self::P999 => slice.p999 as f64 / 1e3,
            Self::CoreShare => slice.core_share(),
        }
    }
}

impl Results {
    /// The slices of one proxy under one workload, a round each.
    pub(crate) fn at(&self, (workload, peer): (Workload, &str)) -> impl Iterator<Item = &Slice> {
        let slices = self.slices.iter();
        slices.filter(move |s| s.workload == workload && s.peer == peer && s.answered > 0)
    }

    /// A figure over all rounds.
    pub(crate) fn spread(&self, place: (Workload, &str), metric: Metric) -> Option<Spread> {
        Spread::of(self.at(place).map(|slice| metric.of(slice)).collect())
    }

    /// The ratio of two proxies, or of two workloads: of slices of the same round each.
    pub(crate) fn ratio(
        &self,
        of: (Workload, &str),
        to: (Workload, &str),
        metric: Metric,
    ) -> Option<Spread> {
        self.pairs(of, to, metric, |of, to| of / to)
    }

    /// The difference, likewise.
    pub(crate) fn difference(
        &self,
        of: (Workload, &str),
        to: (Workload, &str),
        metric: Metric,
    ) -> Option<Spread> {
        self.pairs(of, to, metric, |of, to| of - to)
    }

    fn pairs(
        &self,
        of: (Workload, &str),
        to: (Workload, &str),
        metric: Metric,
        with: impl Fn(f64, f64) -> f64,
    ) -> Option<Spread> {
        let pairs = self.at(of).filter_map(|slice| {
            let other = self.at(to).find(|other| other.round == slice.round)?;
            Some(with(metric.of(slice), metric.of(other)))
        });
        Spread::of(pairs.filter(|ratio| ratio.is_finite()).collect())
    }

    /// A figure that was taken by itself.
    pub(crate) fn single(&self, what: &str, peer: &str) -> Option<f64> {
        let found = self
            .singles
            .iter()
            .find(|s| s.what == what && s.peer == peer);
        found.map(|single| single.value)
    }

    /// How much of its processor time a proxy spends outside of the kernel.
    pub(crate) fn user_share(&self, place: (Workload, &str)) -> Option<f64> {
        let (mut user, mut system) = (0, 0);
        for slice in self.at(place) {
            user += slice.cost.user_ticks;
            system += slice.cost.system_ticks;
        }
        (user + system > 0).then(|| user as f64 / (user + system) as f64)
    }

    /// Names of proxies that have slices of a workload, in order of appearance in round 0.
    pub(crate) fn peers(&self, workload: Workload) -> Vec<&str> {
        let slices = self
            .slices
            .iter()
            .filter(|s| s.workload == workload && s.round == 0);
        slices.map(|slice| slice.peer.as_str()).collect()
    }
}

impl Spread {
    fn of(mut figures: Vec<f64>) -> Option<Self> {
        if figures.is_empty() {
            return None;
        }
        figures.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (figures.len() - 1) as f64;
            let (below, above) = (place.floor() as usize, place.ceil() as usize);
            let between = place - place.floor();
            figures[below] * (1.0 - between) + figures[above] * between
        };
        Some(Self {
            p10: at(0.1),
            median: at(0.5),
            p90: at(0.9),
        })
    }
}

/// The middle figure; 0 of none.
pub(crate) fn median(figures: &[f64]) -> f64 {
    Spread::of(figures.to_vec()).map_or(0.0, |spread| spread.median)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::Cost;

    fn slice(round: usize, peer: &str, nanos: u64) -> Slice {
        Slice {
            round,
            workload: Workload::W1,
            peer: peer.to_owned(),
            answered: 1_000,
            failed: 0,
            nanos: 1_000_000_000,
            cost: Cost {
                nanos,
                user_ticks: 1,
                system_ticks: 3,
            },
            p50: 0,
            p99: 0,
            p999: 0,
            peak_kib: 0,
            grown_kib: 0,
        }
    }

    #[test]
    fn ratios_are_those_of_the_same_round() {
        let mut results = Results::default();
        // The machine became twice as slow from one round to the next; the ratio stayed.
        for (round, speed) in [(0, 1), (1, 2), (2, 4)] {
            results.slices.push(slice(round, "a", 12_000_000 * speed));
            results.slices.push(slice(round, "b", 10_000_000 * speed));
        }
        let ratio = results
            .ratio((Workload::W1, "a"), (Workload::W1, "b"), Metric::Cost)
            .unwrap();
        assert!((ratio.median - 1.2).abs() < 1e-9 && (ratio.p90 - 1.2).abs() < 1e-9);
        let cost = results.spread((Workload::W1, "a"), Metric::Cost).unwrap();
        assert!((cost.median - 24.0).abs() < 1e-9);
        assert_eq!(results.user_share((Workload::W1, "a")), Some(0.25));
        assert!(
            results
                .ratio((Workload::W2, "a"), (Workload::W1, "b"), Metric::Cost)
                .is_none()
        );
    }

    #[test]
    fn spreads_lie_between() {
        let spread = Spread::of((0..=10).map(f64::from).rev().collect()).unwrap();
        assert_eq!((spread.p10, spread.median, spread.p90), (1.0, 5.0, 9.0));
        assert_eq!(median(&[1.0, 2.0]), 1.5);
        assert_eq!(median(&[]), 0.0);
    }
}
