//! The scaling labels of a function, read as OpenFaaS reads them: what is no number is not there.

use std::collections::BTreeMap;

use crate::policy::whole;

/// What `com.openfaas.scale.{min,max,factor}` allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Replicas without load, and after a start from zero.
    pub min: u32,
    /// Most replicas under load.
    pub max: u32,
    /// Percent of `max` that one alert adds; 0 never scales.
    pub factor: u32,
}

impl Bounds {
    /// The bounds that labels set.
    #[must_use]
    pub fn of(labels: &BTreeMap<String, String>) -> Self {
        let label = |name: &str| {
            let value = labels.get(&format!("com.openfaas.scale.{name}"));
            value.and_then(|text| whole(text.trim()))
        };
        Self {
            min: label("min").unwrap_or(MIN),
            max: label("max").unwrap_or(MAX),
            factor: label("factor").filter(|f| *f <= 100).unwrap_or(FACTOR),
        }
    }

    /// Replicas after an alert fired: a step up, never above the maximum or `cap`.
    #[must_use]
    pub fn raised(self, current: u32, cap: Option<u32>) -> u32 {
        let max = self.max.min(cap.unwrap_or(u32::MAX));
        let step = (u64::from(max) * u64::from(self.factor)).div_ceil(100);
        if step == 0 {
            return current;
        }
        let raised = u64::from(current) + step;
        u32::try_from(raised).unwrap_or(u32::MAX).min(max)
    }
}

/// Without a label; those of OpenFaaS.
const MIN: u32 = 1;
const MAX: u32 = 5;
const FACTOR: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(labels: &[(&str, &str)]) -> Bounds {
        let pairs = labels
            .iter()
            .map(|(k, v)| (format!("com.openfaas.scale.{k}"), (*v).to_owned()));
        Bounds::of(&pairs.collect())
    }

    #[test]
    fn what_is_no_number_is_the_default() {
        let default = Bounds {
            min: 1,
            max: 5,
            factor: 10,
        };
        assert_eq!(bounds(&[]), default);
        assert_eq!(
            bounds(&[("min", "x"), ("max", "-1"), ("factor", "")]),
            default
        );
        assert_eq!(bounds(&[("min", "2"), ("max", "20")]).max, 20);
        assert_eq!(bounds(&[("factor", "250")]).factor, 10);
    }

    #[test]
    fn a_step_is_a_part_of_the_maximum_rounded_up() {
        assert_eq!(bounds(&[]).raised(1, None), 2);
        let twenty = bounds(&[("max", "20"), ("factor", "25")]);
        assert_eq!(twenty.raised(1, None), 6);
        assert_eq!(twenty.raised(18, None), 20);
        // A count above the maximum is pulled down to it.
        assert_eq!(twenty.raised(30, None), 20);
        // The step is part of the capped maximum.
        assert_eq!(twenty.raised(1, Some(10)), 4);
        assert_eq!(
            bounds(&[("factor", "33"), ("max", "10")]).raised(0, None),
            4
        );
    }

    #[test]
    fn a_factor_of_zero_is_the_off_switch() {
        assert_eq!(bounds(&[("factor", "0")]).raised(3, None), 3);
        assert_eq!(bounds(&[("factor", "0")]).raised(30, None), 30);
    }
}
