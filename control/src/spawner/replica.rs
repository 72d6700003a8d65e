//! The processes the spawner started, one per replica: start, signal, reap.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

use super::cgroup::{Cgroups, Membership};
use super::logs::{LogPipe, Logs, SharedLog};
use super::protocol::{Ending, SECRETS_FOLDER, SignalKind, StartOrder};
use crate::sys::{self, ChildRules, ReadOnlyRoot, Shown};

/// Every replica's process, by the id the gateway gave it.
pub(super) struct Replicas {
    running: HashMap<u64, Replica>,
    pub(super) cgroups: Cgroups,
    /// Stays writable for replicas whose root is not.
    runtime: PathBuf,
    /// Soft limit of descriptors that functions start with.
    descriptors: Option<u64>,
    /// Whether `/proc` numbers processes as this process sees them.
    proc_is_ours: bool,
}

struct Replica {
    pid: Pid,
    instance: String,
    /// Where its end is written, whether or not its output has ended before.
    log: SharedLog,
    membership: Membership,
}

/// A process that has ended.
pub(super) struct Ended {
    pub(super) id: u64,
    pub(super) ending: Ending,
    pub(super) instance: String,
    pub(super) log: SharedLog,
}

impl Replicas {
    pub(super) fn new(cgroups: Cgroups, runtime: PathBuf, descriptors: Option<u64>) -> Self {
        let own = fs::read_link("/proc/self").unwrap_or_default();
        let proc_is_ours = own == Path::new(&std::process::id().to_string());
        Self {
            running: HashMap::new(),
            cgroups,
            runtime,
            descriptors,
            proc_is_ours,
        }
    }

    /// Starts a process in a session of its own; its output goes to the pipe that is returned.
    pub(super) fn start(&mut self, order: &StartOrder, logs: &mut Logs) -> io::Result<LogPipe> {
        let log = logs.open(&order.log)?;
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        let (membership, cgroups) =
            self.cgroups
                .make(&order.instance, order.memory_bytes, order.cpu_millis)?;
        let spawned = self.rules(order, cgroups).and_then(|rules| {
            let mut command = command(order, theirs)?;
            sys::prepare(&mut command, rules);
            command.spawn()
        });
        let child = match spawned {
            Ok(child) => child,
            Err(error) => {
                membership.remove();
                return Err(error);
            }
        };
        let instance = order.instance.clone();
        let pid = Pid::from_child(&child);
        let replica = Replica {
            pid,
            instance: instance.clone(),
            log: Rc::clone(&log),
            membership,
        };
        self.running.insert(order.id, replica);
        Ok(LogPipe::new(order.id, File::from(ours), log, instance))
    }

    fn rules(&self, order: &StartOrder, cgroups: Vec<File>) -> io::Result<ChildRules> {
        let secrets = order.secrets.as_deref();
        let secrets = secrets.map(|folder| Shown::new(folder, Path::new(SECRETS_FOLDER)));
        let read_only_root = order
            .read_only_root
            .then(|| ReadOnlyRoot::new(&self.runtime));
        Ok(ChildRules {
            session: true,
            data_bytes: order.data_bytes,
            descriptors: self.descriptors,
            cgroups,
            secrets: secrets.transpose()?,
            read_only_root: read_only_root.transpose()?,
        })
    }

    /// Sends a signal to a process group; one that is gone needs none.
    pub(super) fn signal(&self, id: u64, kind: SignalKind) {
        let signal = match kind {
            SignalKind::Terminate => Signal::TERM,
            SignalKind::Kill => Signal::KILL,
        };
        if let Some(replica) = self.running.get(&id) {
            let _ = rustix::process::kill_process_group(replica.pid, signal);
        }
    }

    /// Process numbers by id.
    pub(super) fn pids(&self, ids: &[u64]) -> Vec<(u64, i32)> {
        let pids = ids.iter().filter_map(|id| {
            let replica = self.running.get(id)?;
            Some((*id, replica.pid.as_raw_nonzero().get()))
        });
        pids.collect()
    }

