//! Which processor runs what.

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

use super::tree::tasks;

/// Pins every thread of these processes.
pub(crate) fn pin(pids: &[Pid], processors: &[usize]) {
    let set = set(processors);
    for pid in pids {
        for task in tasks(*pid) {
            // A thread that has just ended needs no place.
            let _ = sched_setaffinity(Pid::from_raw(task), &set);
        }
    }
}

/// Pins this thread, and what it starts from now on.
pub(crate) fn pin_self(processors: &[usize]) -> anyhow::Result<()> {
    sched_setaffinity(None, &set(processors))?;
    Ok(())
}

fn set(processors: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    processors.iter().for_each(|processor| set.set(*processor));
    set
}
