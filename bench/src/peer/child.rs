//! Processes that this one started, each of which it ends.

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use crate::proc;

/// Ended when dropped, with all that it started.
pub(crate) struct Child {
    child: std::process::Child,
    pid: Pid,
}

/// Those that run, for an end by a signal.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

impl Child {
    /// Starts a program on these processors; what it prints is kept in `log`.
    pub(crate) fn start(
        mut command: Command,
        processors: &[usize],
        own: &[usize],
        log: &std::path::Path,
    ) -> anyhow::Result<Self> {
        let program = command.get_program().to_owned();
        let log = std::fs::File::create(log)?;
        command.stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        proc::pin_self(processors)?;
        let spawned = command.spawn();
        proc::pin_self(own)?;
        let child = spawned.with_context(|| format!("starting {}", program.display()))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.context("a process without an id")?;
        running(|all| all.push(pid));
        Ok(Self { child, pid })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let tree = proc::tree(self.pid);
        proc::resume(&tree);
        let _ = kill_process(self.pid, Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(3);
        while !self.has_ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        if !self.has_ended() {
            kill(&tree);
            let _ = self.child.wait();
        }
        running(|all| all.retain(|pid| *pid != self.pid));
    }
}

/// Ends everything at once: this process is told to end.
pub(crate) fn end_all() {
    running(|all| {
        for root in all.iter() {
            kill(&proc::tree(*root));
        }
    });
}

fn kill(tree: &[Pid]) {
    for pid in tree {
        let _ = kill_process(*pid, Signal::KILL);
    }
    proc::resume(tree);
}

fn running(with: impl FnOnce(&mut Vec<Pid>)) {
    let mut all = RUNNING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    with(&mut all);
}
