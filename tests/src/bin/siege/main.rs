//! Hostile clients, overload and replacement at full size, on the release build: each check prints
//! its figures and fails the run when it does not hold.
//!   siege [words of a check's name …]
#![expect(clippy::print_stdout, reason = "a report for a person")]

mod crowd;
mod fairness;
mod noise;
mod replace;
mod slow;

use std::time::Instant;

/// One check: what it shows, and how.
struct Check {
    name: &'static str,
    run: fn() -> Result<Vec<String>, String>,
}

const CHECKS: &[Check] = &[
    Check {
        name: "slow: 4,500 clients that are slow with heads, bodies and reading",
        run: slow::clients,
    },
    Check {
        name: "fairness: a function that hangs with 2,000 callers",
        run: fairness::hanging_neighbour,
    },
    Check {
        name: "noise: 1,000,000 random and mutated requests",
        run: noise::million,
    },
    Check {
        name: "sigterm: under load with 3-second calls",
        run: replace::sigterm,
    },
    Check {
        name: "takeover: five times under load",
        run: replace::takeover,
    },
    Check {
        name: "kill: kill -9 of replicas under load",
        run: replace::kill,
    },
    Check {
        name: "idle: 15,000 idle connections",
        run: crowd::idle,
    },
    Check {
        name: "parked: callers that wait for a first replica",
        run: crowd::parked,
    },
];

fn main() -> std::process::ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut failed = false;
    for check in CHECKS {
        if !words.is_empty() && !words.iter().any(|word| check.name.contains(word.as_str())) {
            continue;
        }
        println!("\n== {}", check.name);
        let began = Instant::now();
        let run = check.run;
        let result = std::panic::catch_unwind(run).unwrap_or_else(|_| Err("panicked".into()));
        match result {
            Ok(figures) => figures.iter().for_each(|line| println!("   {line}")),
            Err(why) => {
                println!("   FAILED: {why}");
                failed = true;
            }
        }
        println!("   ({:.1} s)", began.elapsed().as_secs_f64());
    }
    std::process::ExitCode::from(u8::from(failed))
}

/// `Err` with the figures unless the condition holds.
fn must(holds: bool, what: &str, figures: &[String]) -> Result<(), String> {
    if holds {
        return Ok(());
    }
    Err(format!("{what}\n   {}", figures.join("\n   ")))
}
