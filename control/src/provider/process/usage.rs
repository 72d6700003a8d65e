//! What a function uses: memory now, cores since the last measurement.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{self, Instant};

use super::function::Function;
use crate::spawner::Amount;
use crate::wire::Usage;

/// Processor time of each process at one instant.
#[derive(Clone, Debug)]
pub(super) struct Measurement {
    at: Instant,
    amounts: Vec<Amount>,
}

/// Measures a function. Without an earlier measurement to compare with it takes two.
pub(super) async fn usage(function: &Arc<Function>) -> Usage {
    let now = measure(function).await;
    let before = function.measured(now.clone());
    if let Some(before) = before
        && (SPAN_MIN..SPAN_MAX).contains(&(now.at - before.at))
    {
        return between(&before, &now);
    }
    time::sleep(SPAN_MIN).await;
    let later = measure(function).await;
    function.measured(later.clone());
    between(&now, &later)
}

async fn measure(function: &Function) -> Measurement {
    let ids = function.read(|s| s.replicas.iter().filter_map(|r| r.process).collect());
    let amounts = function.world.spawner.usage(ids).await;
    Measurement {
        at: Instant::now(),
        amounts,
    }
}

fn between(before: &Measurement, now: &Measurement) -> Usage {
    let earlier: HashMap<u64, u64> = before
        .amounts
        .iter()
        .map(|a| (a.id, a.cpu_micros))
        .collect();
    // A process that is new has used all its time in between.
    let spent = now.amounts.iter().map(|amount| {
        amount
            .cpu_micros
            .saturating_sub(earlier.get(&amount.id).copied().unwrap_or(0))
    });
    let spent: u64 = spent.sum();
    let span = (now.at - before.at).as_secs_f64().max(f64::EPSILON);
    let memory: u64 = now.amounts.iter().map(|a| a.memory_bytes).sum();
    Usage {
        cpu: precise(spent) / 1_000.0 / span,
        total_memory_bytes: precise(memory),
    }
}

fn precise(value: u64) -> f64 {
    value as f64
}

/// Kernel ticks are 10 ms: a shorter span tells nothing.
const SPAN_MIN: Duration = Duration::from_millis(200);
/// An older measurement says little about now.
const SPAN_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_the_time_spent_per_time_passed() {
        let at = Instant::now();
        let amount = |id, cpu_micros| Amount {
            id,
            cpu_micros,
            memory_bytes: 100,
        };
        let before = Measurement {
            at,
            amounts: vec![amount(1, 500_000), amount(2, 900_000)],
        };
        let now = Measurement {
            at: at + Duration::from_secs(2),
            amounts: vec![amount(1, 1_500_000), amount(3, 1_000_000)],
        };
        let usage = between(&before, &now);
        assert!((usage.cpu - 1_000.0).abs() < 1e-6, "{usage:?}");
        assert!((usage.total_memory_bytes - 200.0).abs() < 1e-6);
    }
}
