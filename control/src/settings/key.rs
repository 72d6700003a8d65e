//! Every setting, once: its flag, its variable, its default and its help line.

use std::fmt;

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Public address.
    Listen,
    /// Address of the metrics listener.
    MetricsListen,
    /// Folder with the gateway's state.
    Data,
    /// Number of shards.
    Shards,
    /// I/O driver.
    Driver,
    /// Log filter.
    Log,
    /// Access log.
    AccessLog,
    /// Idle time of client connections.
    IdleTimeout,
    /// Most client connections.
    ConnectionsMax,
    /// Longest silence of a reply that has begun.
    StreamIdle,
    /// Believed proxies.
    TrustedProxies,
    /// Any address without authentication.
    Insecure,
    /// Time until the head of a function's reply.
    UpstreamTimeout,
    /// Stall bound of request bodies.
    ReadTimeout,
    /// Stall bound of writes.
    WriteTimeout,
    /// Default namespace.
    FunctionNamespace,
    /// Whether calls wake a function that has no replicas.
    ScaleFromZero,
    /// Whether `/system` asks for credentials.
    BasicAuth,
    /// Folder of the credential files.
    SecretMountPath,
}

/// What a setting looks like to the operator.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Long flag without its dashes; the variable in kebab case without `RINGWAY_`.
    pub flag: &'static str,
    /// Environment variable.
    pub variable: &'static str,
    /// Name of the value in the help text.
    pub value: &'static str,
    /// What it does, with its default.
    pub help: &'static str,
}

/// One setting's text and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The variable, or `--flag`.
    pub name: String,
    /// The value as typed.
    pub text: String,
}

impl Key {
    /// Every setting, in the order of the help text.
    pub const ALL: [Self; 19] = [
        Self::Listen,
        Self::MetricsListen,
        Self::Data,
        Self::Shards,
        Self::Driver,
        Self::Log,
        Self::AccessLog,
        Self::IdleTimeout,
        Self::ConnectionsMax,
        Self::StreamIdle,
        Self::TrustedProxies,
        Self::Insecure,
        Self::UpstreamTimeout,
        Self::ReadTimeout,
        Self::WriteTimeout,
        Self::FunctionNamespace,
        Self::ScaleFromZero,
        Self::BasicAuth,
        Self::SecretMountPath,
    ];

    /// How the setting looks.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table, one entry per setting")]
    pub const fn shape(self) -> Shape {
        let (flag, variable, value, help) = match self {
            Self::Listen => (
                "listen",
                "RINGWAY_LISTEN",
                "ADDRESS:PORT",
                "Public address. Without basic_auth only loopback is allowed, unless insecure is \
                 true [default: [::]:8080 (0.0.0.0:8080 where there is no IPv6), \
                 127.0.0.1:8080 without basic_auth]",
            ),
            Self::MetricsListen => (
                "metrics-listen",
                "RINGWAY_METRICS_LISTEN",
                "ADDRESS:PORT",
                "Address of /metrics, same rule [default: the host of listen, port 8082]",
            ),
            Self::Data => (
                "data",
                "RINGWAY_DATA",
                "FOLDER",
                "State and logs of the built-in provider \
                 [default: $XDG_DATA_HOME/ringway or ~/.local/share/ringway]",
            ),
            Self::Shards => (
                "shards",
                "RINGWAY_SHARDS",
                "COUNT",
                "Data plane threads [default: the cores this process may use]",
            ),
            Self::Driver => (
                "driver",
                "RINGWAY_DRIVER",
                "NAME",
                "auto, io_uring or epoll [default: auto]",
            ),
            Self::Log => (
                "log",
                "RINGWAY_LOG",
                "FILTER",
                "Log filter: error, warn, info, debug, trace, or per module [default: info]",
            ),
            Self::AccessLog => (
                "access-log",
                "RINGWAY_ACCESS_LOG",
                "WHICH",
                "off, errors or all [default: off]",
            ),
            Self::ConnectionsMax => (
                "connections-max",
                "RINGWAY_CONNECTIONS_MAX",
                "COUNT",
                "Client connections at once; more wait in the kernel's backlog \
                 [default: the descriptor limit less 4096]",
            ),
            Self::IdleTimeout => (
                "idle-timeout",
                "RINGWAY_IDLE_TIMEOUT",
                "DURATION",
                "Closes client connections idle between requests [default: 60s]",
            ),
            Self::StreamIdle => (
                "stream-idle",
                "RINGWAY_STREAM_IDLE",
                "DURATION",
                "Cuts a reply that is silent this long once it has begun [default: never]",
            ),
            Self::TrustedProxies => (
                "trusted-proxies",
                "RINGWAY_TRUSTED_PROXIES",
                "CIDR,…",
                "Peers whose X-Forwarded-* headers are believed [default: none]",
            ),
            Self::Insecure => (
                "insecure",
                "RINGWAY_INSECURE",
                "BOOL",
                "Allows addresses other than loopback without basic_auth [default: false]",
            ),
            Self::UpstreamTimeout => (
                "upstream-timeout",
                "upstream_timeout",
                "DURATION",
                "Time a function has to begin its reply [default: 60s]",
            ),
            Self::ReadTimeout => (
                "read-timeout",
                "read_timeout",
                "DURATION",
                "Longest stall of a request body; 0 is unlimited [default: 60s]",
            ),
            Self::WriteTimeout => (
                "write-timeout",
                "write_timeout",
                "DURATION",
                "Longest stall of a write, and time to finish at shutdown; 0 is unlimited \
                 [default: 60s]",
            ),
            Self::FunctionNamespace => (
                "function-namespace",
                "function_namespace",
                "NAME",
                "Default namespace [default: openfaas-fn]",
            ),
            Self::ScaleFromZero => (
                "scale-from-zero",
                "scale_from_zero",
                "BOOL",
                "A call to a function without replicas starts one [default: true]",
            ),
            Self::BasicAuth => (
                "basic-auth",
                "basic_auth",
                "BOOL",
                "Asks for credentials on everything but functions and health [default: false]",
            ),
            Self::SecretMountPath => (
                "secret-mount-path",
                "secret_mount_path",
                "FOLDER",
                "Holds basic-auth-user and basic-auth-password [default: /run/secrets/]",
            ),
        };
        Shape { flag, variable, value, help }
    }

    /// Whether the flag may stand without a value, which then is `true`.
    #[must_use]
    pub const fn is_switch(self) -> bool {
        matches!(self, Self::Insecure | Self::BasicAuth | Self::ScaleFromZero)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shape().variable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_the_variables_in_kebab_case() {
        for key in Key::ALL {
            let shape = key.shape();
            let bare = shape.variable.strip_prefix("RINGWAY_").unwrap_or(shape.variable);
            assert_eq!(shape.flag, bare.to_lowercase().replace('_', "-"));
        }
    }

    #[test]
    fn no_setting_is_listed_twice() {
        let mut all = Key::ALL.to_vec();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), Key::ALL.len());
    }
}