    /// Waits for every process that has ended. Orphans are reaped too: they are handed to this
    /// process. Of an ended replica nothing stays alive.
    pub(super) fn reap(&mut self) -> Vec<Ended> {
        let mut ended = Vec::new();
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let found = self.running.iter().find(|(_, replica)| replica.pid == pid);
            let Some((&id, _)) = found else {
                continue;
            };
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            if let Some(replica) = self.running.remove(&id) {
                replica.membership.remove();
                ended.push(Ended {
                    id,
                    ending: ending(status),
                    instance: replica.instance,
                    log: replica.log,
                });
            }
        }
        self.kill_stragglers();
        ended
    }

    /// Kills orphans whose replica has ended; those of living replicas are left in peace.
    fn kill_stragglers(&self) {
        if !self.proc_is_ours {
            return;
        }
        let leaders: HashSet<Pid> = self.running.values().map(|r| r.pid).collect();
        let living: HashSet<&str> = self.running.values().map(|r| r.instance.as_str()).collect();
        for orphan in children() {
            if leaders.contains(&orphan) {
                continue;
            }
            let tag = instance_of(orphan);
            if tag.is_some_and(|tag| !living.contains(tag.as_str())) {
                let _ = rustix::process::kill_process(orphan, Signal::KILL);
            }
        }
    }

    /// Kills and reaps everything that descends from this process, then removes the groups.
    pub(super) fn kill_all(&mut self) {
        for replica in self.running.values() {
            let _ = rustix::process::kill_process_group(replica.pid, Signal::KILL);
        }
        // Orphans become our children as their parents die, so this ends when none is left; or
        // at the deadline, where only the end of a PID namespace can still help.
        let deadline = Instant::now() + KILL_DEADLINE;
        while Instant::now() < deadline {
            for child in children() {
                let _ = rustix::process::kill_process_group(child, Signal::KILL);
                let _ = rustix::process::kill_process(child, Signal::KILL);
            }
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => thread::sleep(KILL_PAUSE),
                Err(_) => break,
            }
        }
        for replica in self.running.values() {
            replica.membership.remove();
        }
        self.running.clear();
    }
}

fn command(order: &StartOrder, output: OwnedFd) -> io::Result<Command> {
    let program = order
        .words
        .first()
        .ok_or_else(|| io::Error::other("no program"))?;
    let mut command = if order.ourselves {
        let mut command = Command::new("/proc/self/exe");
        command.arg0(program);
        command
    } else {
        Command::new(program)
    };
    command
        .args(&order.words[1..])
        .env_clear()
        .envs(order.variables.iter().map(|(k, v)| (k, v)))
        .current_dir(order.folder.as_deref().unwrap_or_else(|| Path::new("/")))
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    Ok(command)
}

fn ending(status: WaitStatus) -> Ending {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ending::Status(code),
        (None, Some(signal)) => Ending::Signal(signal),
        (None, None) => Ending::Lost,
    }
}

/// The children of this process. It has one thread, and its number is that of the process.
fn children() -> Vec<Pid> {
    let own = std::process::id();
    let list = fs::read_to_string(format!("/proc/self/task/{own}/children"));
    let list = list.unwrap_or_default();
    let pids = list
        .split_whitespace()
        .filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
    pids.collect()
}

/// The instance a process was started for, as its environment says.
fn instance_of(pid: Pid) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = environment.split(|b| *b == 0);
    let value = variables.find_map(|v| v.strip_prefix(INSTANCE_VARIABLE.as_bytes()))?;
    let value = value.strip_prefix(b"=")?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// Tells a process, and the spawner about its orphans, which instance it belongs to.
pub(crate) const INSTANCE_VARIABLE: &str = "RINGWAY_INSTANCE";
/// Between looks for processes that are still dying.
const KILL_PAUSE: Duration = Duration::from_millis(2);
/// Of the two seconds in which nothing may be left.
const KILL_DEADLINE: Duration = Duration::from_millis(1_500);
