//! What a function's annotations ask of the queue, and what follows from a reply. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::attempt::Verdict;
use super::job::Millis;
use crate::settings::duration;

/// What annotations ask for; what is absent or malformed is as the settings have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queueing {
    /// `com.openfaas.retry.attempts`: in all, above 0.
    pub attempts: Option<u32>,
    /// `com.openfaas.retry.codes`.
    pub codes: Option<Arc<[u16]>>,
    /// `com.openfaas.retry.min_wait`.
    pub min_wait: Option<Duration>,
    /// `com.openfaas.retry.max_wait`.
    pub max_wait: Option<Duration>,
    /// `com.ringway.async-concurrency`: above 0.
    pub concurrency: Option<u32>,
}

/// When and how often a failed call is run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, above 0.
    pub attempts: u32,
    /// Statuses of functions that are failures.
    pub codes: Arc<[u16]>,
    /// Before the second attempt; it doubles from there.
    pub min_wait: Duration,
    /// Longest wait.
    pub max_wait: Duration,
}

/// What is to be known of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Replied {
    pub(super) status: u16,
    /// The gateway, a watchdog or a provider speaks, not the function.
    pub(super) internal: bool,
    /// `Retry-After`.
    pub(super) retry_after: Option<Duration>,
}

/// Time and chance of a decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Millis,
    /// `0.0 <= chance < 1.0`.
    pub(super) chance: f64,
}

impl Queueing {
    /// Reads a function's annotations.
    #[must_use]
    pub fn read(annotations: &BTreeMap<String, String>) -> Self {
        let of = |key: &str| annotations.get(key).map(String::as_str);
        let wait = |key| of(key).and_then(|text| duration::parse(text).ok());
        Self {
            attempts: of("com.openfaas.retry.attempts").and_then(positive),
            codes: of("com.openfaas.retry.codes").and_then(|text| codes(text).ok()),
            min_wait: wait("com.openfaas.retry.min_wait"),
            max_wait: wait("com.openfaas.retry.max_wait"),
            concurrency: of("com.ringway.async-concurrency").and_then(positive),
        }
    }
}

impl RetryPolicy {
    /// With what a function asks for.
    #[must_use]
    pub fn with(&self, asked: &Queueing) -> Self {
        let min_wait = asked.min_wait.unwrap_or(self.min_wait);
        Self {
            attempts: asked.attempts.unwrap_or(self.attempts),
            codes: asked
                .codes
                .clone()
                .unwrap_or_else(|| Arc::clone(&self.codes)),
            min_wait,
            max_wait: asked.max_wait.unwrap_or(self.max_wait).max(min_wait),
        }
    }

    /// What follows from a reply, or from there being none, after `attempts` before it.
    pub(super) fn judge(&self, reply: Option<Replied>, attempts: u32, at: Moment) -> Verdict {
        let Some(reply) = reply else {
            return self.failed(None, attempts, at);
        };
        let is = |codes: &[u16]| codes.contains(&reply.status);
        if reply.internal && reply.status == 429 {
            // Not now: the call was not made, so it is not an attempt.
            let wait = reply.retry_after.unwrap_or_default().max(CROWDED_WAIT);
            let due = at.now.after(wait.mul_f64(1.0 + at.chance));
            return Verdict::Again {
                due,
                counted: false,
            };
        }
        let infrastructure = reply.internal && (reply.status >= 500 || is(&[404, 408, 425]));
        if infrastructure || is(&self.codes) {
            let retry_after = reply.retry_after.filter(|_| is(&[429, 503]));
            return self.failed(retry_after, attempts, at);
        }
        if reply.internal && reply.status >= 400 {
            // It never reached the function, and never will.
            return Verdict::Dead;
        }
        Verdict::Done
    }

    fn failed(&self, retry_after: Option<Duration>, attempts: u32, at: Moment) -> Verdict {
        let ended = attempts.saturating_add(1);
        if ended >= self.attempts {
            return Verdict::Dead;
        }
        let wait = match retry_after {
            Some(told) => told.clamp(self.min_wait, RETRY_AFTER_MAX.max(self.min_wait)),
            None => {
                let doubled = 2_u32.saturating_pow(attempts.min(20));
                let wait = self.min_wait.saturating_mul(doubled).min(self.max_wait);
                // Calls that failed together do not come back together, at the longest wait least.
                wait.mul_f64(1.0 + JITTER * at.chance)
            }
        };
        let due = at.now.after(wait);
        Verdict::Again { due, counted: true }
    }
}

/// Reads a list of statuses.
///
/// # Errors
/// The rule.
pub(crate) fn codes(text: &str) -> Result<Arc<[u16]>, String> {
    let pieces = text.split(',').map(str::trim).filter(|p| !p.is_empty());
    let codes = pieces.map(|piece| {
        let code = piece.parse::<u16>().ok().filter(|c| (100..600).contains(c));
        code.ok_or_else(|| format!("{piece:?} is not a status from 100 to 599"))
    });
    codes.collect()
}

/// `Retry-After`: seconds, or a date (RFC 9110 §10.2.3).
pub(super) fn retry_after(value: &str, now: Millis) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(now.until(date.into()))
}

fn positive(text: &str) -> Option<u32> {
    crate::policy::whole(text).filter(|n| *n > 0)
}

