//! The process as the kernel sees it: the numbers Prometheus client libraries export.

use std::fs;

/// Processor time, memory and descriptors of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    pub(super) cpu_seconds: f64,
    pub(super) resident_bytes: u64,
    pub(super) virtual_bytes: u64,
    pub(super) open_descriptors: u64,
    pub(super) descriptors_max: u64,
    /// Unix time.
    pub(super) start_seconds: f64,
}

impl Process {
    /// Looks at `/proc`; what cannot be read is 0.
    pub(super) fn observe() -> Self {
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let page = rustix::param::page_size() as u64;
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let field = stat_fields(&stat);
        let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
        let boot = boot
            .lines()
            .find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
            .unwrap_or(0.0);
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let descriptors = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count());
        Self {
            cpu_seconds: (field(14) + field(15)) as f64 / ticks,
            resident_bytes: field(24).saturating_mul(page),
            virtual_bytes: field(23),
            open_descriptors: descriptors as u64,
            descriptors_max: descriptors_max(&limits),
            start_seconds: boot + field(22) as f64 / ticks,
        }
    }
}

/// Fields of `/proc/[pid]/stat` by their numbers in proc(5); the name may hold anything.
fn stat_fields(stat: &str) -> impl Fn(usize) -> u64 + '_ {
    let behind = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    move |number| {
        let field = behind
            .split_ascii_whitespace()
            .nth(number.saturating_sub(3));
        field.and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

fn descriptors_max(limits: &str) -> u64 {
    let line = limits
        .lines()
        .find_map(|l| l.strip_prefix("Max open files"));
    let soft = line.and_then(|rest| rest.split_ascii_whitespace().next());
    soft.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen() {
        let process = Process::observe();
        assert!(process.resident_bytes > 0 && process.virtual_bytes > process.resident_bytes);
        assert!(process.open_descriptors > 0 && process.descriptors_max > 0);
        assert!(process.start_seconds > 1.0e9);
    }

    #[test]
    fn fields_are_counted_behind_the_name() {
        let field = stat_fields("1 (a) b) S 4 5 6 7 8 9 10 11 12 13 140 150");
        assert_eq!(
            (field(4), field(14), field(15), field(99)),
            (4, 140, 150, 0)
        );
    }
}
