//! What the command line asks for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long, and with which random numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Order {
    /// Of load, for both drivers at once; `MINUTES_MIN <= minutes <= MINUTES_MAX`.
    pub(crate) minutes: f64,
    pub(crate) seed: u64,
}

impl Order {
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let (mut minutes, mut seed) = (None, None);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--seed" {
                let number = words.next().and_then(|word| word.parse().ok());
                seed = Some(number.ok_or("--seed needs a whole number")?);
            } else {
                let number = word
                    .parse()
                    .ok()
                    .filter(|n| (MINUTES_MIN..=MINUTES_MAX).contains(n));
                let rule = format!("{word:?}: minutes are from {MINUTES_MIN} to {MINUTES_MAX}");
                if minutes.replace(number.ok_or(rule)?).is_some() {
                    return Err(format!("{word:?}: minutes were given before"));
                }
            }
        }
        Ok(Self {
            minutes: minutes.unwrap_or(30.0),
            seed: seed.unwrap_or_else(clock),
        })
    }

    /// Whether the run is long enough for times to be judged, and small growth to be seen.
    pub(crate) fn is_long(self) -> bool {
        self.minutes >= 10.0
    }

    pub(crate) fn time(self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }
}

/// A seed that differs from run to run.
fn clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(1, |since| u64::from(since.subsec_micros()))
}

/// Enough for each function to be called.
const MINUTES_MIN: f64 = 0.1;
/// A week; the bits of the calls' ids take some hundred megabytes by then.
const MINUTES_MAX: f64 = 10_080.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Order, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Order::parse(&words)
    }

    #[test]
    fn minutes_and_seed_in_any_order() {
        let half = Order {
            minutes: 0.5,
            seed: 7,
        };
        assert_eq!(parse("0.5 --seed 7"), Ok(half));
        assert_eq!(parse("--seed 7 0.5"), Ok(half));
        assert_eq!(parse("").unwrap().minutes, 30.0);
    }

    #[test]
    fn what_is_not_an_order_is_refused() {
        for line in [
            "0", "-1", "NaN", "inf", "x", "1 2", "--seed", "--seed x", "1m",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
