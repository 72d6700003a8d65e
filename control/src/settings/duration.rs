//! Durations as OpenFaaS writes them: whole seconds, or Go's `1m30s`.
//!
//! Pure. Unlike Go, a negative or unparsable text is an error and never a silent default.

use std::time::Duration;

/// Why a text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be whole seconds or a Go duration such as 1m30s, 500ms or 1.5h, and not negative")]
pub struct NotADuration;

/// Parses `90`, `1m30s`, `500ms`, `1.5h`, …
///
/// # Errors
/// [`NotADuration`] when the text is neither, is negative, or exceeds Go's range (292 years).
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    let digits_only = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let nanos = if digits_only {
        let seconds: u128 = text.parse().map_err(|_| NotADuration)?;
        seconds.checked_mul(SECOND_NS).ok_or(NotADuration)?
    } else {
        go_nanos(text)?
    };
    let nanos = i64::try_from(nanos).map_err(|_| NotADuration)?;
    Ok(Duration::from_nanos(nanos.unsigned_abs()))
}

/// Nanoseconds of `([0-9]*(\.[0-9]*)?unit)+`, with an optional leading `+`.
fn go_nanos(text: &str) -> Result<u128, NotADuration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return Err(NotADuration);
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let number_len = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or(NotADuration)?;
        let (number, tail) = rest.split_at(number_len);
        let unit_len = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let part = scaled(number, unit_nanos(unit)?)?;
        total = total.checked_add(part).ok_or(NotADuration)?;
        rest = tail;
    }
    Ok(total)
}

/// `number` (digits with at most one point and at least one digit) times `unit`, rounded down.
fn scaled(number: &str, unit: u128) -> Result<u128, NotADuration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(NotADuration);
    }
    let whole: u128 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| NotADuration)?
    };
    // Digits beyond a nanosecond of an hour cannot matter: 3.6e12 has 13 digits.
    let fraction = &fraction[..fraction.len().min(FRACTION_DIGITS_MAX)];
    let digits = u32::try_from(fraction.len()).map_err(|_| NotADuration)?;
    let part: u128 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().map_err(|_| NotADuration)?
    };
    let part = part * unit / 10_u128.pow(digits);
    let whole = whole.checked_mul(unit).ok_or(NotADuration)?;
    whole.checked_add(part).ok_or(NotADuration)
}

fn unit_nanos(unit: &str) -> Result<u128, NotADuration> {
    match unit {
        "ns" => Ok(1),
        // Both the micro sign and the Greek letter, as Go accepts them.
        "us" | "\u{b5}s" | "\u{3bc}s" => Ok(1_000),
        "ms" => Ok(1_000_000),
        "s" => Ok(SECOND_NS),
        "m" => Ok(60 * SECOND_NS),
        "h" => Ok(3_600 * SECOND_NS),
        _ => Err(NotADuration),
    }
}

const SECOND_NS: u128 = 1_000_000_000;
const FRACTION_DIGITS_MAX: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(text: &str) -> u128 {
        parse(text).unwrap().as_nanos()
    }

    #[test]
    fn integers_are_seconds() {
        assert_eq!(nanos("0"), 0);
        assert_eq!(nanos("90"), 90_000_000_000);
        assert_eq!(nanos("0060"), 60_000_000_000);
    }

    #[test]
    fn go_durations_are_understood() {
        assert_eq!(nanos("1m30s"), 90_000_000_000);
        assert_eq!(nanos("500ms"), 500_000_000);
        assert_eq!(nanos("1.5h"), 5_400_000_000_000);
        assert_eq!(nanos("+2s"), 2_000_000_000);
        assert_eq!(nanos(".5s"), 500_000_000);
        assert_eq!(nanos("1.s"), 1_000_000_000);
        assert_eq!(nanos("1us2ns"), 1_002);
        assert_eq!(nanos("3\u{b5}s"), 3_000);
        assert_eq!(nanos("3\u{3bc}s"), 3_000);
        assert_eq!(nanos("0.0000000001s"), 0);
        assert_eq!(nanos("0.9999999999999999999999s"), 999_999_999);
        assert_eq!(nanos("0s"), 0);
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            "",
            "-5",
            "-1s",
            "s",
            ".s",
            "1x",
            "1m30",
            "1 s",
            " 1s",
            "1..2s",
            "1.2.3s",
            "+",
            "1d",
            "ten",
            "1s-2s",
            "1S",
            "99999999999",
            "2562048h",
            "1e3s",
            "0x10",
            "\u{661}s",
        ] {
            assert_eq!(parse(bad), Err(NotADuration), "{bad:?}");
        }
    }
}
