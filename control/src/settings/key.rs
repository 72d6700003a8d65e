//! Every setting, once: its flag, its variable, its default and its help line.

use std::fmt;

use super::bounds::BOUNDS;
use super::edge::EDGE;
use super::queues::LATER;
use super::shape::Shape;

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
    /// What a client's half-close means.
    HalfClose,
    /// Most client connections.
    ConnectionsMax,
    /// Idle time of client connections.
    IdleTimeout,
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
    /// Where the provider is.
    FunctionsProviderUrl,
    /// Where logs come from.
    LogsProviderUrl,
    /// Whether functions are called without the provider in between.
    DirectFunctions,
    /// Domain of functions called directly.
    DirectFunctionsSuffix,
    /// Port of functions called directly.
    DirectPort,
    /// Name servers.
    Dns,
    /// Host of Prometheus.
    PrometheusHost,
    /// Port of Prometheus.
    PrometheusPort,
    /// Most replicas by API and alerts.
    ReplicasMax,
    /// Whether every request is logged.
    WriteRequestUri,
    /// Idle upstream connections in all.
    MaxIdleConns,
    /// Idle upstream connections per endpoint.
    MaxIdleConnsPerHost,
    /// Origins that may call functions from a browser.
    CorsOrigins,
    /// Whether those may send credentials.
    CorsCredentials,
    /// How long a preflight is remembered.
    CorsMaxAge,
    /// Most connections of one client.
    ConnectionsPerClientMax,
    /// What buffers may use.
    Memory,
    /// Time between SIGTERM and the end of accepting.
    ShutdownGrace,
    /// Whether to take the place of a running gateway.
    Takeover,
    /// Longest head.
    HeadBytesMax,
    /// Time of a head.
    HeadTimeout,
    /// Time of a dial.
    ConnectTimeout,
    /// Callers of a shard that wait.
    ParkedMax,
    /// How often a request is sent again.
    RetriesMax,
    /// Pipes for large bodies.
    PipesMax,
    /// Largest body of a queued call.
    AsyncBodyMax,
    /// Queued calls run at once.
    AsyncConcurrency,
    /// Queued calls of one function run at once.
    AsyncFunctionConcurrency,
    /// Longest attempt at a queued call.
    AsyncTimeout,
    /// Whether calls of unknown functions are queued.
    AsyncAcceptUnknown,
    /// How long ended calls are remembered.
    AsyncKeep,
    /// Bytes of a reply kept.
    AsyncReplyMax,
    /// When queued calls yield to others.
    AsyncYield,
    /// Attempts at a queued call.
    RetryAttempts,
    /// Statuses tried again.
    RetryCodes,
    /// Wait before the second attempt.
    RetryMinWait,
    /// Longest wait between attempts.
    RetryMaxWait,
    /// Receivers that are always allowed.
    CallbackAllow,
    /// Whether other receivers are refused.
    CallbackOnlyAllowed,
    /// Whether receivers may be in private networks.
    CallbackPrivate,
    /// How long delivery is tried.
    CallbackPatience,
    /// Whether the gateway runs queued calls itself.
    AsyncWorker,
    /// Servers of NATS.
    NatsAddress,
    /// Their port.
    NatsPort,
    /// Prefix of what is kept there.
    NatsChannel,
    /// User.
    NatsUser,
    /// File with the user's password.
    NatsPasswordFile,
    /// File with a token.
    NatsTokenFile,
    /// File with a JWT and its seed.
    NatsCredsFile,
    /// File with the seed of an nkey.
    NatsNkeyFile,
    /// Whether TLS is required.
    NatsTls,
    /// File with certificate authorities.
    NatsCaFile,
    /// File with the client's certificate.
    NatsCertFile,
    /// File with the client's key.
    NatsKeyFile,
    /// Copies kept by a cluster.
    NatsReplicas,
    /// When a silent worker's calls go to others.
    NatsAckWait,
    /// Host of the gateway, for queue workers.
    GatewayAddress,
    /// Its port.
    GatewayPort,
}

impl Key {
    /// Every setting, in the order of the help text.
    pub const ALL: [Self; COUNT] = {
        let mut all = [Self::Listen; COUNT];
        let mut index = 0;
        while index < COUNT {
            all[index] = at(index).key;
            index += 1;
        }
        all
    };

    /// How the setting looks.
    #[must_use]
    pub const fn shape(self) -> Shape {
        at(self as usize)
    }

    /// Whether the flag may stand without a value, which then is `true`.
    #[must_use]
    pub const fn is_switch(self) -> bool {
        matches!(self.shape().value.as_bytes(), b"BOOL" | b"")
    }

    /// Whether a bad value of the variable is replaced by the default, and the log says so:
    /// OpenFaaS does it without a word, and its installations must start.
    #[must_use]
    pub const fn is_forgiven(self) -> bool {
        matches!(
            self,
            Self::UpstreamTimeout | Self::ReadTimeout | Self::WriteTimeout
        )
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shape().variable)
    }
}

