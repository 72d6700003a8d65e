//! The spawner's start: into a PID namespace where that is allowed, then to work.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::thread::UnshareFlags;

use super::cgroup::{self, Cgroups};
use super::protocol::{Abilities, SECRETS_FOLDER};
use super::replica::Replicas;
use super::turn;
use crate::sys::{self, ChildRules, ReadOnlyRoot, Shown};

/// Where the spawner works; passed on its command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Folder of sockets; removed at the end.
    pub(crate) runtime: PathBuf,
    /// Folder of logs.
    pub(crate) logs: PathBuf,
    /// A folder that is to go with the gateway, such as a demo's state.
    pub(crate) discard: Option<PathBuf>,
    /// Whether this is the process inside the namespace.
    pub(crate) inner: bool,
}

impl Place {
    /// The command line behind `ringway spawner`, less `--inner`.
    pub(crate) fn to_words(&self) -> Vec<OsString> {
        let mut words = vec!["--runtime".into(), self.runtime.clone().into()];
        words.extend(["--logs".into(), self.logs.clone().into()]);
        if let Some(discard) = &self.discard {
            words.extend(["--discard".into(), discard.into()]);
        }
        words
    }

    /// Reads what [`Self::to_words`] wrote; `None` when it is something else.
    pub(crate) fn parse(words: &[String]) -> Option<Self> {
        let inner = words.first().is_some_and(|w| w == "--inner");
        let (mut runtime, mut logs, mut discard) = (None, None, None);
        for pair in words[usize::from(inner)..].chunks(2) {
            let [flag, folder] = pair else {
                return None;
            };
            match flag.as_str() {
                "--runtime" => runtime = Some(folder.into()),
                "--logs" => logs = Some(folder.into()),
                "--discard" => discard = Some(folder.into()),
                _ => return None,
            }
        }
        Some(Self {
            runtime: runtime?,
            logs: logs?,
            discard,
            inner,
        })
    }
}

/// Runs the spawner until the gateway is gone.
pub(crate) fn run(place: &Place) -> ExitCode {
    // Otherwise it shows as `exe`, by which it was executed.
    let _ = rustix::thread::set_name(c"ringway-spawner");
    let result = if place.inner {
        work(place)
    } else {
        enter(place)
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            tracing::error!(%error, "the spawner failed");
            ExitCode::FAILURE
        }
    }
}

/// Starts the inner spawner as the init of a new PID namespace, or becomes the only spawner.
fn enter(place: &Place) -> io::Result<ExitCode> {
    // Also keeps this process from dying of a terminal's Ctrl-C before the gateway has drained.
    let _signals = sys::signal_descriptor()?;
    cgroup::step_aside();
    if let Err(error) = sys::unshare(UnshareFlags::NEWPID) {
        tracing::debug!(%error, "no PID namespace");
        return work(place);
    }
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("ringway")
        .args(["spawner", "--inner"])
        .args(place.to_words())
        .stdin(Stdio::inherit());
    sys::prepare(&mut command, ChildRules::default());
    let status: ExitStatus = command.spawn()?.wait()?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Serves orders until the gateway is gone, then leaves nothing behind.
fn work(place: &Place) -> io::Result<ExitCode> {
    let signals = sys::signal_descriptor()?;
    let descriptors = sys::raise_descriptor_limit();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let pid_namespace = std::process::id() == 1;
    let mut notes = Vec::new();
    if pid_namespace {
        if let Err(error) = own_proc() {
            notes.push(format!("functions see the host's /proc: {error}"));
        }
    } else {
        notes.push("no PID namespace: functions are killed one by one".to_owned());
    }
    let cgroups = Cgroups::detect();
    notes.extend(cgroups.notes.iter().cloned());
    let read_only_root = match read_only_works(&place.runtime) {
        Ok(()) => true,
        Err(error) => {
            notes.push(format!("no read-only root file systems: {error}"));
            false
        }
    };
    let secrets_mount = match secrets_mount_works(&place.runtime) {
        Ok(()) => true,
        Err(error) => {
            notes.push(format!(
                "functions find their secrets by OPENFAAS_SECRETS, not in {SECRETS_FOLDER}: {error}"
            ));
            false
        }
    };
    let abilities = Abilities {
        pid_namespace,
        memory_cgroup: cgroups.limits_memory(),
        cpu_limit: cgroups.limits_cpu(),
        read_only_root,
        secrets_mount,
        notes,
    };
    let replicas = Replicas::new(cgroups, place.runtime.clone(), descriptors);
    turn::serve(replicas, &place.logs, &abilities, &signals)?;
    for folder in [Some(&place.runtime), place.discard.as_ref()]
        .into_iter()
        .flatten()
    {
        // Refused only when somebody else put something there.
        let _ = std::fs::remove_dir_all(folder);
    }
    Ok(ExitCode::SUCCESS)
}

/// A `/proc` that numbers processes as the namespace does. Mounts made outside stay visible.
fn own_proc() -> io::Result<()> {
    sys::unshare(UnshareFlags::NEWNS)?;
    let follow = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", follow)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(rustix::mount::mount("proc", "/proc", "proc", flags, None)?)
}

/// Tries a read-only root on a process that does nothing.
fn read_only_works(runtime: &Path) -> io::Result<()> {
    try_rules(ChildRules {
        read_only_root: Some(ReadOnlyRoot::new(runtime)?),
        ..Default::default()
    })
}

/// Tries to show a folder as that of secrets, which has to exist for it.
fn secrets_mount_works(runtime: &Path) -> io::Result<()> {
    std::fs::create_dir_all(SECRETS_FOLDER)?;
    try_rules(ChildRules {
        secrets: Some(Shown::new(runtime, Path::new(SECRETS_FOLDER))?),
        ..Default::default()
    })
}

fn try_rules(rules: ChildRules) -> io::Result<()> {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    sys::prepare(&mut command, rules);
    let status = command.spawn()?.wait()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(status.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spawner_understands_its_own_words() {
        let place = |discard: Option<&str>| Place {
            runtime: "/r".into(),
            logs: "/l".into(),
            discard: discard.map(PathBuf::from),
            inner: false,
        };
        for place in [place(None), place(Some("/d"))] {
            let words = place.to_words();
            let mut words: Vec<String> = words
                .into_iter()
                .map(|w| w.into_string().unwrap())
                .collect();
            assert_eq!(Place::parse(&words), Some(place.clone()));
            words.insert(0, "--inner".to_owned());
            assert_eq!(
                Place::parse(&words),
                Some(Place {
                    inner: true,
                    ..place
                })
            );
        }
        for bad in [
            &[][..],
            &["--runtime"],
            &["--runtime", "/r"],
            &["--x", "/r"],
        ] {
            let words: Vec<String> = bad.iter().map(|w| (*w).to_owned()).collect();
            assert_eq!(Place::parse(&words), None);
        }
    }
}
