//! The main job at full size, on the release build: each check prints its figure and fails the
//! run when it does not hold. `--long` adds the runs that take minutes. Timings belong here, and
//! not in `cargo test`, because they depend on the machine.
#![expect(clippy::print_stdout, reason = "a report for a person")]

mod bulk;
mod churn;
mod crowd;
mod provider;
mod replicas;
mod streams;

use std::time::Instant;

/// One check: what it shows, and how.
struct Check {
    name: &'static str,
    long: bool,
    run: fn() -> Result<String, String>,
}

const CHECKS: &[Check] = &[
    Check {
        name: "1 byte, 1 MiB, 1 GiB through cat; memory",
        long: false,
        run: bulk::sizes,
    },
    Check {
        name: "deploy, then invoke at once",
        long: false,
        run: churn::read_your_own_deploy,
    },
    Check {
        name: "a slow function's bytes arrive as written",
        long: false,
        run: streams::drip,
    },
    Check {
        name: "gaps of 5 s with idle timers of 2 s, 30 s",
        long: false,
        run: streams::gaps,
    },
    Check {
        name: "gaps of 5 s with idle timers of 2 s, 10 min",
        long: true,
        run: streams::long_gaps,
    },
    Check {
        name: "Python, 3 replicas, wrk",
        long: false,
        run: replicas::python,
    },
    Check {
        name: "Node.js, 3 replicas, wrk",
        long: false,
        run: replicas::node,
    },
    Check {
        name: "SIGKILL of a replica under GET",
        long: false,
        run: replicas::kill_under_get,
    },
    Check {
        name: "SIGKILL of a replica under POST",
        long: false,
        run: replicas::kill_under_post,
    },
    Check {
        name: "rolling update under wrk",
        long: false,
        run: replicas::rolling_update,
    },
    Check {
        name: "10,000 idle connections",
        long: false,
        run: crowd::idle,
    },
    Check {
        name: "the connection limit under a crowd",
        long: false,
        run: crowd::limit,
    },
    Check {
        name: "10,000 functions behind a provider; memory",
        long: false,
        run: provider::crowd,
    },
    Check {
        name: "calls while the provider's API is broken",
        long: false,
        run: provider::broken_system,
    },
];

fn main() -> std::process::ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let long = words.iter().any(|w| w == "--long");
    let wanted: Vec<&String> = words.iter().filter(|w| *w != "--long").collect();
    let mut failed = 0;
    let mut passed = 0;
    for check in CHECKS {
        let named = wanted.iter().any(|w| check.name.contains(w.as_str()));
        if !(named || wanted.is_empty() && (long || !check.long)) {
            continue;
        }
        let started = Instant::now();
        let run = check.run;
        let result = std::panic::catch_unwind(run).unwrap_or_else(|_| Err("panicked".into()));
        let seconds = started.elapsed().as_secs_f64();
        match result {
            Ok(figure) => {
                passed += 1;
                println!("ok    {:<46} {figure}  ({seconds:.1} s)", check.name);
            }
            Err(why) => {
                failed += 1;
                println!("FAIL  {:<46} {why}  ({seconds:.1} s)", check.name);
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    std::process::ExitCode::from(u8::from(failed > 0))
}

/// `Err` with the text unless the condition holds.
fn must(holds: bool, text: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(text()) }
}

/// A field of `/proc/<pid>/status` in KiB, such as `VmHWM`.
fn memory_kib(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

/// Process ids whose command line has `text` in it.
fn processes(text: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line)
            .replace('\0', " ")
            .contains(text)
    })
    .collect()
}

/// Kills one process by its id.
#[expect(unsafe_code, reason = "kill(2) has no safe wrapper in std")]
fn kill(pid: u32) {
    let pid = libc::pid_t::try_from(pid).unwrap_or(0);
    assert!(pid > 1, "never a group, never everyone");
    // SAFETY: no memory is involved.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}
