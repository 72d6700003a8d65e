//! What the settings of asynchronous calls look like.

use super::key::Key;
use super::shape::Shape;

/// In the order of [`Key`], behind the others.
pub(super) const LATER: [Shape; 33] = [
    Shape {
        key: Key::AsyncBodyMax,
        flag: "async-body-max",
        variable: "RINGWAY_ASYNC_BODY_MAX",
        value: "BYTES",
        help: "Largest body of an asynchronous call, such as 256KiB or 16MiB; at most \
               512MiB; with NATS a call must fit into one message [default: 16MiB, 1MiB \
               with NATS]",
    },
    Shape {
        key: Key::AsyncConcurrency,
        flag: "async-concurrency",
        variable: "RINGWAY_ASYNC_CONCURRENCY",
        value: "COUNT",
        help: "Asynchronous calls run at once [default: 50]",
    },
    Shape {
        key: Key::AsyncFunctionConcurrency,
        flag: "async-function-concurrency",
        variable: "RINGWAY_ASYNC_FUNCTION_CONCURRENCY",
        value: "COUNT",
        help: "Asynchronous calls of one function run at once, unless its annotation \
               com.ringway.async-concurrency says another number [default: that of \
               async_concurrency]",
    },
    Shape {
        key: Key::AsyncTimeout,
        flag: "async-timeout",
        variable: "RINGWAY_ASYNC_TIMEOUT",
        value: "DURATION",
        help: "Longest time of one attempt at an asynchronous call, its reply included; \
               upstream_timeout bounds its wait for the reply's head besides [default: \
               1h]",
    },
    Shape {
        key: Key::AsyncAcceptUnknown,
        flag: "async-accept-unknown",
        variable: "RINGWAY_ASYNC_ACCEPT_UNKNOWN",
        value: "BOOL",
        help: "Answers 202 to asynchronous calls of functions that do not exist, as \
               OpenFaaS does, instead of 404 [default: false]",
    },
    Shape {
        key: Key::AsyncKeep,
        flag: "async-keep",
        variable: "RINGWAY_ASYNC_KEEP",
        value: "DURATION",
        help: "How long the state and the stored result of an asynchronous call can be \
               asked for after its end; at most 100,000 calls are remembered, dead \
               letters until they are purged [default: 1h]",
    },
    Shape {
        key: Key::AsyncReplyMax,
        flag: "async-reply-max",
        variable: "RINGWAY_ASYNC_REPLY_MAX",
        value: "BYTES",
        help: "Bytes kept of a reply that is stored or delivered to a callback; the rest \
               is cut off, and the reply marked [default: 16MiB]",
    },
    Shape {
        key: Key::AsyncYield,
        flag: "async-yield",
        variable: "RINGWAY_ASYNC_YIELD",
        value: "DURATION",
        help: "Begins asynchronous calls more slowly while threads of this machine wake up \
               later than this, so that callers who wait are not late too: at least 100 \
               per second; 0 is never [default: 2ms]",
    },
    Shape {
        key: Key::RetryAttempts,
        flag: "retry-attempts",
        variable: "RINGWAY_RETRY_ATTEMPTS",
        value: "COUNT",
        help: "Attempts at an asynchronous call in all, unless the function's annotation \
               com.openfaas.retry.attempts says another number [default: 10]",
    },
    Shape {
        key: Key::RetryCodes,
        flag: "retry-codes",
        variable: "RINGWAY_RETRY_CODES",
        value: "STATUS,…",
        help: "Statuses of functions that are tried again; com.openfaas.retry.codes of a \
               function [default: 408,429,500,502,503,504]",
    },
    Shape {
        key: Key::RetryMinWait,
        flag: "retry-min-wait",
        variable: "RINGWAY_RETRY_MIN_WAIT",
        value: "DURATION",
        help: "Wait before the second attempt, doubled for each one after; \
               com.openfaas.retry.min_wait of a function [default: 10s]",
    },
    Shape {
        key: Key::RetryMaxWait,
        flag: "retry-max-wait",
        variable: "RINGWAY_RETRY_MAX_WAIT",
        value: "DURATION",
        help: "Longest wait between attempts; com.openfaas.retry.max_wait of a function \
               [default: 2m]",
    },
    Shape {
        key: Key::CallbackAllow,
        flag: "callback-allow",
        variable: "RINGWAY_CALLBACK_ALLOW",
        value: "HOST|CIDR,…",
        help: "Hosts and address blocks that replies may always be delivered to, such as \
               127.0.0.0/8; without it loopback, link-local, multicast and metadata \
               addresses are refused [default: none]",
    },
    Shape {
        key: Key::CallbackOnlyAllowed,
        flag: "callback-only-allowed",
        variable: "RINGWAY_CALLBACK_ONLY_ALLOWED",
        value: "BOOL",
        help: "Refuses every receiver that callback_allow does not name [default: false]",
    },
    Shape {
        key: Key::CallbackPrivate,
        flag: "callback-private",
        variable: "RINGWAY_CALLBACK_PRIVATE",
        value: "BOOL",
        help: "Allows receivers at addresses of private networks, as in a cluster \
               [default: true]",
    },
    Shape {
        key: Key::CallbackPatience,
        flag: "callback-patience",
        variable: "RINGWAY_CALLBACK_PATIENCE",
        value: "DURATION",
        help: "How long a reply that its receiver does not take is tried to be delivered \
               [default: 24h]",
    },
    Shape {
        key: Key::AsyncWorker,
        flag: "async-worker",
        variable: "RINGWAY_ASYNC_WORKER",
        value: "BOOL",
        help: "Whether the gateway runs asynchronous calls and delivers their replies \
               itself; false leaves them to `ringway queue-worker`, with NATS only \
               [default: true]",
    },
    Shape {
        key: Key::NatsAddress,
        flag: "faas-nats-address",
        variable: "faas_nats_address",
        value: "HOST,…",
        help: "Servers of NATS with JetStream (2.11 or newer), each with or without a \
               port: asynchronous calls are queued there, for any number of gateways and \
               queue workers [default: none; they are queued in RINGWAY_DATA]",
    },
    Shape {
        key: Key::NatsPort,
        flag: "faas-nats-port",
        variable: "faas_nats_port",
        value: "PORT",
        help: "Port of servers named without one [default: 4222]",
    },
    Shape {
        key: Key::NatsChannel,
        flag: "faas-nats-channel",
        variable: "faas_nats_channel",
        value: "NAME",
        help: "Subject that calls are published under, and part of the names of the \
               streams: gateways and workers of the same name share a queue [default: \
               faas-request]",
    },
    Shape {
        key: Key::NatsUser,
        flag: "nats-user",
        variable: "RINGWAY_NATS_USER",
        value: "NAME",
        help: "User at NATS; the password is in nats_password_file [default: none]",
    },
    Shape {
        key: Key::NatsPasswordFile,
        flag: "nats-password-file",
        variable: "RINGWAY_NATS_PASSWORD_FILE",
        value: "FILE",
        help: "File with the user's password [default: none]",
    },
    Shape {
        key: Key::NatsTokenFile,
        flag: "nats-token-file",
        variable: "RINGWAY_NATS_TOKEN_FILE",
        value: "FILE",
        help: "File with a token for NATS [default: none]",
    },
    Shape {
        key: Key::NatsCredsFile,
        flag: "nats-creds-file",
        variable: "RINGWAY_NATS_CREDS_FILE",
        value: "FILE",
        help: "File with a JWT and its seed, as nsc writes it [default: none]",
    },
    Shape {
        key: Key::NatsNkeyFile,
        flag: "nats-nkey-file",
        variable: "RINGWAY_NATS_NKEY_FILE",
        value: "FILE",
        help: "File with the seed of an nkey [default: none]",
    },
    Shape {
        key: Key::NatsTls,
        flag: "nats-tls",
        variable: "RINGWAY_NATS_TLS",
        value: "BOOL",
        help: "Refuses to speak to NATS without TLS; a server that requires it gets it \
               anyway [default: false, true with one of the files of TLS]",
    },
    Shape {
        key: Key::NatsCaFile,
        flag: "nats-ca-file",
        variable: "RINGWAY_NATS_CA_FILE",
        value: "FILE",
        help: "Certificate authorities of NATS, PEM [default: those of the system]",
    },
    Shape {
        key: Key::NatsCertFile,
        flag: "nats-cert-file",
        variable: "RINGWAY_NATS_CERT_FILE",
        value: "FILE",
        help: "Certificate shown to NATS, PEM [default: none]",
    },
    Shape {
        key: Key::NatsKeyFile,
        flag: "nats-key-file",
        variable: "RINGWAY_NATS_KEY_FILE",
        value: "FILE",
        help: "Key of that certificate, PEM [default: none]",
    },
    Shape {
        key: Key::NatsReplicas,
        flag: "nats-replicas",
        variable: "RINGWAY_NATS_REPLICAS",
        value: "COUNT",
        help: "Servers of a NATS cluster that keep each stream, 1 to 5; counts when the \
               streams are made [default: 1]",
    },
    Shape {
        key: Key::NatsAckWait,
        flag: "nats-ack-wait",
        variable: "RINGWAY_NATS_ACK_WAIT",
        value: "DURATION",
        help: "How long a worker may be silent before its calls and deliveries are given to \
               others, the same in all processes of a channel; at least 1s [default: 30s]",
    },
    Shape {
        key: Key::GatewayAddress,
        flag: "faas-gateway-address",
        variable: "faas_gateway_address",
        value: "HOST",
        help: "Gateway that a queue worker calls; unused by the gateway [default: \
               127.0.0.1]",
    },
    Shape {
        key: Key::GatewayPort,
        flag: "faas-gateway-port",
        variable: "faas_gateway_port",
        value: "PORT",
        help: "Its port [default: 8080]",
    },
];
