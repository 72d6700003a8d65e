//! What a setting looks like, and the ones about asynchronous calls.

use super::key::Key;

/// What a setting looks like to the operator.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub(super) key: Key,
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

/// In the order of [`Key`], behind the others.
pub(super) const LATER: [Shape; 15] = [
    Shape {
        key: Key::AsyncBodyMax,
        flag: "async-body-max",
        variable: "RINGWAY_ASYNC_BODY_MAX",
        value: "BYTES",
        help: "Largest body of an asynchronous call, such as 256KiB or 16MiB; at most \
               512MiB [default: 16MiB]",
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
];
