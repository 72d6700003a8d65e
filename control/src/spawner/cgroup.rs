//! Control groups: a group per limited replica, version 2 where its controllers are, else 1.
//!
//! Groups are made below the gateway's own group and named `ringway-<instance>`. Where nothing
//! can be made, [`Cgroups`] says so and the caller falls back or refuses.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Where groups can be made.
#[derive(Debug, Default)]
pub(super) struct Cgroups {
    memory: Option<Home>,
    cpu: Option<Home>,
    /// Why something is missing.
    pub(super) notes: Vec<String>,
}

/// A folder in which groups of one controller are made.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Home {
    folder: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// The groups of one replica.
#[derive(Debug, Default)]
pub(super) struct Membership {
    folders: Vec<PathBuf>,
}

impl Cgroups {
    /// Looks for writable groups and removes empty ones an earlier spawner left.
    pub(super) fn detect() -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mut found = Self::default();
        for controller in [MEMORY, CPU] {
            let home = version_two(&own, &mounts, controller)
                .or_else(|first| version_one(&own, &mounts, controller).map_err(|e| (first, e)));
            match home {
                Ok(home) => {
                    sweep(&home.folder);
                    *found.slot(controller) = Some(home);
                }
                Err((two, one)) => found.notes.push(format!(
                    "no cgroup for {controller} (version 2: {two}; version 1: {one})"
                )),
            }
        }
        found
    }

    fn slot(&mut self, controller: &str) -> &mut Option<Home> {
        if controller == MEMORY {
            &mut self.memory
        } else {
            &mut self.cpu
        }
    }

    pub(super) const fn limits_memory(&self) -> bool {
        self.memory.is_some()
    }

    pub(super) const fn limits_cpu(&self) -> bool {
        self.cpu.is_some()
    }

    /// Makes the groups of a replica; the files are the ones to join them by.
    pub(super) fn make(
        &self,
        instance: &str,
        memory_bytes: Option<u64>,
        cpu_millis: Option<u32>,
    ) -> io::Result<(Membership, Vec<File>)> {
        let mut made = Membership::default();
        let result = self.fill(&mut made, instance, memory_bytes, cpu_millis);
        match result {
            Ok(files) => Ok((made, files)),
            Err(error) => {
                made.remove();
                Err(error)
            }
        }
    }

    fn fill(
        &self,
        made: &mut Membership,
        instance: &str,
        memory_bytes: Option<u64>,
        cpu_millis: Option<u32>,
    ) -> io::Result<Vec<File>> {
        let missing = || io::Error::other("the cgroup is gone");
        if let Some(bytes) = memory_bytes {
            let home = self.memory.as_ref().ok_or_else(missing)?;
            let folder = made.folder(home, instance)?;
            match home.version {
                Version::One => write(&folder, "memory.limit_in_bytes", &bytes.to_string())?,
                Version::Two => {
                    write(&folder, "memory.max", &bytes.to_string())?;
                    // Without this the limit would only push pages out. Absent without swap.
                    let _ = write(&folder, "memory.swap.max", "0");
                }
            }
        }
        if let Some(millis) = cpu_millis {
            let home = self.cpu.as_ref().ok_or_else(missing)?;
            let folder = made.folder(home, instance)?;
            let quota = (u64::from(millis) * PERIOD_MICROS / 1_000).max(QUOTA_MICROS_MIN);
            match home.version {
                Version::One => {
                    write(&folder, "cpu.cfs_period_us", &PERIOD_MICROS.to_string())?;
                    write(&folder, "cpu.cfs_quota_us", &quota.to_string())?;
                }
                Version::Two => write(&folder, "cpu.max", &format!("{quota} {PERIOD_MICROS}"))?,
            }
        }
        let files = made.folders.iter();
        let files = files.map(|f| OpenOptions::new().write(true).open(f.join("cgroup.procs")));
        files.collect()
    }
}

impl Membership {
    /// The replica's folder in `home`, made unless another controller made it.
    fn folder(&mut self, home: &Home, instance: &str) -> io::Result<PathBuf> {
        let folder = home.folder.join(format!("{PREFIX}{instance}"));
        if !self.folders.contains(&folder) {
            match fs::create_dir(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => self.folders.push(folder.clone()),
            }
        }
        Ok(folder)
    }

