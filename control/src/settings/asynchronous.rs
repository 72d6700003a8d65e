//! The settings of asynchronous calls.

use std::sync::Arc;
use std::time::Duration;

use ringway_proxy::Cidr;

use super::error::SettingError;
use super::key::Key;
use super::nats;
use super::reader::{Reader, above_zero, bound, bytes, count, switch};
use super::shape::Given;
use crate::queue::{Guard, Limits, NatsOptions, RetryPolicy, Rules, codes};

/// What the queue and its worker are told.
#[derive(Clone, Debug)]
pub struct AsyncSettings {
    /// What the queue holds at most.
    pub limits: Limits,
    /// How calls are run.
    pub rules: Rules,
    /// Whether calls of functions that do not exist are queued.
    pub accept_unknown: bool,
    /// Where replies may be delivered to.
    pub guard: Guard,
    /// How long a reply is tried to be delivered.
    pub patience: Duration,
    /// Where the queue is; `None`: on this machine.
    pub nats: Option<NatsOptions>,
    /// Whether the gateway runs calls itself.
    pub worker: bool,
}

impl AsyncSettings {
    /// Reads them.
    pub(super) fn resolve<F: Fn(Key) -> Option<Given>>(
        read: &Reader<F>,
    ) -> Result<Self, SettingError> {
        let concurrency = read.or(Key::AsyncConcurrency, CONCURRENCY, count(CONCURRENCY_MAX))?;
        let of_one = count(CONCURRENCY_MAX);
        let min_wait = read.or(Key::RetryMinWait, MIN_WAIT, above_zero)?;
        let nats = nats::resolve(read)?;
        let body_bytes = match nats {
            Some(_) => NATS_BODY_BYTES,
            None => BODY_BYTES,
        };
        Ok(Self {
            worker: worker(read, nats.is_some())?,
            nats,
            limits: Limits {
                body_bytes_max: read.or(Key::AsyncBodyMax, body_bytes, bytes(1, BODY_BYTES_MAX))?,
                keep: read.or(Key::AsyncKeep, KEEP, above_zero)?,
                keep_max: KEEP_MAX,
                // Those of the gateway's own listener, which has them from elsewhere.
                ..Limits::default()
            },
            rules: Rules {
                concurrency,
                function_concurrency: read.or(
                    Key::AsyncFunctionConcurrency,
                    concurrency,
                    of_one,
                )?,
                timeout: read.or(Key::AsyncTimeout, TIMEOUT, above_zero)?,
                reply_bytes_max: read.or(
                    Key::AsyncReplyMax,
                    REPLY_BYTES,
                    bytes(1, BODY_BYTES_MAX),
                )?,
                late: read.or(Key::AsyncYield, Some(LATE), bound)?,
                retry: RetryPolicy {
                    attempts: read.or(Key::RetryAttempts, ATTEMPTS, count(1_000_000))?,
                    codes: read.or(Key::RetryCodes, CODES.into(), some_codes)?,
                    min_wait,
                    max_wait: read
                        .or(Key::RetryMaxWait, MAX_WAIT, above_zero)?
                        .max(min_wait),
                },
            },
            accept_unknown: read.or(Key::AsyncAcceptUnknown, false, switch)?,
            guard: guard(read)?,
            patience: read.or(Key::CallbackPatience, PATIENCE, above_zero)?,
        })
    }
}

fn worker<F: Fn(Key) -> Option<Given>>(
    read: &Reader<F>,
    elsewhere: bool,
) -> Result<bool, SettingError> {
    let runs = read.or(Key::AsyncWorker, true, switch)?;
    if !runs && !elsewhere {
        read.warn(format!(
            "{} has no effect: {} is not set, and nobody else can run what is queued here",
            Key::AsyncWorker,
            Key::NatsAddress
        ));
    }
    Ok(runs || !elsewhere)
}

fn guard<F: Fn(Key) -> Option<Given>>(read: &Reader<F>) -> Result<Guard, SettingError> {
    let mut guard = Guard {
        only_allowed: read.or(Key::CallbackOnlyAllowed, false, switch)?,
        refuse_private: !read.or(Key::CallbackPrivate, true, switch)?,
        ..Guard::default()
    };
    let listed = read.or(Key::CallbackAllow, Vec::new(), receivers)?;
    for receiver in listed {
        match receiver {
            Receiver::Block(block) => guard.allowed.push(block),
            Receiver::Host(host) => guard.allowed_hosts.push(host),
        }
    }
    Ok(guard)
}

/// Somebody replies may be delivered to.
enum Receiver {
    Block(Cidr),
    Host(String),
}

fn receivers(text: &str) -> Result<Vec<Receiver>, String> {
    let pieces = text.split(',').map(str::trim).filter(|p| !p.is_empty());
    let parsed = pieces.map(|piece| {
        if let Ok(block) = Cidr::parse(piece) {
            return Ok(Receiver::Block(block));
        }
        let host = piece.to_ascii_lowercase();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        // What looks like a block and is none must not become a host that never matches.
        let is_host = host.bytes().all(plain) && host.bytes().any(|b| b.is_ascii_alphabetic());
        is_host.then_some(Receiver::Host(host)).ok_or_else(|| {
            format!("must be hosts and address blocks such as hooks.test,10.0.0.0/8: {piece:?}")
        })
    });
    parsed.collect()
}

