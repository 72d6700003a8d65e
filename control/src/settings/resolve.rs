//! What was typed becomes what it means; every error names its variable or flag.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ringway_proxy::limits::{self, Limits};
use ringway_proxy::{AccessLog, Cidr, Cors, DriverChoice, HalfClose, Origins};
use tracing_subscriber::EnvFilter;

use super::asynchronous::AsyncSettings;
use super::bounds;
use super::credentials::Login;
use super::edge::EdgeSettings;
use super::error::SettingError;
use super::key::Key;
use super::listen::{self, Guard};
use super::reader::{Reader, above_zero, bound, count, list, one_of, switch};
use super::shape::Given;
use super::surroundings::Surroundings;
use super::url::ProviderUrl;
use crate::name::{self, Namespace};
use crate::policy::REPLICAS_MAX;

/// Everything the gateway is told at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Public address.
    pub listen: SocketAddr,
    /// Address of the metrics listener.
    pub metrics_listen: SocketAddr,
    /// State and logs; `None` only where a provider elsewhere keeps them and no place is known.
    pub data: Option<PathBuf>,
    /// Whether that folder is removed at the end; never so for `serve`.
    pub data_is_temporary: bool,
    /// Data plane threads, `1 <= shards <= SHARDS_MAX`.
    pub shards: usize,
    /// I/O driver.
    pub driver: DriverChoice,
    /// Log filter, known to parse.
    pub log: String,
    /// Access log.
    pub access_log: AccessLog,
    /// What the end of a client's sending side means.
    pub half_close: HalfClose,
    /// Idle time of client connections, above 0.
    pub idle_timeout: Duration,
    /// Most client connections; `None` goes by the descriptor limit.
    pub connections_max: Option<usize>,
    /// Longest silence of a reply that has begun; `None` never cuts.
    pub stream_idle: Option<Duration>,
    /// Limits of the data plane.
    pub limits: Limits,
    /// Peers whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<Cidr>,
    /// Time until the head of a function's reply, above 0.
    pub upstream_timeout: Duration,
    /// Stall bound of request bodies; `None` is unlimited.
    pub read_timeout: Option<Duration>,
    /// Stall bound of writes; `None` is unlimited.
    pub write_timeout: Option<Duration>,
    /// Default namespace.
    pub namespace: Namespace,
    /// Whether calls wake a function that has no replicas.
    pub scale_from_zero: bool,
    /// What `/system` asks for; `None` asks for nothing.
    pub credentials: Option<Login>,
    /// The provider; `None` is the one built in.
    pub provider_url: Option<ProviderUrl>,
    /// Where logs come from, when not from the provider.
    pub logs_provider_url: Option<ProviderUrl>,
    /// How functions are called without the provider in between; `None` has it in between.
    pub direct: Option<DirectSettings>,
    /// Name servers; empty: those of the system.
    pub dns: Vec<SocketAddr>,
    /// The Prometheus that knows invocation counts.
    pub prometheus: Option<ProviderUrl>,
    /// Most replicas by API and alerts.
    pub replicas_max: Option<u32>,
    /// Most idle upstream connections in all.
    pub idle_max: usize,
    /// Most idle upstream connections per endpoint.
    pub idle_per_endpoint_max: usize,
    /// Pages of other origins that may call functions; `None` leaves that to the functions.
    pub cors: Option<Cors>,
    /// Limits of the whole gateway, its end and its successor.
    pub edge: EdgeSettings,
    /// Asynchronous calls.
    pub asynchronous: AsyncSettings,
    /// What was forgiven, for the log.
    pub warnings: Vec<String>,
    /// Where the process runs.
    pub surroundings: Surroundings,
}

/// Functions by name: `<name>.<namespace>.<suffix>:<port>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectSettings {
    /// May be empty.
    pub suffix: String,
    /// The port of every function.
    pub port: u16,
}

/// Who may call, and from where.
struct Doors {
    credentials: Option<Login>,
    listen: SocketAddr,
    metrics_listen: SocketAddr,
}