/// In the order of [`Key`], up to the ones about asynchronous calls.
const SHAPES: [Shape; 32] = [
    Shape {
        key: Key::Listen,
        flag: "listen",
        variable: "RINGWAY_LISTEN",
        value: "ADDRESS:PORT",
        help: "Public address. Without basic_auth the built-in provider allows only loopback, \
               unless insecure is true [default: [::]:8080 (0.0.0.0:8080 where there is no IPv6), \
               127.0.0.1:8080 without basic_auth]",
    },
    Shape {
        key: Key::MetricsListen,
        flag: "metrics-listen",
        variable: "RINGWAY_METRICS_LISTEN",
        value: "ADDRESS:PORT",
        help: "Address of /metrics, same rule [default: the host of listen, port 8082]",
    },
    Shape {
        key: Key::Data,
        flag: "data",
        variable: "RINGWAY_DATA",
        value: "FOLDER",
        help: "State and logs of the built-in provider, and the queue of asynchronous calls \
               [default: $XDG_DATA_HOME/ringway or ~/.local/share/ringway]",
    },
    Shape {
        key: Key::Shards,
        flag: "shards",
        variable: "RINGWAY_SHARDS",
        value: "COUNT",
        help: "Data plane threads [default: the cores this process may use]",
    },
    Shape {
        key: Key::Driver,
        flag: "driver",
        variable: "RINGWAY_DRIVER",
        value: "NAME",
        help: "auto, io_uring or epoll [default: auto]",
    },
    Shape {
        key: Key::Log,
        flag: "log",
        variable: "RINGWAY_LOG",
        value: "FILTER",
        help: "Log filter: error, warn, info, debug, trace, or per module [default: info]",
    },
    Shape {
        key: Key::AccessLog,
        flag: "access-log",
        variable: "RINGWAY_ACCESS_LOG",
        value: "WHICH",
        help: "off, errors or all [default: off]",
    },
    Shape {
        key: Key::HalfClose,
        flag: "half-close",
        variable: "RINGWAY_HALF_CLOSE",
        value: "WHAT",
        help: "A client that ends its sending side while its call runs: wait (it may still want \
               the answer) or abort (the call ends); one that waits for a first replica has \
               left in any case [default: wait]",
    },
    Shape {
        key: Key::ConnectionsMax,
        flag: "connections-max",
        variable: "RINGWAY_CONNECTIONS_MAX",
        value: "COUNT",
        help: "Client connections at once, shared out to the shards; more wait in the kernel's \
               backlog [default, and the most: the descriptor limit less 4096, at least half \
               of it]",
    },
    Shape {
        key: Key::IdleTimeout,
        flag: "idle-timeout",
        variable: "RINGWAY_IDLE_TIMEOUT",
        value: "DURATION",
        help: "Closes client connections idle between requests [default: 60s]",
    },
    Shape {
        key: Key::StreamIdle,
        flag: "stream-idle",
        variable: "RINGWAY_STREAM_IDLE",
        value: "DURATION",
        help: "Cuts a reply that is silent this long once it has begun [default: never]",
    },
    Shape {
        key: Key::TrustedProxies,
        flag: "trusted-proxies",
        variable: "RINGWAY_TRUSTED_PROXIES",
        value: "CIDR,…",
        help: "Peers whose X-Forwarded-* headers are believed [default: none]",
    },
    Shape {
        key: Key::Insecure,
        flag: "insecure",
        variable: "RINGWAY_INSECURE",
        value: "BOOL",
        help: "Allows addresses other than loopback without basic_auth [default: false]",
    },
    Shape {
        key: Key::UpstreamTimeout,
        flag: "upstream-timeout",
        variable: "upstream_timeout",
        value: "DURATION",
        help: "Time a function has to begin its reply [default: 60s]",
    },
    Shape {
        key: Key::ReadTimeout,
        flag: "read-timeout",
        variable: "read_timeout",
        value: "DURATION",
        help: "Longest stall of a request body; 0 is unlimited [default: 60s]",
    },
    Shape {
        key: Key::WriteTimeout,
        flag: "write-timeout",
        variable: "write_timeout",
        value: "DURATION",
        help: "Longest time in which a client or a function takes no byte of what it is sent, \
               and time to finish at shutdown; 0 is unlimited [default: 60s]",
    },
    Shape {
        key: Key::FunctionNamespace,
        flag: "function-namespace",
        variable: "function_namespace",
        value: "NAME",
        help: "Default namespace [default: openfaas-fn]",
    },
    Shape {
        key: Key::ScaleFromZero,
        flag: "scale-from-zero",
        variable: "scale_from_zero",
        value: "BOOL",
        help: "A call to a function without replicas starts one [default: true]",
    },
    Shape {
        key: Key::BasicAuth,
        flag: "basic-auth",
        variable: "basic_auth",
        value: "BOOL",
        help: "Asks for credentials on everything but functions and health [default: false]",
    },
    Shape {
        key: Key::SecretMountPath,
        flag: "secret-mount-path",
        variable: "secret_mount_path",
        value: "FOLDER",
        help: "Holds basic-auth-user and basic-auth-password [default: /run/secrets/]",
    },
    Shape {
        key: Key::FunctionsProviderUrl,
        flag: "functions-provider-url",
        variable: "functions_provider_url",
        value: "URL",
        help: "The OpenFaaS provider that runs the functions (faas-netes, faasd), such \
               as http://faas-netes.openfaas:8080/; with or without a slash at its end, \
               with or without a path [default: none; the built-in provider runs them \
               as processes on this machine]",
    },
    Shape {
        key: Key::LogsProviderUrl,
        flag: "logs-provider-url",
        variable: "logs_provider_url",
        value: "URL",
        help: "Server of /system/logs, when it is not the provider [default: \
               functions_provider_url]",
    },
    Shape {
        key: Key::DirectFunctions,
        flag: "direct-functions",
        variable: "direct_functions",
        value: "BOOL",
        help: "Calls functions at <name>.<namespace>.<direct_functions_suffix> without \
               the provider in between [default: false]",
    },
    Shape {
        key: Key::DirectFunctionsSuffix,
        flag: "direct-functions-suffix",
        variable: "direct_functions_suffix",
        value: "DOMAIN",
        help: "Domain of functions called directly, such as svc.cluster.local [default: \
               none]",
    },
    Shape {
        key: Key::DirectPort,
        flag: "direct-port",
        variable: "RINGWAY_DIRECT_PORT",
        value: "PORT",
        help: "Port of functions called directly [default: 8080]",
    },
    Shape {
        key: Key::Dns,
        flag: "dns",
        variable: "RINGWAY_DNS",
        value: "ADDRESS:PORT,…",
        help: "Name servers to ask for the provider and for functions called directly \
               [default: those of the system]",
    },
    Shape {
        key: Key::PrometheusHost,
        flag: "faas-prometheus-host",
        variable: "faas_prometheus_host",
        value: "HOST",
        help: "Prometheus that knows the invocation counts of all gateways, for the \
               list of functions [default: none; the counts of this gateway]",
    },
    Shape {
        key: Key::PrometheusPort,
        flag: "faas-prometheus-port",
        variable: "faas_prometheus_port",
        value: "PORT",
        help: "Its port [default: 9090]",
    },
    Shape {
        key: Key::ReplicasMax,
        flag: "replicas-max",
        variable: "RINGWAY_REPLICAS_MAX",
        value: "COUNT",
        help: "Most replicas a call of /system/scale-function or an alert gives to a \
               function; more are cut to it [default: no maximum]",
    },
    Shape {
        key: Key::WriteRequestUri,
        flag: "write-request-uri",
        variable: "write_request_uri",
        value: "",
        help: "The same as access_log=all; as a variable any value turns it on, even an \
               empty one, as in OpenFaaS",
    },
    Shape {
        key: Key::MaxIdleConns,
        flag: "max-idle-conns",
        variable: "max_idle_conns",
        value: "COUNT",
        help: "Idle connections to functions kept in all [default: 4096]",
    },
    Shape {
        key: Key::MaxIdleConnsPerHost,
        flag: "max-idle-conns-per-host",
        variable: "max_idle_conns_per_host",
        value: "COUNT",
        help: "Idle connections kept to one provider or replica [default: 1024]",
    },
];

/// The shape of the setting with this number.
const fn at(index: usize) -> Shape {
    const EDGE_END: usize = SHAPES.len() + EDGE.len();
    const BOUNDS_END: usize = EDGE_END + BOUNDS.len();
    match index {
        _ if index < SHAPES.len() => SHAPES[index],
        _ if index < EDGE_END => EDGE[index - SHAPES.len()],
        _ if index < BOUNDS_END => BOUNDS[index - EDGE_END],
        _ => LATER[index - BOUNDS_END],
    }
}

const COUNT: usize = SHAPES.len() + EDGE.len() + BOUNDS.len() + LATER.len();

/// The tables are in the enumeration's order, so that its values are their indices.
const _: () = {
    let mut index = 0;
    while index < COUNT {
        assert!(at(index).key as usize == index);
        index += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_the_variables_in_kebab_case() {
        for key in Key::ALL {
            let shape = key.shape();
            let bare = shape
                .variable
                .strip_prefix("RINGWAY_")
                .unwrap_or(shape.variable);
            assert_eq!(shape.flag, bare.to_lowercase().replace('_', "-"));
        }
    }
}
