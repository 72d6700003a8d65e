//! Instants as RFC 3339 text: written in UTC, read with any offset. Pure.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

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

/// The instant a text names; `None` when it names none.
#[must_use]
pub(crate) fn parse(text: &str) -> Option<SystemTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(Into::into)
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
mod tests {
    use std::time::Duration;

    use super::*;

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
    fn offsets_and_times_before_1970_are_understood() {
        assert_eq!(parse("1970-01-01T01:00:00+01:00"), Some(UNIX_EPOCH));
        assert!(parse("0001-01-01T00:00:00Z").is_some());
        assert!(parse("2026-05-13T10:00:00.123456789-07:00").is_some());
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in [
            "",
            "Z",
            "2024-02-30T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-02-01T00:00:00",
            "2024-02-01T00:00:00.Z",
            "2024-02-00T00:00:00Z",
            "5m",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
