//! Asynchronous calls at full size, on the release build: each check prints its figures and fails
//! the run when it does not hold. Timings depend on the machine, so they are not in `cargo test`.
#![expect(clippy::print_stdout, reason = "a report for a person")]

mod clients;
mod drain;
mod kills;
mod million;
mod nats;
mod rate;
mod scene;

use std::time::Instant;

/// One check: what it shows, and how.
struct Check {
    name: &'static str,
    run: fn() -> Result<Vec<String>, String>,
}

const CHECKS: &[Check] = &[
    Check {
        name: "rate: 64 clients enqueue",
        run: rate::enqueue,
    },
    Check {
        name: "kills: five kill -9 while 16 clients enqueue 20,000 calls",
        run: kills::gateway,
    },
    Check {
        name: "drain: 500/s of synchronous calls while the queue drains",
        run: drain::beside,
    },
    Check {
        name: "million: 1,000,000 queued calls",
        run: million::queued,
    },
    Check {
        name: "nats: five kill -9 of nats-server while 16 clients enqueue 20,000 calls",
        run: nats::server,
    },
    Check {
        name: "nats: one of two workers is killed while 16 clients enqueue 20,000 calls",
        run: nats::worker,
    },
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut failed = false;
    for check in CHECKS {
        if !words.is_empty() && !words.iter().any(|word| check.name.contains(word)) {
            continue;
        }
        println!("\n== {}", check.name);
        let began = Instant::now();
        match (check.run)() {
            Ok(figures) => figures.iter().for_each(|line| println!("   {line}")),
            Err(why) => {
                println!("   FAILED: {why}");
                failed = true;
            }
        }
        println!("   ({:.1} s)", began.elapsed().as_secs_f64());
    }
    if failed {
        std::process::exit(1);
    }
}
