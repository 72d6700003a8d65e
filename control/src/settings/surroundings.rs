//! What the process finds around itself: the only reader of the environment and of the cores.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

/// Processor architecture, as `/system/info` names it.
pub const ARCHITECTURE: &str = env::consts::ARCH;

/// Facts about the place the gateway runs in.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Cores this process may use, at least 1.
    pub cores: usize,
    /// Bytes of memory of the machine, or of the cgroup where it limits them.
    pub memory: u64,
    /// `XDG_DATA_HOME`, when absolute (the specification says to ignore relative ones).
    pub xdg_data_home: Option<PathBuf>,
    /// Home folder.
    pub home: Option<PathBuf>,
    /// Search path given to functions.
    pub path: String,
    /// Folder for short-lived files.
    pub temp: PathBuf,
}

impl Surroundings {
    /// Looks around.
    #[must_use]
    pub fn observe() -> Self {
        let folder = |name| {
            let path = env::var_os(name).map(PathBuf::from);
            path.filter(|p| p.is_absolute())
        };
        Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory: memory(Path::new("/")),
            xdg_data_home: folder("XDG_DATA_HOME"),
            home: folder("HOME"),
            path: env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned()),
            temp: env::temp_dir(),
        }
    }
}

/// The words of the command line; bytes that are not text are replaced.
#[must_use]
pub fn arguments() -> Vec<String> {
    env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

/// Where this binary lies.
///
/// # Errors
/// The kernel does not say.
pub fn own_binary() -> io::Result<PathBuf> {
    env::current_exe()
}

/// Every variable of this process whose name and value are text: what a watchdog was given.
#[must_use]
pub fn variables() -> Vec<(String, String)> {
    let all = env::vars_os();
    let texts = all.filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    texts.collect()
}

/// Bytes of memory there are for this process; a container sees its own cgroup at the root.
fn memory(root: &Path) -> u64 {
    let text = |file: &str| fs::read_to_string(root.join(file)).unwrap_or_default();
    let machine = text("proc/meminfo");
    let machine = machine.lines().find_map(|l| l.strip_prefix("MemTotal:"));
    let machine = machine.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok());
    let machine = machine.map_or(MEMORY_UNKNOWN, |kib: u64| kib.saturating_mul(1024));
    let limits = [
        "sys/fs/cgroup/memory.max",
        "sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    let limits = limits
        .into_iter()
        .filter_map(|f| text(f).trim().parse().ok());
    limits.fold(machine, u64::min)
}

/// Where the kernel does not say.
const MEMORY_UNKNOWN: u64 = 1 << 30;
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_the_machine_s_or_the_cgroup_s() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(memory(root.path()), MEMORY_UNKNOWN);
        write("proc/meminfo", "MemTotal:        2048 kB\nMemFree: 1 kB\n");
        assert_eq!(memory(root.path()), 2 << 20);
        write("sys/fs/cgroup/memory.max", "max\n");
        assert_eq!(memory(root.path()), 2 << 20);
        write("sys/fs/cgroup/memory.max", "1048576\n");
        assert_eq!(memory(root.path()), 1 << 20);
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "4096\n");
        assert_eq!(memory(root.path()), 4096);
    }
}
