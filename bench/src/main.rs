//! `ringway-bench`: Ringway and its peers under the same load on the same machine.
//!
//! One round runs every workload against every proxy in short slices, all other proxies stopped;
//! ratios are those of slices of the same round. `docs/BENCHMARKS.md` says how to read them.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]

mod bare;
mod cli;
mod figures;
mod histogram;
mod http;
mod load;
mod peer;
mod proc;
mod report;
mod run;
mod serve;
mod target;
mod wire;
mod workload;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ringway-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