impl Settings {
    /// Gives every setting its meaning. Reads the credential files, nothing else.
    ///
    /// # Errors
    /// The first setting that breaks its rule.
    pub fn resolve(
        given: impl Fn(Key) -> Option<Given>,
        surroundings: Surroundings,
    ) -> Result<Self, SettingError> {
        let read = Reader::new(given);
        let provider_url = read.maybe(Key::FunctionsProviderUrl, ProviderUrl::parse)?;
        let doors = doors(&read, provider_url.is_some())?;
        let cores = surroundings.cores.clamp(1, SHARDS_MAX);
        Ok(Self {
            listen: doors.listen,
            metrics_listen: doors.metrics_listen,
            credentials: doors.credentials,
            data: data(&read, provider_url.is_some(), &surroundings)?,
            data_is_temporary: false,
            shards: read.or(Key::Shards, cores, count(SHARDS_MAX))?,
            driver: read.or(Key::Driver, DriverChoice::Auto, one_of(&DRIVERS))?,
            log: read.or(Key::Log, "info".to_owned(), log)?,
            access_log: access_log(&read)?,
            half_close: read.or(Key::HalfClose, HalfClose::Wait, one_of(&HALF_CLOSES))?,
            idle_timeout: read.or(Key::IdleTimeout, MINUTE, above_zero)?,
            connections_max: read.maybe(Key::ConnectionsMax, count(1_000_000))?,
            stream_idle: read.or(Key::StreamIdle, None, bound)?,
            limits: bounds::resolve(&read)?,
            trusted_proxies: read.or(Key::TrustedProxies, Vec::new(), list(BLOCKS, Cidr::parse))?,
            upstream_timeout: read.or(Key::UpstreamTimeout, MINUTE, above_zero)?,
            read_timeout: read.or(Key::ReadTimeout, Some(MINUTE), bound)?,
            write_timeout: read.or(Key::WriteTimeout, Some(MINUTE), bound)?,
            namespace: namespace(&read)?,
            scale_from_zero: read.or(Key::ScaleFromZero, true, switch)?,
            logs_provider_url: apart(&read, Key::LogsProviderUrl, provider_url.is_some())?,
            direct: direct(&read, provider_url.is_some())?,
            dns: read.or(Key::Dns, Vec::new(), list(SERVERS, server))?,
            prometheus: prometheus(&read)?,
            replicas_max: read.maybe(Key::ReplicasMax, count(REPLICAS_MAX))?,
            idle_max: read.or(Key::MaxIdleConns, limits::IDLE_MAX, count(1_000_000))?,
            idle_per_endpoint_max: read.or(
                Key::MaxIdleConnsPerHost,
                limits::IDLE_PER_ENDPOINT_MAX,
                count(1_000_000),
            )?,
            cors: cors(&read)?,
            edge: EdgeSettings::resolve(&read, surroundings.memory)?,
            asynchronous: AsyncSettings::resolve(&read)?,
            provider_url,
            surroundings,
            warnings: read.into_warnings(),
        })
    }
}

fn doors<F: Fn(Key) -> Option<Given>>(
    read: &Reader<F>,
    remote: bool,
) -> Result<Doors, SettingError> {
    let credentials = if read.or(Key::BasicAuth, false, switch)? {
        let folder = read.get(Key::SecretMountPath);
        let folder = folder.map_or_else(|| "/run/secrets/".into(), |g| PathBuf::from(g.text));
        Some(Login::open(&folder)?)
    } else {
        None
    };
    let insecure = read.or(Key::Insecure, false, switch)?;
    let guard = match (&credentials, insecure || remote) {
        (Some(_), _) => Guard::Authenticated,
        (None, true) => Guard::Open,
        (None, false) => Guard::LoopbackOnly,
    };
    let host = guard.default_host();
    let listen = listen::address(read.get(Key::Listen).as_ref(), guard, host, 8080)?;
    let metrics = read.get(Key::MetricsListen);
    let metrics_listen = listen::address(metrics.as_ref(), guard, listen.ip(), 8082)?;
    // Not an error: OpenFaaS's charts start gateways so where authentication is turned off.
    if guard == Guard::Open && !insecure && !listen.ip().to_canonical().is_loopback() {
        read.warn(format!(
            "whoever reaches {listen} may change functions: set {}=true, or {} if that is meant",
            Key::BasicAuth,
            Key::Insecure
        ));
    }
    Ok(Doors {
        credentials,
        listen,
        metrics_listen,
    })
}

fn data<F: Fn(Key) -> Option<Given>>(
    read: &Reader<F>,
    remote: bool,
    around: &Surroundings,
) -> Result<Option<PathBuf>, SettingError> {
    let absolute = |text: &str| {
        let path = PathBuf::from(text);
        let rule = || "must be an absolute path".to_owned();
        path.is_absolute().then_some(path).ok_or_else(rule)
    };
    if let Some(path) = read.maybe(Key::Data, absolute)? {
        return Ok(Some(path));
    }
    let local = || around.home.as_ref().map(|home| home.join(".local/share"));
    let parent = around.xdg_data_home.clone().or_else(local);
    match parent {
        Some(parent) => Ok(Some(parent.join("ringway"))),
        None if remote => Ok(None),
        None => Err(SettingError::Missing {
            name: Key::Data.shape().variable,
            rule: "there is neither XDG_DATA_HOME nor HOME to put it in; give an absolute path",
        }),
    }
}

pub(super) fn log(text: &str) -> Result<String, String> {
    // A bare word that is no level would be taken for a module, and silence all others.
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let mut directives = text.split(',').map(str::trim);
    let known = directives.all(|d| d.contains('=') || levels.contains(&d));
    if known && EnvFilter::try_new(text).is_ok() {
        return Ok(text.to_owned());
    }
    Err("must be a level (off, error, warn, info, debug, trace) or module=level,…".to_owned())
}

