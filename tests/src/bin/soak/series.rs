//! A figure over time, and whether it grows. Pure.

/// Points in order of time: seconds since the start, and the figure.
#[derive(Debug, Default)]
pub(crate) struct Series(Vec<(f64, f64)>);

impl Series {
    pub(crate) fn push(&mut self, second: f64, figure: f64) {
        self.0.push((second, figure));
    }

    /// The straight line of least squares through the points behind the first third, during which
    /// pools and tables fill: what the figure gains in an hour.
    pub(crate) fn per_hour(&self) -> f64 {
        let points = &self.0[self.0.len() / 3..];
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|p| p.0), mean(|p| p.1));
        let spread: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
        let common: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
        if spread > 0.0 {
            common / spread * 3_600.0
        } else {
            0.0
        }
    }

    /// The median of the second quarter and that of the last one: a peak moves neither, a leak
    /// moves one from the other.
    pub(crate) fn medians(&self) -> (f64, f64) {
        let length = self.0.len();
        let median = |from: usize, to: usize| {
            let mut figures: Vec<f64> = self.0[from..to].iter().map(|p| p.1).collect();
            figures.sort_unstable_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied().unwrap_or(0.0)
        };
        (
            median(length / 4, length / 2),
            median(length * 3 / 4, length),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(figure: impl Fn(u32) -> f64) -> Series {
        Series((0..120).map(|i| (f64::from(i), figure(i))).collect())
    }

    #[test]
    fn a_leak_is_a_slope_and_moves_the_median() {
        let leak = series(|i| 100.0 + f64::from(i));
        assert!((leak.per_hour() - 3_600.0).abs() < 1e-6);
        assert_eq!(leak.medians(), (145.0, 205.0));
    }

    #[test]
    fn what_fills_at_first_and_stays_has_no_slope() {
        let filled = series(|i| f64::from(i.min(30)));
        assert!(filled.per_hour().abs() < 1e-6);
        assert_eq!(filled.medians(), (30.0, 30.0));
    }

    #[test]
    fn a_peak_moves_no_median() {
        let peak = series(|i| if i > 110 { 1e6 } else { 5.0 });
        assert_eq!(peak.medians(), (5.0, 5.0));
    }

    #[test]
    fn few_points_are_no_slope() {
        assert_eq!(Series::default().medians(), (0.0, 0.0));
        assert_eq!(Series(vec![(0.0, 1.0)]).per_hour(), 0.0);
    }
}
