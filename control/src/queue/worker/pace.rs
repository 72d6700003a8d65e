//! How fast queued calls are begun: at once, until the machine falls behind, then at a rate with
//! which it keeps up. Somebody waits for every other call, and nobody for these.
//!
//! A thread sleeps for [`STEP`] again and again while calls are begun, and looks how late it wakes
//! up. Late means that a CPU had no time for it: too many threads, a cgroup that has used its quota,
//! a host that halts a virtual machine. Callers are as late then.

use std::sync::{Arc, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::time;

use super::governor::Governor;
use crate::queue::tally::Tally;
use crate::supervise::caught;

/// When calls may begin.
pub(in crate::queue) struct Pace {
    gate: Mutex<Gate>,
}

struct Gate {
    governor: Governor,
    /// Calls begun since the last look.
    begun: u32,
    /// The thread, while it waits for a call to begin.
    resting: Option<Thread>,
}

impl Pace {
    /// Watches the machine while calls are begun; late is what wakes up more than `late` after
    /// its time. `None`, or a system without a thread to spare: calls begin at once.
    pub(in crate::queue) fn start(late: Option<Duration>, tally: Arc<Tally>) -> Option<Arc<Self>> {
        let late = late?;
        let pace = Arc::new(Self {
            gate: Mutex::new(Gate {
                governor: Governor::new(Instant::now()),
                begun: 0,
                resting: None,
            }),
        });
        let watched = Arc::downgrade(&pace);
        let thread = thread::Builder::new().name("queue-pace".into());
        let started = thread.spawn(move || {
            while caught("pace of the queue", || watch(&watched, late, &tally)).is_none() {
                thread::sleep(PAUSE);
            }
        });
        if let Err(error) = started {
            tracing::warn!(%error, "asynchronous calls do not yield to others: no thread to watch the machine");
            return None;
        }
        Some(pace)
    }

    /// Resolves when one more call may begin.
    pub(super) async fn turn(&self) {
        let due = {
            let mut gate = self.gate.lock();
            gate.begun += 1;
            if let Some(thread) = gate.resting.take() {
                thread.unpark();
            }
            gate.governor.turn(Instant::now())
        };
        if let Some(due) = due {
            time::sleep_until(due.into()).await;
        }
    }

    /// Judges the time since the last look; whether the thread may rest.
    fn look(&self, was_late: bool, took: Duration, tally: &Tally) -> bool {
        let mut gate = self.gate.lock();
        let begun = std::mem::take(&mut gate.begun);
        gate.governor.judge(was_late, begun, took);
        tally.rate_limit(gate.governor.rate());
        let rests = begun == 0 && gate.governor.is_still();
        gate.resting = rests.then(thread::current);
        rests
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        if let Some(thread) = self.gate.get_mut().resting.take() {
            thread.unpark();
        }
    }
}

/// The thread.
fn watch(pace: &Weak<Pace>, late: Duration, tally: &Tally) {
    let (mut since, mut was_late, mut last) = (Instant::now(), false, None);
    loop {
        let before = Instant::now();
        thread::sleep(STEP);
        let now = Instant::now();
        if now - before > STEP + late {
            was_late |= last.is_some_and(|last| now - last < TOLERATED);
            last = Some(now);
        }
        let took = now - since;
        if took < WINDOW {
            continue;
        }
        let Some(watched) = pace.upgrade() else {
            return;
        };
        let rests = watched.look(was_late, took, tally);
        drop(watched);
        if rests {
            // Wakes for nothing now and then, which does no harm.
            thread::park();
        }
        (since, was_late) = (Instant::now(), false);
    }
}

/// After a panic.
const PAUSE: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(2);
/// Being late once in this time is nothing.
const TOLERATED: Duration = Duration::from_millis(500);
/// From one look to the next.
const WINDOW: Duration = Duration::from_millis(100);
