//! Under which conditions a run was made. Names of machines and paths are none of them.

use std::time::{SystemTime, UNIX_EPOCH};

/// What a reader must know to judge the figures.
pub(crate) struct Conditions {
    /// `2026-11-25`.
    pub(crate) date: String,
    /// Stands for the machine in the folder's name.
    pub(crate) label: String,
    pub(crate) rows: Vec<(String, String)>,
}

impl Conditions {
    /// Of this machine now.
    pub(crate) fn here(label: Option<String>) -> Self {
        let model = cpu_model();
        let label = label.unwrap_or_else(|| slug(&model));
        let cpus = read("/proc/cpuinfo");
        let count = cpus.lines().filter(|line| line.starts_with("processor"));
        let count = count.count();
        let rows = [
            ("processor", format!("{model}, {count} cores")),
            ("kernel", read("/proc/sys/kernel/osrelease")),
            (
                "load",
                read("/proc/loadavg")
                    .split(' ')
                    .take(3)
                    .collect::<Vec<_>>()
                    .join(" "),
            ),
        ];
        Self {
            date: date(),
            label,
            rows: rows.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        }
    }

    pub(crate) fn add(&mut self, name: &str, value: String) {
        self.rows.push((name.to_owned(), value));
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn cpu_model() -> String {
    let cpus = read("/proc/cpuinfo");
    let line = cpus.lines().find(|line| line.starts_with("model name"));
    let model = line.and_then(|line| line.split_once(": "));
    model
        .map_or(std::env::consts::ARCH, |(_, model)| model.trim())
        .to_owned()
}

/// Letters and digits, with a hyphen for all else.
pub(crate) fn slug(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

/// Today in UTC.
fn date() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let days = since.map_or(0, |since| since.as_secs() / 86_400);
    civil(i64::try_from(days).unwrap_or(0))
}

/// The date so many days after 1970-01-01, by Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> String {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), "1970-01-01");
        assert_eq!(civil(11_016), "2000-02-29");
        assert_eq!(civil(20_782), "2026-11-25");
    }

    #[test]
    fn labels_are_plain() {
        assert_eq!(slug("AMD EPYC 9B14 (Zen 4)"), "amd-epyc-9b14-zen-4");
    }
}