/// At least this long after a function said that it has too many calls.
const CROWDED_WAIT: Duration = Duration::from_millis(500);
/// A `Retry-After` is not waited for longer than this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// Largest share that chance adds to a wait.
const JITTER: f64 = 0.25;

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Moment = Moment {
        now: Millis(1_000_000),
        chance: 0.0,
    };

    fn policy() -> RetryPolicy {
        RetryPolicy {
            attempts: 4,
            codes: [429, 500, 503].into(),
            min_wait: Duration::from_secs(1),
            max_wait: Duration::from_secs(3),
        }
    }

    fn reply(status: u16) -> Option<Replied> {
        Some(Replied {
            status,
            internal: false,
            retry_after: None,
        })
    }

    fn internal(status: u16) -> Option<Replied> {
        reply(status).map(|r| Replied {
            internal: true,
            ..r
        })
    }

    fn again(millis: i64) -> Verdict {
        let due = Millis(AT.now.0 + millis);
        Verdict::Again { due, counted: true }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_the_last_attempt_is_the_end() {
        let judge = |attempts| policy().judge(reply(500), attempts, AT);
        assert_eq!(judge(0), again(1_000));
        assert_eq!(judge(1), again(2_000));
        assert_eq!(judge(2), again(3_000));
        assert_eq!(judge(3), Verdict::Dead);
        assert_eq!(judge(u32::MAX), Verdict::Dead);
        assert_eq!(policy().judge(None, 0, AT), again(1_000));
        let late = Moment {
            chance: 0.999,
            ..AT
        };
        let Verdict::Again { due, .. } = policy().judge(None, 0, late) else {
            panic!();
        };
        assert!(due > again_at(1_200) && due < again_at(1_251), "{due:?}");
        let Verdict::Again { due, .. } = policy().judge(None, 2, late) else {
            panic!();
        };
        let range = again_at(3_700)..again_at(3_751);
        assert!(range.contains(&due), "behind the longest wait too: {due:?}");
    }

    fn again_at(millis: i64) -> Millis {
        Millis(AT.now.0 + millis)
    }

    #[test]
    fn other_statuses_are_the_functions_own_affair() {
        for status in [200, 204, 302, 400, 404, 418, 501] {
            assert_eq!(
                policy().judge(reply(status), 0, AT),
                Verdict::Done,
                "{status}"
            );
        }
    }

    #[test]
    fn errors_of_the_infrastructure_are_tried_again_whatever_the_codes() {
        for status in [404, 408, 500, 502, 503, 504] {
            assert_eq!(
                policy().judge(internal(status), 0, AT),
                again(1_000),
                "{status}"
            );
        }
        for status in [400, 405, 413] {
            assert_eq!(
                policy().judge(internal(status), 0, AT),
                Verdict::Dead,
                "{status}"
            );
        }
        assert_eq!(policy().judge(internal(200), 0, AT), Verdict::Done);
    }

    #[test]
    fn a_call_that_had_no_room_was_no_attempt() {
        let due = Millis(AT.now.0 + 500);
        let verdict = Verdict::Again {
            due,
            counted: false,
        };
        assert_eq!(policy().judge(internal(429), 100, AT), verdict);
    }

    #[test]
    fn retry_after_is_honoured_within_bounds() {
        let told = |status, secs| Replied {
            status,
            internal: false,
            retry_after: Some(Duration::from_secs(secs)),
        };
        let judge = |reply| policy().judge(Some(reply), 0, AT);
        assert_eq!(judge(told(503, 30)), again(30_000));
        assert_eq!(judge(told(429, 0)), again(1_000), "at least the least wait");
        assert_eq!(judge(told(503, 1_000_000)), again(3_600_000));
        assert_eq!(judge(told(500, 30)), again(1_000), "not of this status");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Millis(784_111_777_000);
        let after = |text| retry_after(text, now).map(|d| d.as_secs());
        assert_eq!(after("120"), Some(120));
        assert_eq!(after("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(after("Sun, 06 Nov 1994 08:48:37 GMT"), Some(0));
        assert_eq!(after("Sunday, 06-Nov-94 08:50:37 GMT"), Some(60));
        assert_eq!(after("Sun Nov  6 08:50:37 1994"), Some(60));
        assert_eq!(after("99999999999999999999999"), Some(u64::MAX));
        for bad in ["", "soon", "-1", "1.5"] {
            assert_eq!(after(bad), None, "{bad}");
        }
    }

    #[test]
    fn annotations_count_and_malformed_ones_do_not() {
        let map = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            Queueing::read(&pairs.collect())
        };
        let asked = map(&[
            ("com.openfaas.retry.attempts", "7"),
            ("com.openfaas.retry.codes", "500, 502"),
            ("com.openfaas.retry.min_wait", "10ms"),
            ("com.openfaas.retry.max_wait", "1m30s"),
            ("com.ringway.async-concurrency", "3"),
        ]);
        assert_eq!(asked.concurrency, Some(3));
        let all = policy().with(&asked);
        assert_eq!((all.attempts, &*all.codes), (7, &[500, 502][..]));
        assert_eq!(all.min_wait, Duration::from_millis(10));
        assert_eq!(all.max_wait, Duration::from_secs(90));
        let none = map(&[
            ("com.openfaas.retry.attempts", "0"),
            ("com.openfaas.retry.codes", "5xx"),
            ("com.openfaas.retry.min_wait", "soon"),
            ("com.openfaas.retry.max_wait", "-1"),
        ]);
        assert_eq!(none, Queueing::default());
        assert_eq!(policy().with(&none), policy());
    }
}
