//! What a queue worker is told: the settings of asynchronous calls, and where the gateway is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::asynchronous::AsyncSettings;
use super::error::SettingError;
use super::key::Key;
use super::listen::{self, Guard};
use super::reader::{Reader, bound, count, list};
use super::resolve::{SERVERS, log, namespace, server};
use super::shape::Given;
use super::url::ProviderUrl;
use crate::name::Namespace;
use crate::queue::NatsOptions;

/// Everything a queue worker is told at start.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// Log filter, known to parse.
    pub log: String,
    /// Address of metrics and health; `None`: there are none.
    pub metrics_listen: Option<SocketAddr>,
    /// Name servers; empty: those of the system.
    pub dns: Vec<SocketAddr>,
    /// Namespace of functions that old messages name without one.
    pub namespace: Namespace,
    /// How calls are run.
    pub asynchronous: AsyncSettings,
    /// Where they are queued.
    pub nats: NatsOptions,
    /// The gateway, `host:port`.
    pub gateway: String,
    /// How long calls may finish at the end; `None` is unlimited.
    pub drain_bound: Option<Duration>,
    /// What was forgiven, for the log.
    pub warnings: Vec<String>,
}

impl WorkerSettings {
    /// Whether a queue worker has this setting.
    #[must_use]
    pub const fn takes(key: Key) -> bool {
        matches!(
            key,
            Key::Log
                | Key::MetricsListen
                | Key::WriteTimeout
                | Key::FunctionNamespace
                | Key::Dns
                | Key::AsyncConcurrency
                | Key::AsyncFunctionConcurrency
                | Key::AsyncTimeout
                | Key::AsyncKeep
                | Key::AsyncReplyMax
                | Key::AsyncYield
        ) || (key as usize >= Key::RetryAttempts as usize && !matches!(key, Key::AsyncWorker))
    }

    /// Gives every setting its meaning.
    ///
    /// # Errors
    /// The first setting that breaks its rule.
    pub fn resolve(given: impl Fn(Key) -> Option<Given>) -> Result<Self, SettingError> {
        let read = Reader::new(|key| given(key).filter(|_| Self::takes(key)));
        let asynchronous = AsyncSettings::resolve(&read)?;
        let nats = asynchronous.nats.clone();
        let nats = nats.ok_or_else(|| SettingError::Missing {
            name: Key::NatsAddress.shape().variable,
            rule: "a queue worker runs what gateways queue in NATS; the queue of a gateway \
                   without NATS is its own",
        })?;
        let port = read.or(Key::GatewayPort, 8080, count(u16::MAX))?;
        let at = |host: &str| {
            ProviderUrl::at(host, port)
                .filter(|url| url.base_path().is_empty())
                .map(|url| format!("{}:{}", url.host(), url.port()))
                .ok_or_else(|| "must be a host's name or address".to_owned())
        };
        let default = format!("{}:{port}", Ipv4Addr::LOCALHOST);
        let metrics = read.get(Key::MetricsListen);
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let metrics = metrics.map(|g| listen::address(Some(&g), Guard::Open, any, 8082));
        Ok(Self {
            log: read.or(Key::Log, "info".to_owned(), log)?,
            metrics_listen: metrics.transpose()?,
            dns: read.or(Key::Dns, Vec::new(), list(SERVERS, server))?,
            namespace: namespace(&read)?,
            gateway: read.or(Key::GatewayAddress, default, at)?,
            drain_bound: read.or(Key::WriteTimeout, Some(DRAIN), bound)?,
            asynchronous,
            nats,
            warnings: read.into_warnings(),
        })
    }
}

const DRAIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::super::reader::{self, assert_named};
    use super::*;

    fn resolve(given: &[(Key, &str)]) -> Result<WorkerSettings, String> {
        WorkerSettings::resolve(reader::given(given)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_worker_needs_a_queue_that_is_shared() {
        let error = resolve(&[]).unwrap_err();
        assert!(error.contains("faas_nats_address"), "{error}");
        let nats = (Key::NatsAddress, "nats");
        let settings = resolve(&[nats]).unwrap();
        assert_eq!(settings.gateway, "127.0.0.1:8080");
        assert_eq!(settings.metrics_listen, None);
        let there = [
            nats,
            (Key::GatewayAddress, "gw.faas"),
            (Key::GatewayPort, "81"),
        ];
        assert_eq!(resolve(&there).unwrap().gateway, "gw.faas:81");
    }

    #[test]
    fn settings_of_gateways_are_none_of_its_own() {
        for key in [
            Key::Listen,
            Key::Shards,
            Key::AsyncAcceptUnknown,
            Key::AsyncWorker,
        ] {
            assert!(!WorkerSettings::takes(key), "{key}");
            // Not even looked at.
            assert!(resolve(&[(Key::NatsAddress, "a"), (key, "\u{0}")]).is_ok());
        }
        for key in [Key::NatsAckWait, Key::CallbackAllow, Key::RetryCodes] {
            assert!(WorkerSettings::takes(key), "{key}");
        }
    }

    #[test]
    fn every_error_names_the_variable_the_value_and_the_rule() {
        for (key, value, rule) in [
            (Key::GatewayAddress, "http://a", "host"),
            (Key::GatewayAddress, "a/b", "host"),
            (Key::GatewayPort, "0", "from 1"),
            (Key::Log, "blah", "level"),
        ] {
            let error = resolve(&[(Key::NatsAddress, "a"), (key, value)]).unwrap_err();
            assert_named(&error, (key, value), rule);
        }
    }
}
