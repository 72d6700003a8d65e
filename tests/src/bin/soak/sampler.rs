//! What the gateway's process holds, each second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringway_tests::Gateway;

use crate::order::Order;
use crate::series::Series;
use crate::stage::Stage;

/// Resident memory and descriptors over the run.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// MiB.
    resident: Series,
    descriptors: Series,
}

impl Samples {
    /// Takes one each second until the stage is over.
    pub(crate) fn take(stage: &Stage<'_>) -> Self {
        let (mut samples, began) = (Self::default(), Instant::now());
        while !stage.is_over() {
            let second = began.elapsed().as_secs_f64();
            let resident = stage.gateway.resident_kib() as f64 / 1_024.0;
            samples.resident.push(second, resident);
            let descriptors = descriptors(stage.gateway) as f64;
            samples.descriptors.push(second, descriptors);
            std::thread::sleep(EVERY);
        }
        samples
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |what: &str, series: &Series, unit: &str| {
            let (before, after) = series.medians();
            let slope = series.per_hour();
            format!(
                "{what}: {before:.1}{unit} in the second quarter, {after:.1}{unit} in the last; \
                 {slope:+.1}{unit} per hour behind the first third"
            )
        };
        vec![
            line("resident memory", &self.resident, " MiB"),
            line("descriptors", &self.descriptors, ""),
        ]
    }

    /// What grew by more than the load's own waves explain.
    pub(crate) fn wrongs(&self, order: Order) -> Vec<String> {
        let (resident_max, descriptors_max) = if order.is_long() { LONG } else { SHORT };
        let mut wrongs = Vec::new();
        for (what, series, most) in [
            ("resident memory (MiB)", &self.resident, resident_max),
            ("descriptors", &self.descriptors, descriptors_max),
        ] {
            let (before, after) = series.medians();
            if after - before > most {
                wrongs.push(format!(
                    "{what} grew from {before:.1} to {after:.1}, more than {most}"
                ));
            }
        }
        wrongs
    }
}

/// Descriptors that the gateway's process has open.
pub(crate) fn descriptors(gateway: &Gateway) -> usize {
    let folder = std::fs::read_dir(format!("/proc/{}/fd", gateway.pid()));
    folder.map_or(0, Iterator::count)
}

/// How many there are of each kind, for a report of too many.
pub(crate) fn kinds(gateway: &Gateway) -> Vec<String> {
    let folder = std::fs::read_dir(format!("/proc/{}/fd", gateway.pid()));
    let mut kinds = BTreeMap::<String, u32>::new();
    for entry in folder.into_iter().flatten().flatten() {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        let target = target.display().to_string();
        // Such as `socket:[123]`.
        let kind = target.split(":[").next().unwrap_or_default();
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    kinds
        .iter()
        .map(|(kind, n)| format!("{n} {kind}"))
        .collect()
}

const EVERY: Duration = Duration::from_secs(1);
/// MiB and descriptors. Medians of the same load differ by less than one MiB; in half an hour a leak
/// of 30 bytes per request, or of a descriptor in 10,000, is more.
const LONG: (f64, f64) = (4.0, 16.0);
/// Medians of 15 seconds: pools still fill, and one large body or update more is seen.
const SHORT: (f64, f64) = (8.0, 64.0);