fn some_codes(text: &str) -> Result<Arc<[u16]>, String> {
    codes(text).map_err(|why| format!("must be statuses such as 500,502: {why}"))
}

const BODY_BYTES: u64 = 16 * 1024 * 1024;
/// What NATS takes by default, a message's headers included.
const NATS_BODY_BYTES: u64 = 1024 * 1024;
/// What the embedded queue has room for per call: its parts are numbered in twelve bits.
const BODY_BYTES_MAX: u64 = 512 * 1024 * 1024;
const REPLY_BYTES: u64 = 16 * 1024 * 1024;
const CONCURRENCY: usize = 50;
const CONCURRENCY_MAX: usize = 10_000;
const LATE: Duration = Duration::from_millis(2);
const TIMEOUT: Duration = Duration::from_secs(3_600);
const KEEP: Duration = Duration::from_secs(3_600);
const KEEP_MAX: u64 = 100_000;
const ATTEMPTS: u32 = 10;
const CODES: [u16; 6] = [408, 429, 500, 502, 503, 504];
const MIN_WAIT: Duration = Duration::from_secs(10);
const MAX_WAIT: Duration = Duration::from_secs(120);
const PATIENCE: Duration = Duration::from_secs(24 * 3_600);

#[cfg(test)]
mod tests {
    use super::super::reader::{self, assert_named};
    use super::*;

    fn resolve(given: &[(Key, &str)]) -> Result<AsyncSettings, String> {
        AsyncSettings::resolve(&Reader::new(reader::given(given)))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_given_is_what_openfaas_documents() {
        let settings = resolve(&[]).unwrap();
        let retry = &settings.rules.retry;
        assert_eq!((retry.attempts, &*retry.codes), (10, &CODES[..]));
        assert_eq!((retry.min_wait, retry.max_wait), (MIN_WAIT, MAX_WAIT));
        assert_eq!(settings.limits.body_bytes_max, 16 << 20);
        assert_eq!(
            settings.rules.function_concurrency,
            settings.rules.concurrency
        );
        assert_eq!(settings.rules.late, Some(LATE));
        let never = resolve(&[(Key::AsyncYield, "0")]).unwrap();
        assert_eq!(never.rules.late, None);
        assert!(!settings.accept_unknown && !settings.guard.refuse_private);
    }

    #[test]
    fn sizes_have_units() {
        for (text, size) in [("1", 1), ("256KiB", 256 << 10), ("2MiB", 2 << 20)] {
            let settings = resolve(&[(Key::AsyncBodyMax, text)]).unwrap();
            assert_eq!(settings.limits.body_bytes_max, size);
        }
    }

    #[test]
    fn the_shortest_wait_is_not_longer_than_the_longest() {
        let settings = resolve(&[(Key::RetryMinWait, "5m")]).unwrap();
        assert_eq!(settings.rules.retry.max_wait, Duration::from_secs(300));
    }

    #[test]
    fn receivers_are_hosts_and_blocks() {
        let settings = resolve(&[(Key::CallbackAllow, "Hooks.test, 127.0.0.0/8,::1")]).unwrap();
        assert_eq!(settings.guard.allowed.len(), 2);
        assert_eq!(settings.guard.allowed_hosts, ["hooks.test"]);
    }

    #[test]
    fn every_error_names_the_variable_the_value_and_the_rule() {
        for (key, value, rule) in [
            (Key::AsyncBodyMax, "16MB", "bytes"),
            (Key::AsyncBodyMax, "1GiB", "from 1 to"),
            (Key::AsyncBodyMax, "0", "bytes"),
            (Key::AsyncReplyMax, "-1", "bytes"),
            (Key::AsyncYield, "soon", "Go duration"),
            (Key::AsyncConcurrency, "0", "from 1"),
            (Key::AsyncFunctionConcurrency, "many", "from 1"),
            (Key::AsyncTimeout, "0", "above 0"),
            (Key::AsyncAcceptUnknown, "1", "true or false"),
            (Key::AsyncKeep, "soon", "Go duration"),
            (Key::RetryAttempts, "0", "from 1"),
            (Key::RetryCodes, "5xx", "statuses"),
            (Key::RetryMinWait, "0", "above 0"),
            (Key::RetryMaxWait, "x", "Go duration"),
            (Key::CallbackAllow, "10.0.0.0/99", "blocks"),
            (Key::CallbackAllow, "http://a", "blocks"),
            (Key::CallbackOnlyAllowed, "yes", "true or false"),
            (Key::CallbackPrivate, "no", "true or false"),
            (Key::CallbackPatience, "0s", "above 0"),
        ] {
            let error = resolve(&[(key, value)]).unwrap_err();
            assert_named(&error, (key, value), rule);
        }
    }
}
