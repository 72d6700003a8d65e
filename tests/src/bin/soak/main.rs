//! A soak: mixed load on a gateway of each driver at the same time, while its functions come, go,
//! move and die. Every call proves that it got its own answer, whole and once; memory, descriptors
//! and latency have to stay what they were.
//!   soak [minutes, default 30] [--seed NUMBER]
#![expect(clippy::print_stdout, reason = "a report for a person")]
#![expect(clippy::print_stderr, reason = "usage")]

mod acts;
mod ask;
mod books;
mod caller;
mod moves;
mod order;
mod sampler;
mod scene;
mod series;
mod stage;
mod tally;

use std::process::ExitCode;

use crate::order::Order;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let order = match Order::parse(&words) {
        Ok(order) => order,
        Err(why) => {
            eprintln!("{why}\nusage: soak [minutes, default 30] [--seed NUMBER]");
            return ExitCode::from(2);
        }
    };
    println!(
        "soak of {} minutes, io_uring and epoll at the same time; again with --seed {}",
        order.minutes, order.seed
    );
    ringway_tests::raise_descriptor_limit();
    let scenes = ["io_uring", "epoll"].map(|driver| {
        (
            driver,
            std::thread::spawn(move || scene::run(driver, order)),
        )
    });
    let mut failed = false;
    for (driver, scene) in scenes {
        println!("\n== {driver}");
        let report = scene.join().unwrap_or_else(|_| Err("panicked".into()));
        let (lines, failures) = report.unwrap_or_else(|why| (Vec::new(), vec![why]));
        lines.iter().for_each(|line| println!("   {line}"));
        failures.iter().for_each(|why| println!("   FAILED: {why}"));
        failed |= !failures.is_empty();
    }
    ExitCode::from(u8::from(failed))
}
