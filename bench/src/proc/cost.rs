//! Processor time by the scheduler's own accounting: exact to the nanosecond, where the counts
//! of clock ticks are wrong by several per cent for a proxy that sleeps and wakes.

use rustix::process::Pid;

use super::tree::tasks;

/// Processor time used so far by some processes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Time on a processor.
    pub(crate) nanos: u64,
    /// The same in clock ticks, by mode; only their ratio is used, over many slices.
    pub(crate) user_ticks: u64,
    pub(crate) system_ticks: u64,
}

impl Cost {
    /// Reads it.
    pub(crate) fn of(pids: &[Pid]) -> Self {
        let mut sum = Self::default();
        for pid in pids {
            let number = pid.as_raw_nonzero();
            for task in tasks(*pid) {
                let text = read(&format!("/proc/{number}/task/{task}/schedstat"));
                sum.nanos += field(&text, 0);
            }
            let stat = read(&format!("/proc/{number}/stat"));
            // The name, in parentheses, may hold anything; after it comes the third field.
            let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
            sum.user_ticks += field(after, 11);
            sum.system_ticks += field(after, 12);
        }
        sum
    }

    /// What was used since.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            nanos: self.nanos.saturating_sub(earlier.nanos),
            user_ticks: self.user_ticks.saturating_sub(earlier.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(earlier.system_ticks),
        }
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn field(text: &str, index: usize) -> u64 {
    let field = text.split_whitespace().nth(index);
    field.and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows() {
        let me = [rustix::process::getpid()];
        let before = Cost::of(&me);
        let start = std::time::Instant::now();
        while start.elapsed().as_millis() < 50 {
            std::hint::black_box(0);
        }
        // The running thread's own figure is as old as the last tick.
        std::thread::sleep(std::time::Duration::from_millis(1));
        let cost = Cost::of(&me).since(before);
        assert!(cost.nanos > 5_000_000, "{cost:?}");
    }
}
