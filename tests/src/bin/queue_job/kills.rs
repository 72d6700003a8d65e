//! What survives `kill -9`.

use std::collections::HashMap;
use std::time::Duration;

use crate::clients::Clients;
use crate::scene::Scene;

/// Five kills of the gateway at moments of chance.
pub(crate) fn gateway() -> Result<Vec<String>, String> {
    let mut scene = Scene::new(&[("RINGWAY_RETRY_MIN_WAIT", "200ms")], 1_000);
    let mut random = Random::new();
    let clients = Clients::start(
        scene.gateway.address,
        "/async-function/tally",
        CLIENTS,
        CALLS,
    );
    let mut figures = vec![format!("seed {}", random.seed)];
    for kill in 1..=KILLS {
        // A moment of chance in this kill's fifth of the calls.
        let moment = (CALLS / KILLS) * (kill - 1) + random.below(CALLS / KILLS);
        while clients.accepted() < moment {
            std::thread::sleep(Duration::from_millis(1));
        }
        let before = scene.executed().len();
        scene.gateway.restart();
        figures.push(format!(
            "kill {kill}: {} accepted, {before} executed",
            clients.accepted()
        ));
    }
    let (ids, _) = clients.end();
    scene.drained(Duration::from_secs(120))?;
    let dead = scene
        .gateway
        .metric("ringway_async_dead")
        .unwrap_or(f64::NAN);
    figures.extend(verdict(&ids, &scene.executed(), dead, KILLS * IN_FLIGHT)?);
    Ok(figures)
}

/// Compares what was accepted with what was executed.
pub(crate) fn verdict(
    accepted: &[String],
    executed: &HashMap<String, u32>,
    dead: f64,
    in_flight: usize,
) -> Result<Vec<String>, String> {
    let missing = accepted
        .iter()
        .filter(|id| !executed.contains_key(*id))
        .count();
    let repeated = executed.values().filter(|count| **count > 1).count();
    let unheard = executed.len() - (accepted.len() - missing);
    let figures = vec![
        format!("accepted with 202      {:>7}", accepted.len()),
        format!("of them never executed {missing:>7}"),
        format!("executed twice or more {repeated:>7} (at most {in_flight} were in flight)"),
        format!("executed without a 202 {unheard:>7} (the 202 was cut by a kill)"),
        format!("dead letters           {dead:>7}"),
    ];
    if missing > 0 || dead != 0.0 || repeated > in_flight {
        return Err(figures.join("\n   "));
    }
    Ok(figures)
}

/// Marsaglia's xorshift; the seed is printed, and taken from `SEED`.
pub(crate) struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    pub(crate) fn new() -> Self {
        let given = std::env::var("SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let now = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default();
        let seed = given.unwrap_or_else(|| u64::from(now.subsec_nanos()) | 1);
        Self { seed, state: seed }
    }

    /// The seed, for the report.
    pub(crate) const fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state % bound as u64).unwrap_or(0)
    }
}

pub(crate) const KILLS: usize = 5;
pub(crate) const CLIENTS: usize = 16;
pub(crate) const CALLS: usize = 20_000;
/// `RINGWAY_ASYNC_CONCURRENCY`.
pub(crate) const IN_FLIGHT: usize = 50;
