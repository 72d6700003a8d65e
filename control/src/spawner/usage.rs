//! What replicas use, measured from `/proc`: each with all its descendants.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::protocol::Amount;

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    parent: i32,
    session: i32,
    /// Its own time and that of the children it has waited for.
    cpu_ticks: u64,
    resident_pages: u64,
}

/// Measures the trees below `roots` (pairs of id and pid) in one walk over `/proc`.
pub(super) fn measure(roots: &[(u64, i32)]) -> Vec<Amount> {
    let samples = sample_all(Path::new("/proc"));
    attribute(&samples, roots, Units::of_this_machine())
}

/// The kernel's units.
#[derive(Clone, Copy)]
struct Units {
    tick_micros: u64,
    page_bytes: u64,
}

impl Units {
    fn of_this_machine() -> Self {
        Self {
            tick_micros: 1_000_000 / rustix::param::clock_ticks_per_second().max(1),
            page_bytes: rustix::param::page_size() as u64,
        }
    }
}

fn attribute(samples: &HashMap<i32, Sample>, roots: &[(u64, i32)], units: Units) -> Vec<Amount> {
    let mut by_root: HashMap<i32, (u64, u64)> = HashMap::new();
    let is_root: HashMap<i32, u64> = roots.iter().map(|(id, pid)| (*pid, *id)).collect();
    for (pid, sample) in samples {
        if let Some(root) = root_of(*pid, samples, &is_root) {
            let sum = by_root.entry(root).or_default();
            sum.0 += sample.cpu_ticks * units.tick_micros;
            sum.1 += sample.resident_pages * units.page_bytes;
        }
    }
    let present = roots.iter().filter_map(|(id, pid)| {
        let (cpu_micros, memory_bytes) = by_root.get(pid).copied()?;
        Some(Amount {
            id: *id,
            cpu_micros,
            memory_bytes,
        })
    });
    present.collect()
}

/// The replica a process belongs to: by its ancestors, or by its session when it was orphaned.
fn root_of(pid: i32, samples: &HashMap<i32, Sample>, roots: &HashMap<i32, u64>) -> Option<i32> {
    let mut at = pid;
    for _ in 0..DEPTH_MAX {
        if roots.contains_key(&at) {
            return Some(at);
        }
        match samples.get(&at) {
            Some(sample) => at = sample.parent,
            None => break,
        }
    }
    let session = samples.get(&pid)?.session;
    roots.contains_key(&session).then_some(session)
}

fn sample_all(proc: &Path) -> HashMap<i32, Sample> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let samples = entries.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read(entry.path().join("stat")).ok()?;
        Some((pid, parse(&stat)?))
    });
    samples.collect()
}

/// Reads proc_pid_stat(5); the name may hold anything, so fields count from the last `)`.
fn parse(stat: &[u8]) -> Option<Sample> {
    let end = stat.iter().rposition(|b| *b == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Field 3 of the manual is the first one behind the name.
    let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
    let ticks = [14, 15, 16, 17]
        .into_iter()
        .map(number)
        .sum::<Option<i64>>()?;
    Some(Sample {
        parent: i32::try_from(number(4)?).ok()?,
        session: i32::try_from(number(6)?).ok()?,
        cpu_ticks: u64::try_from(ticks).unwrap_or(0),
        resident_pages: u64::try_from(number(24)?).unwrap_or(0),
    })
}

/// Deeper process trees are not followed; guards against a loop in a torn reading.
const DEPTH_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(parent: i32, session: i32) -> Sample {
        Sample {
            parent,
            session,
            cpu_ticks: 1,
            resident_pages: 2,
        }
    }

    #[test]
    fn a_stat_line_is_read_behind_the_name() {
        let line = b"42 (a) b (c) S 7 42 40 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5 6 777 9";
        let expected = Sample {
            parent: 7,
            session: 40,
            cpu_ticks: 100,
            resident_pages: 777,
        };
        assert_eq!(parse(line), Some(expected));
        assert_eq!(parse(b"42 (a"), None);
        assert_eq!(parse(b"42 (a) S 1"), None);
    }

    #[test]
    fn this_process_is_found() {
        let own = i32::try_from(std::process::id()).unwrap();
        let amounts = measure(&[(5, own), (6, i32::MAX)]);
        assert_eq!(amounts.len(), 1);
        assert!(amounts[0].id == 5 && amounts[0].memory_bytes > 0);
    }

    #[test]
    fn descendants_and_orphans_count_for_their_replica() {
        let samples = HashMap::from([
            (10, sample(1, 10)),
            (11, sample(10, 10)),
            (12, sample(11, 12)),
            (13, sample(1, 10)),
            (20, sample(1, 20)),
            (99, sample(1, 99)),
        ]);
        let units = Units {
            tick_micros: 10,
            page_bytes: 100,
        };
        let amounts = attribute(&samples, &[(1, 10), (2, 20)], units);
        assert_eq!(
            amounts,
            [
                Amount {
                    id: 1,
                    cpu_micros: 40,
                    memory_bytes: 800
                },
                Amount {
                    id: 2,
                    cpu_micros: 10,
                    memory_bytes: 200
                },
            ]
        );
    }
}
