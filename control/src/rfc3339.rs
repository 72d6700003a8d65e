//! Instants as RFC 3339 text in UTC. Pure; no time zones, no leap seconds.

use std::time::{SystemTime, UNIX_EPOCH};

/// `2026-01-02T03:04:05.123456789Z`: fixed width, so that lines sort by time.
#[must_use]
pub(crate) fn nanos(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!(
        "{}.{:09}Z",
        date_time(since.as_secs()),
        since.subsec_nanos()
    )
}

/// `2026-01-02T03:04:05Z`.
#[must_use]
pub(crate) fn seconds(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}Z", date_time(since.as_secs()))
}

fn date_time(seconds: u64) -> String {
    let (days, of_day) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day of a day counted from 1970-01-01 (Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

const DAY: u64 = 86_400;

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;

    /// Parses what [`seconds`] and [`nanos`] write.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<SystemTime> {
        let (date_time, fraction) = match text.strip_suffix('Z')?.split_once('.') {
            Some((date_time, fraction)) => (date_time, fraction),
            None => (text.strip_suffix('Z')?, "0"),
        };
        let number = |from: usize, to: usize| -> Option<u64> {
            let digits = date_time.get(from..to)?;
            digits.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
            digits.parse().ok()
        };
        let marks = date_time.bytes().enumerate().all(|(at, b)| match at {
            4 | 7 => b == b'-',
            10 => b == b'T',
            13 | 16 => b == b':',
            _ => b.is_ascii_digit(),
        });
        if date_time.len() != 19 || !marks || fraction.is_empty() || fraction.len() > 9 {
            return None;
        }
        let scale = 10_u32.pow(9 - u32::try_from(fraction.len()).ok()?);
        let nanos = fraction.parse::<u32>().ok()?.checked_mul(scale)?;
        let days = days_of(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
        let of_day = number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
        UNIX_EPOCH.checked_add(Duration::new(days * DAY + of_day, nanos))
    }

    /// The inverse of [`civil`]; `None` before 1970 and for dates that do not exist.
    fn days_of(year: u64, month: u64, day: u64) -> Option<u64> {
        if !(1..=12).contains(&month) || year < 1970 {
            return None;
        }
        let shifted_year = if month <= 2 { year - 1 } else { year };
        let era = shifted_year / 400;
        let year_of_era = shifted_year % 400;
        let shifted_month = (month + 9) % 12;
        let of_year = (153 * shifted_month + 2) / 5 + day.checked_sub(1)?;
        let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
        let days = (era * 146_097 + of_era).checked_sub(719_468)?;
        (civil(days) == (year, month, day)).then_some(days)
    }

    fn at(seconds: u64, nanos: u32) -> SystemTime {
        UNIX_EPOCH + Duration::new(seconds, nanos)
    }

    #[test]
    fn known_instants() {
        assert_eq!(seconds(at(0, 0)), "1970-01-01T00:00:00Z");
        assert_eq!(seconds(at(951_782_400, 0)), "2000-02-29T00:00:00Z");
        assert_eq!(seconds(at(1_709_251_199, 5)), "2024-02-29T23:59:59Z");
        assert_eq!(
            nanos(at(4_107_542_400, 7)),
            "2100-03-01T00:00:00.000000007Z"
        );
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in 0..146_097 {
            let instant = at(day * DAY + day % DAY, 123_000_000);
            assert_eq!(parse(&nanos(instant)), Some(instant));
            assert_eq!(parse(&seconds(instant)), Some(at(day * DAY + day % DAY, 0)));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in [
            "",
            "Z",
            "2024-02-30T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-02-01 00:00:00Z",
            "2024-02-01T00:00:00",
            "2024-02-01T00:00:00.Z",
            "2024-02-01T00:00:00+01:00",
            "1969-12-31T00:00:00Z",
            "2024-02-00T00:00:00Z",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
