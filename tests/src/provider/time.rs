//! Times as RFC 3339 text in UTC, to and from.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `2026-01-02T03:04:05.678901234Z`.
pub(super) fn format(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / DAY, since.as_secs() % DAY);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let nanos = since.subsec_nanos();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

/// Reads UTC times and offsets; fractions are dropped.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let field = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let sign = |at: usize, signs: &str| text.get(at..=at).is_some_and(|s| signs.contains(s));
    let punctuation = [(4, "-"), (7, "-"), (10, "Tt"), (13, ":"), (16, ":")];
    if !punctuation.iter().all(|(at, signs)| sign(*at, signs)) {
        return None;
    }
    let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 {
        return None;
    }
    let zone = text.get(19..)?;
    let zone = zone.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let minutes = zone.get(1..3)?.parse::<i64>().ok()? * 60;
            let minutes = minutes + zone.get(4..6)?.parse::<i64>().ok()?;
            if zone.starts_with('-') {
                -minutes
            } else {
                minutes
            }
        }
    };
    let days = (0..).take_while(|d| date(*d) < (year, month, day)).count();
    let local = u64::try_from(days).ok()? * DAY + hour * 3600 + minute * 60 + second;
    let utc = i64::try_from(local).ok()? - offset * 60;
    Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(utc).unwrap_or(0)))
}

/// The Gregorian date this many days after 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    // Years begin in March, so that the leap day is the last one.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let of_era_year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_year + of_era_year / 4 - of_era_year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + of_era_year + u64::from(month <= 2);
    (year, month, day)
}

const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000000Z"),
            (1_767_323_045, "2026-01-02T03:04:05.000000000Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(format(time), text);
            assert_eq!(parse(text), Some(time));
        }
    }

    #[test]
    fn offsets_count_and_nonsense_does_not() {
        let utc = parse("2026-01-02T03:04:05Z");
        assert_eq!(parse("2026-01-02T04:34:05.25+01:30"), utc);
        for text in [
            "",
            "yesterday",
            "2026-13-02T03:04:05Z",
            "2026-01-02",
            "2026-01-02T03:04:05",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