    /// Removes the groups; a group with processes stays until the next sweep.
    pub(super) fn remove(&self) {
        for folder in &self.folders {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Makes room for version 2 groups: they may not lie below a group that has processes, so
/// gateway and spawner move one group down, if they are alone in theirs.
///
/// Called before there is a PID namespace, which would hide the gateway's number.
pub(super) fn step_aside() {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let Ok(folder) = version_two_folder(&own, &mounts) else {
        return;
    };
    let controllers = read(&folder, "cgroup.controllers").unwrap_or_default();
    let wanted = [MEMORY, CPU]
        .into_iter()
        .filter(|c| has_word(&controllers, c));
    let order: String = wanted.map(|c| format!("+{c} ")).collect();
    if order.is_empty() || write(&folder, "cgroup.subtree_control", order.trim()).is_ok() {
        return;
    }
    let ours = [Some(rustix::process::getpid()), rustix::process::getppid()];
    let ours: Vec<String> = ours.iter().flatten().map(ToString::to_string).collect();
    let members = read(&folder, "cgroup.procs").unwrap_or_default();
    if members.lines().any(|pid| !ours.iter().any(|o| o == pid)) {
        return;
    }
    let inner = folder.join(INNER);
    // Each step that fails leaves the groups unusable, which `detect` then finds and tells.
    let _ = fs::create_dir(&inner);
    for pid in members.lines() {
        let _ = write(&inner, "cgroup.procs", pid);
    }
    let _ = write(&folder, "cgroup.subtree_control", order.trim());
}

/// The version 2 group in which groups are made.
fn version_two_folder(own: &str, mounts: &str) -> Result<PathBuf, String> {
    let path = own
        .lines()
        .find_map(|l| l.strip_prefix("0::"))
        .ok_or("not mounted")?;
    let mount = mount_point(mounts, "cgroup2", None).ok_or("not mounted")?;
    let path = path.strip_suffix(&format!("/{INNER}")).unwrap_or(path);
    Ok(below(&mount, path))
}

/// The version 2 group of this process, if `controller` is on for groups below it.
fn version_two(own: &str, mounts: &str, controller: &str) -> Result<Home, String> {
    let folder = version_two_folder(own, mounts)?;
    let on = read(&folder, "cgroup.subtree_control")?;
    if !has_word(&on, controller) {
        return Err(format!("{controller} is off below {}", folder.display()));
    }
    probe(
        Home {
            folder,
            version: Version::Two,
        },
        controller,
    )
}

fn has_word(text: &str, word: &str) -> bool {
    text.split_whitespace().any(|w| w == word)
}

/// The version 1 group of this process for `controller`.
fn version_one(own: &str, mounts: &str, controller: &str) -> Result<Home, String> {
    let path = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let named = parts.next()?.split(',').any(|c| c == controller);
        named.then(|| parts.next())?
    });
    let path = path.ok_or("not mounted")?;
    let mount = mount_point(mounts, "cgroup", Some(controller)).ok_or("not mounted")?;
    let mut folder = below(&mount, path);
    if !folder.is_dir() {
        // In a container the path is the host's and the mount is already our group.
        folder = mount;
    }
    probe(
        Home {
            folder,
            version: Version::One,
        },
        controller,
    )
}

/// Whether a group made in `home` really has the controller's files.
fn probe(home: Home, controller: &str) -> Result<Home, String> {
    let trial = home
        .folder
        .join(format!("{PREFIX}probe-{}", std::process::id()));
    fs::create_dir(&trial).map_err(|e| format!("{}: {e}", home.folder.display()))?;
    let file = match (home.version, controller == MEMORY) {
        (Version::One, true) => "memory.limit_in_bytes",
        (Version::One, false) => "cpu.cfs_quota_us",
        (Version::Two, true) => "memory.max",
        (Version::Two, false) => "cpu.max",
    };
    let usable = OpenOptions::new().write(true).open(trial.join(file));
    let _ = fs::remove_dir(&trial);
    usable.map(|_| home).map_err(|e| format!("{file}: {e}"))
}

/// Removes groups without processes that carry our prefix.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            // Refused while a process is in it, which is then somebody else's live replica.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Where a hierarchy is mounted: `kind` is the file system, `option` one of its super options.
fn mount_point(mounts: &str, kind: &str, option: Option<&str>) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let options = (after.next()? == kind).then(|| after.nth(1))??;
        let fits = option.is_none_or(|o| options.split(',').any(|have| have == o));
        fits.then(|| before.split(' ').nth(4).map(PathBuf::from))?
    })
}

fn below(mount: &Path, path: &str) -> PathBuf {
    mount.join(path.trim_start_matches('/'))
}

fn read(folder: &Path, file: &str) -> Result<String, String> {
    fs::read_to_string(folder.join(file)).map_err(|e| format!("{file}: {e}"))
}

fn write(folder: &Path, file: &str, text: &str) -> io::Result<()> {
    fs::write(folder.join(file), text)
        .map_err(|e| io::Error::new(e.kind(), format!("{}/{file}: {e}", folder.display())))
}

const MEMORY: &str = "memory";
const CPU: &str = "cpu";
const PREFIX: &str = "ringway-";
/// Where gateway and spawner move.
const INNER: &str = "ringway";
/// The kernel's own default.
const PERIOD_MICROS: u64 = 100_000;
/// The least the kernel takes.
const QUOTA_MICROS_MIN: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
        30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
        32 30 0:28 / /sys/fs/cgroup/memory rw,relatime shared:1 - cgroup cgroup rw,memory\n\
        33 30 0:29 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    #[test]
    fn hierarchies_are_found_by_controller() {
        let find = |kind, option| mount_point(MOUNTS, kind, option);
        assert_eq!(
            find("cgroup", Some("cpu")),
            Some("/sys/fs/cgroup/cpu,cpuacct".into())
        );
        assert_eq!(
            find("cgroup", Some("memory")),
            Some("/sys/fs/cgroup/memory".into())
        );
        assert_eq!(find("cgroup2", None), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(find("cgroup", Some("cpuset")), None);
    }

    #[test]
    fn what_is_not_there_is_said() {
        assert_eq!(version_two("", MOUNTS, MEMORY), Err("not mounted".into()));
        assert_eq!(
            version_one("4:cpu:/a", MOUNTS, MEMORY),
            Err("not mounted".into())
        );
    }
}