fn access_log<F: Fn(Key) -> Option<Given>>(read: &Reader<F>) -> Result<AccessLog, SettingError> {
    // By presence, as OpenFaaS has it; only the flag can take it back.
    let verbose = read
        .present(Key::WriteRequestUri)
        .is_some_and(|g| !(g.name.starts_with("--") && g.text == "false"));
    let default = if verbose {
        AccessLog::All
    } else {
        AccessLog::Off
    };
    read.or(Key::AccessLog, default, one_of(&ACCESS_LOGS))
}

pub(super) fn namespace<F: Fn(Key) -> Option<Given>>(
    read: &Reader<F>,
) -> Result<Namespace, SettingError> {
    let parse = |text: &str| Namespace::parse(text).map_err(|_| name::LABEL_RULE.to_owned());
    let default = parse("openfaas-fn").map_err(|_| SettingError::Missing {
        name: Key::FunctionNamespace.shape().variable,
        rule: name::LABEL_RULE,
    })?;
    read.or(Key::FunctionNamespace, default, parse)
}

/// A server of something that only a provider elsewhere has.
fn apart<F: Fn(Key) -> Option<Given>>(
    read: &Reader<F>,
    key: Key,
    remote: bool,
) -> Result<Option<ProviderUrl>, SettingError> {
    let url = read.maybe(key, ProviderUrl::parse)?;
    if url.is_some() && !remote {
        read.warn(format!(
            "{key} has no effect: functions_provider_url is not set"
        ));
    }
    Ok(url.filter(|_| remote))
}

fn direct<F: Fn(Key) -> Option<Given>>(
    read: &Reader<F>,
    remote: bool,
) -> Result<Option<DirectSettings>, SettingError> {
    let suffix = read.or(Key::DirectFunctionsSuffix, String::new(), domain)?;
    let port = read.or(Key::DirectPort, 8080, count(u16::MAX))?;
    if !read.or(Key::DirectFunctions, false, switch)? {
        return Ok(None);
    }
    if !remote {
        // Charts set it for every provider; the one built in is always direct.
        return Ok(None);
    }
    Ok(Some(DirectSettings { suffix, port }))
}

fn cors<F: Fn(Key) -> Option<Given>>(read: &Reader<F>) -> Result<Option<Cors>, SettingError> {
    let credentials = read.or(Key::CorsCredentials, false, switch)?;
    let age = read.or(Key::CorsMaxAge, CORS_MAX_AGE, above_zero)?;
    read.maybe(Key::CorsOrigins, |text| {
        let origins = match text {
            "*" => Origins::Any,
            listed => Origins::Listed(list(ORIGINS, |origin| Ok(origin.to_owned()))(listed)?),
        };
        Cors::new(origins, credentials, age)
    })
}

fn domain(text: &str) -> Result<String, String> {
    let rule = "must be a domain such as svc.cluster.local";
    let bare = text.trim_matches('.');
    let label = |label: &str| !label.is_empty() && label.len() <= 63;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if bare.bytes().all(plain) && bare.split('.').all(label) && bare.len() <= 200 {
        return Ok(bare.to_owned());
    }
    Err(rule.to_owned())
}

fn prometheus<F: Fn(Key) -> Option<Given>>(
    read: &Reader<F>,
) -> Result<Option<ProviderUrl>, SettingError> {
    let port = read.or(Key::PrometheusPort, 9090, count(u16::MAX))?;
    read.maybe(Key::PrometheusHost, |host| {
        ProviderUrl::at(host, port)
            .filter(|url| url.base_path().is_empty())
            .ok_or_else(|| "must be a host's name or address".to_owned())
    })
}

pub(super) fn server(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .or_else(|_| text.parse().map(|ip| SocketAddr::new(ip, 53)))
        .map_err(|_| format!("{text:?} is not an address"))
}

const MINUTE: Duration = Duration::from_secs(60);

/// More shards than any machine has cores; guards against a typing mistake.
const SHARDS_MAX: usize = 1_024;

const CORS_MAX_AGE: Duration = Duration::from_secs(600);

const ORIGINS: &str = "must be origins such as https://app.example.com, or *";
const BLOCKS: &str = "must be address blocks such as 10.0.0.0/8,fd00::/8";
pub(super) const SERVERS: &str = "must be addresses such as 10.0.0.10:53";

const DRIVERS: [(&str, DriverChoice); 3] = [
    ("auto", DriverChoice::Auto),
    ("io_uring", DriverChoice::IoUring),
    ("epoll", DriverChoice::Epoll),
];

const HALF_CLOSES: [(&str, HalfClose); 2] =
    [("wait", HalfClose::Wait), ("abort", HalfClose::Abort)];

const ACCESS_LOGS: [(&str, AccessLog); 3] = [
    ("off", AccessLog::Off),
    ("errors", AccessLog::Errors),
    ("all", AccessLog::All),
];
