//! When the machine itself stood still: a virtual machine that uses its whole share is halted by
//! its host for milliseconds, which no program in it can help or hide.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Watches every CPU until it is asked what it saw.
pub struct Watch {
    over: Arc<AtomicBool>,
    watchers: Vec<JoinHandle<Vec<Halt>>>,
}

/// From the last sign of life to the next one.
pub type Halt = (Instant, Instant);

impl Watch {
    /// A thread per CPU that runs before all others and sleeps; `None` where that is not
    /// permitted, since then a late thread says nothing about the machine.
    pub fn start() -> Option<Self> {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let over = Arc::new(AtomicBool::new(false));
        let (told, permitted) = std::sync::mpsc::channel();
        let watchers: Vec<_> = (0..cpus)
            .map(|cpu| {
                let (over, told) = (Arc::clone(&over), told.clone());
                std::thread::spawn(move || {
                    let may = run_first_on(cpu);
                    // The other end waits for all of them.
                    let _ = told.send(may);
                    drop(told);
                    if may { watch(&over) } else { Vec::new() }
                })
            })
            .collect();
        drop(told);
        let watch = Self { over, watchers };
        let answers: Vec<bool> = permitted.iter().collect();
        if answers.contains(&false) {
            watch.end();
            return None;
        }
        Some(watch)
    }

    /// The halts since the start.
    pub fn end(self) -> Vec<Halt> {
        self.over.store(true, Ordering::Relaxed);
        let watchers = self.watchers.into_iter();
        watchers
            .flat_map(|w| w.join().unwrap_or_default())
            .collect()
    }
}

fn watch(over: &AtomicBool) -> Vec<Halt> {
    let mut halts = Vec::new();
    let mut last = Instant::now();
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(STEP);
        let now = Instant::now();
        if now - last > LATE {
            halts.push((last, now));
        }
        last = now;
    }
    halts
}

/// First of all threads on one CPU; whether the system permitted it.
#[expect(unsafe_code, reason = "no safe wrapper among our crates")]
fn run_first_on(cpu: usize) -> bool {
    // SAFETY: both structs are plain data of the right type that live during the calls, zero means
    // the calling thread, and the set's bit is within its size (CPU_SET checks).
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        let mut first: libc::sched_param = std::mem::zeroed();
        first.sched_priority = 50;
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) == 0
            && libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const first) == 0
    }
}

const STEP: Duration = Duration::from_micros(500);
/// A sleeper of the first rank is not this late while its CPU runs.
const LATE: Duration = Duration::from_millis(2);
