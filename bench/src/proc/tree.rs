//! A process and all its descendants.

use rustix::process::{Pid, Signal, kill_process};

/// A process and its descendants, less those that are functions: what a gateway starts for its
/// users is not its own cost.
pub(crate) fn tree(root: Pid) -> Vec<Pid> {
    let mut pids = vec![root];
    let mut at = 0;
    while at < pids.len() {
        let pid = pids[at].as_raw_nonzero();
        at += 1;
        for task in tasks(pids[at - 1]) {
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{task}/children"));
            let children = children.unwrap_or_default();
            let children = children.split_whitespace().filter_map(|p| p.parse().ok());
            let own = children
                .filter_map(Pid::from_raw)
                .filter(|p| !is_function(*p));
            pids.extend(own);
        }
    }
    pids
}

/// The threads of a process.
pub(crate) fn tasks(pid: Pid) -> Vec<i32> {
    let folder = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()));
    let names = folder.into_iter().flatten().flatten();
    names
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Whether a process is our function server, started by a gateway.
fn is_function(pid: Pid) -> bool {
    let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
    let line = line.unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0);
    let program = words.next().unwrap_or_default();
    program.ends_with(b"ringway-bench") && words.next() == Some(b"serve")
}

/// Stops them where they are; best effort, one may have ended.
pub(crate) fn stop(pids: &[Pid]) {
    for pid in pids {
        let _ = kill_process(*pid, Signal::STOP);
    }
}

/// Lets them go on.
pub(crate) fn resume(pids: &[Pid]) {
    for pid in pids {
        let _ = kill_process(*pid, Signal::CONT);
    }
}
