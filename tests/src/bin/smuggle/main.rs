//! Where does a request end? Ringway between nginx, HAProxy and a strict origin: for no input may
//! two of them disagree. Every input is followed by a canary on its connection and by a probe on
//! a new one; what the origin saw and what the client was told must be the same, in order.
//!   smuggle [words of an input's name …]
#![expect(clippy::print_stdout, reason = "a report for a person")]

mod corpus;
mod judge;
mod origin;
mod peer;
mod reading;
mod replies;
mod spellings;
mod stage;
mod table;
mod wire;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use stage::{METHODS, Stage};
use table::Table;

fn main() -> std::process::ExitCode {
    let wanted = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    assert!(judge::is_awake(), "the judge sleeps");
    let mut inputs = corpus::all();
    inputs.retain(|input| input.name.contains(&wanted));
    let replies = replies::all();
    let stage = Stage::start(replies.clone());
    let mut table = Table::default();
    println!(
        "{} inputs, on {} topologies",
        inputs.len(),
        stage.topologies().len()
    );
    let judged = in_parallel(inputs.len(), |at| stage.requests(at, &inputs[at]));
    for (input, verdicts) in inputs.iter().zip(judged) {
        table.add(&input.name, verdicts);
    }
    if wanted.is_empty() {
        println!("{} replies to {METHODS:?}", replies.len());
        let judged = in_parallel(replies.len() * METHODS.len(), |at| {
            stage.replies(at / METHODS.len(), at % METHODS.len())
        });
        for (at, verdicts) in judged.into_iter().enumerate() {
            let (reply, method) = (&replies[at / METHODS.len()], METHODS[at % METHODS.len()]);
            let end = if reply.closes { ", then an end" } else { "" };
            table.add(&format!("{method} {:?}{end}", reply.bytes), verdicts);
        }
    }
    table.print();
    std::process::ExitCode::from(u8::from(table.disagreed()))
}

/// What `job` makes of each number below `count`, by many threads: most of them wait.
fn in_parallel<T: Send>(count: usize, job: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        return;
                    }
                    let result = job(at);
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

const THREADS: usize = 24;
