//! Memory of a proxy's processes.

use rustix::process::Pid;

/// In KiB, summed over processes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Resident now. Pages that several processes share count for each.
    pub(crate) resident: u64,
    /// The most that was resident since the last [`forget_peak`].
    pub(crate) peak: u64,
    /// Resident pages that are no file's: what a connection can add to.
    pub(crate) anonymous: u64,
}

/// Reads it.
pub(crate) fn memory(pids: &[Pid]) -> Memory {
    let mut sum = Memory::default();
    for pid in pids {
        let path = format!("/proc/{}/status", pid.as_raw_nonzero());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        sum.resident += line(&status, "VmRSS:");
        sum.peak += line(&status, "VmHWM:");
        sum.anonymous += line(&status, "RssAnon:") + line(&status, "RssShmem:");
    }
    sum
}

/// Begins the peak anew.
pub(crate) fn forget_peak(pids: &[Pid]) {
    for pid in pids {
        let _ = std::fs::write(format!("/proc/{}/clear_refs", pid.as_raw_nonzero()), "5");
    }
}

fn line(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|word| word.parse().ok()).unwrap_or(0)
}
