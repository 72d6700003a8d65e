//! The settings about pages of other origins, limits of the whole gateway, its end and its
//! successor.

use std::time::Duration;

use super::error::SettingError;
use super::key::Key;
use super::reader::{Reader, bytes, count, span, switch};
use super::shape::{Given, Shape};

/// What the whole gateway may use, and how it ends and is followed.
#[derive(Clone, Copy, Debug)]
pub struct EdgeSettings {
    /// Most connections of one client address.
    pub connections_per_client_max: Option<usize>,
    /// Bytes of buffers in all, at least [`MEMORY_MIN`].
    pub memory: u64,
    /// Time between SIGTERM and the end of accepting.
    pub shutdown_grace: Duration,
    /// Whether to take the place of a running gateway.
    pub takeover: bool,
}

impl EdgeSettings {
    /// Reads them; `memory` is what the machine has.
    pub(super) fn resolve<F: Fn(Key) -> Option<Given>>(
        read: &Reader<F>,
        memory: u64,
    ) -> Result<Self, SettingError> {
        let quarter = (memory / 4).max(MEMORY_MIN);
        Ok(Self {
            connections_per_client_max: read
                .maybe(Key::ConnectionsPerClientMax, count(1_000_000))?,
            memory: read.or(Key::Memory, quarter, bytes(MEMORY_MIN, u64::MAX >> 1))?,
            shutdown_grace: read.or(Key::ShutdownGrace, Duration::ZERO, span)?,
            takeover: read.or(Key::Takeover, false, switch)?,
        })
    }
}

/// In the order of [`Key`].
pub(super) const EDGE: [Shape; 7] = [
    Shape {
        key: Key::CorsOrigins,
        flag: "cors-origins",
        variable: "RINGWAY_CORS_ORIGINS",
        value: "ORIGIN,…",
        help: "Origins whose pages may call functions from a browser, such as \
               https://app.example.com, or * for all: preflights are answered by the \
               gateway, replies carry Access-Control-Allow-Origin unless the function \
               sets it [default: none; CORS is the functions' own affair]",
    },
    Shape {
        key: Key::CorsCredentials,
        flag: "cors-credentials",
        variable: "RINGWAY_CORS_CREDENTIALS",
        value: "BOOL",
        help: "Allows those pages to send cookies and credentials; not with * [default: \
               false]",
    },
    Shape {
        key: Key::CorsMaxAge,
        flag: "cors-max-age",
        variable: "RINGWAY_CORS_MAX_AGE",
        value: "DURATION",
        help: "How long a browser may remember the answer to a preflight [default: 10m]",
    },
    Shape {
        key: Key::ConnectionsPerClientMax,
        flag: "connections-per-client-max",
        variable: "RINGWAY_CONNECTIONS_PER_CLIENT_MAX",
        value: "COUNT",
        help: "Connections of one client address at once (of one /64 with IPv6); more are \
               closed at once. Peers in trusted_proxies are not counted [default: no limit]",
    },
    Shape {
        key: Key::Memory,
        flag: "memory",
        variable: "RINGWAY_MEMORY",
        value: "BYTES",
        help: "What buffers may use in all, such as 512MiB: from four fifths on bodies get small \
               buffers, and new calls of functions that have their share of all calls are \
               answered with 503, above it all new calls; at least 8MiB [default: a quarter of \
               the machine or of the cgroup's limit]",
    },
    Shape {
        key: Key::ShutdownGrace,
        flag: "shutdown-grace",
        variable: "RINGWAY_SHUTDOWN_GRACE",
        value: "DURATION",
        help: "After SIGTERM /healthz and /readyz answer 503 for this long before the gateway \
               stops accepting: time for load balancers to look elsewhere [default: 0s]",
    },
    Shape {
        key: Key::Takeover,
        flag: "takeover",
        variable: "RINGWAY_TAKEOVER",
        value: "BOOL",
        help: "Takes the place of the gateway that uses the same data folder: its listeners, \
               its lock and its functions; the old one finishes its calls and ends. Without \
               one there, starts as usual [default: false]",
    },
];

/// Below this two bodies at once would already be short of memory.
const MEMORY_MIN: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::super::reader::{self, assert_named};
    use super::*;

    const MACHINE: u64 = 8 << 30;

    fn resolve(given: &[(Key, &str)]) -> Result<EdgeSettings, String> {
        EdgeSettings::resolve(&Reader::new(reader::given(given)), MACHINE)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn nothing_given_limits_memory_alone() {
        let edge = resolve(&[]).unwrap();
        assert_eq!(edge.memory, MACHINE / 4);
        assert_eq!(edge.connections_per_client_max, None);
        assert_eq!(edge.shutdown_grace, Duration::ZERO);
        assert!(!edge.takeover);
    }

    #[test]
    fn every_error_names_the_variable_the_value_and_the_rule() {
        for (key, value, rule) in [
            (Key::ConnectionsPerClientMax, "0", "from 1"),
            (Key::Memory, "7MiB", "from 8388608"),
            (Key::Memory, "lots", "bytes"),
            (Key::ShutdownGrace, "-1s", "Go duration"),
            (Key::Takeover, "yes", "true or false"),
        ] {
            let error = resolve(&[(key, value)]).unwrap_err();
            assert_named(&error, (key, value), rule);
        }
        assert_eq!(resolve(&[(Key::Memory, "8MiB")]).unwrap().memory, 8 << 20);
        let grace = resolve(&[(Key::ShutdownGrace, "15")])
            .unwrap()
            .shutdown_grace;
        assert_eq!(grace, Duration::from_secs(15));
    }
}
