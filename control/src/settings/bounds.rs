//! The limits of the data plane that an operator may set; docs/SECURITY.md has them all.

use std::time::Duration;

use ringway_proxy::limits::{HEAD_BYTES_MAX, Limits, PIPES_MOST};

use super::error::SettingError;
use super::key::Key;
use super::reader::{Reader, above_zero, bytes, count, count_from};
use super::shape::{Given, Shape};

/// Reads them.
pub(super) fn resolve<F: Fn(Key) -> Option<Given>>(
    read: &Reader<F>,
) -> Result<Limits, SettingError> {
    let usual = Limits::default();
    Ok(Limits {
        head_bytes_max: read.or(Key::HeadBytesMax, usual.head_bytes_max, head_bytes)?,
        head_timeout: read.or(Key::HeadTimeout, usual.head_timeout, waited)?,
        connect_timeout: read.or(Key::ConnectTimeout, usual.connect_timeout, waited)?,
        parked_max: read.or(Key::ParkedMax, usual.parked_max, count(PARKED_MOST))?,
        retries_max: read.or(
            Key::RetriesMax,
            usual.retries_max,
            count_from(0, RETRIES_MOST),
        )?,
        pipes_max: read.or(Key::PipesMax, usual.pipes_max, count_from(0, PIPES_MOST))?,
    })
}

/// In the order of [`Key`].
pub(super) const BOUNDS: [Shape; 6] = [
    Shape {
        key: Key::HeadBytesMax,
        flag: "head-bytes-max",
        variable: "RINGWAY_HEAD_BYTES_MAX",
        value: "BYTES",
        help: "Longest head of a request, such as 16KiB; a longer one is answered with 431; \
               from 1KiB to 64KiB [default: 64KiB]",
    },
    Shape {
        key: Key::HeadTimeout,
        flag: "head-timeout",
        variable: "RINGWAY_HEAD_TIMEOUT",
        value: "DURATION",
        help: "Time from the first byte of a request's head to its last; after it the answer \
               is 408 [default: 10s]",
    },
    Shape {
        key: Key::ConnectTimeout,
        flag: "connect-timeout",
        variable: "RINGWAY_CONNECT_TIMEOUT",
        value: "DURATION",
        help: "How long a connection to a function may take to be made [default: 3s]",
    },
    Shape {
        key: Key::ParkedMax,
        flag: "parked-max",
        variable: "RINGWAY_PARKED_MAX",
        value: "COUNT",
        help: "Callers of a shard that may wait for functions to start; more are answered with \
               503 [default: 10000]",
    },
    Shape {
        key: Key::RetriesMax,
        flag: "retries-max",
        variable: "RINGWAY_RETRIES_MAX",
        value: "COUNT",
        help: "How often a request is sent again: an idempotent one (GET, HEAD, OPTIONS, PUT, \
               DELETE) whose function ended the connection before it answered, any other only \
               when no function can have taken it; 0 to 10 [default: 2]",
    },
    Shape {
        key: Key::PipesMax,
        flag: "pipes-max",
        variable: "RINGWAY_PIPES_MAX",
        value: "COUNT",
        help: "Pipes that the kernel moves large bodies through without copying them, for those \
               whose receiver is slower than their sender; more go through buffers, with 0 all do; \
               two descriptors each, and none where fewer than 8192 are allowed; 0 to 1024 \
               [default: 512]",
    },
];

fn head_bytes(text: &str) -> Result<usize, String> {
    let most = HEAD_BYTES_MAX as u64;
    let value = bytes(HEAD_LEAST, most)(text)?;
    usize::try_from(value).map_err(|e| e.to_string())
}

/// The data plane's deadlines are at most a day away.
fn waited(text: &str) -> Result<Duration, String> {
    let value = above_zero(text)?;
    if value > DAY {
        return Err("must be at most 24h".to_owned());
    }
    Ok(value)
}

/// Less would refuse what every browser sends.
const HEAD_LEAST: u64 = 1024;
const PARKED_MOST: usize = 1_000_000;
const RETRIES_MOST: u32 = 10;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::super::reader::{self, assert_named};
    use super::*;

    fn resolved(given: &[(Key, &str)]) -> Result<Limits, String> {
        resolve(&Reader::new(reader::given(given))).map_err(|e| e.to_string())
    }

    #[test]
    fn every_limit_can_be_set() {
        let limits = resolved(&[
            (Key::HeadBytesMax, "16KiB"),
            (Key::HeadTimeout, "5s"),
            (Key::ConnectTimeout, "250ms"),
            (Key::ParkedMax, "7"),
            (Key::RetriesMax, "0"),
            (Key::PipesMax, "0"),
        ])
        .unwrap();
        let wanted = Limits {
            head_bytes_max: 16 * 1024,
            head_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_millis(250),
            parked_max: 7,
            retries_max: 0,
            pipes_max: 0,
        };
        assert_eq!(limits, wanted);
        assert_eq!(resolved(&[]).unwrap(), Limits::default());
    }

    #[test]
    fn every_error_names_the_variable_the_value_and_the_rule() {
        for (key, value, rule) in [
            (Key::HeadBytesMax, "1023", "from 1024"),
            (Key::HeadBytesMax, "65KiB", "65536"),
            (Key::HeadTimeout, "0", "above 0"),
            (Key::HeadTimeout, "25h", "24h"),
            (Key::ConnectTimeout, "soon", "Go duration"),
            (Key::ParkedMax, "0", "from 1"),
            (Key::RetriesMax, "11", "from 0 to 10"),
            (Key::RetriesMax, "-1", "from 0 to 10"),
            (Key::PipesMax, "none", "from 0 to 1024"),
            (Key::PipesMax, "1025", "from 0 to 1024"),
        ] {
            let error = resolved(&[(key, value)]).unwrap_err();
            assert_named(&error, (key, value), rule);
        }
    }
}
