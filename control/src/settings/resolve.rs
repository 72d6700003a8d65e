//! What was typed becomes what it means; every error names its variable or flag.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ringway_proxy::{AccessLog, Cidr, DriverChoice, HalfClose};
use tracing_subscriber::EnvFilter;

use super::credentials::Credentials;
use super::duration;
use super::error::SettingError;
use super::key::{Given, Key};
use super::listen::{self, Guard};
use super::surroundings::Surroundings;
use crate::name::{self, Namespace};

/// Everything the gateway is told at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Public address.
    pub listen: SocketAddr,
    /// Address of the metrics listener.
    pub metrics_listen: SocketAddr,
    /// State and logs of the built-in provider.
    pub data: PathBuf,
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
    pub credentials: Option<Credentials>,
    /// Where the process runs.
    pub surroundings: Surroundings,
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
        // An empty variable is how composing tools say "unset".
        let given = |key| given(key).filter(|g| !g.text.is_empty() || g.name.starts_with("--"));
        let basic_auth = switch(given(Key::BasicAuth), false)?;
        let insecure = switch(given(Key::Insecure), false)?;
        let credentials = if basic_auth {
            let folder = given(Key::SecretMountPath).map(|g| PathBuf::from(g.text));
            let folder = folder.unwrap_or_else(|| PathBuf::from("/run/secrets/"));
            Some(Credentials::load(&folder)?)
        } else {
            None
        };
        let guard = match (&credentials, insecure) {
            (Some(_), _) => Guard::Authenticated,
            (None, true) => Guard::Insecure,
            (None, false) => Guard::LoopbackOnly,
        };
        let host = guard.default_host();
        let listen = listen::address(given(Key::Listen).as_ref(), guard, host, 8080)?;
        let metrics = given(Key::MetricsListen);
        let metrics_listen = listen::address(metrics.as_ref(), guard, listen.ip(), 8082)?;
        Ok(Self {
            listen,
            metrics_listen,
            data: data(given(Key::Data), &surroundings)?,
            data_is_temporary: false,
            shards: shards(given(Key::Shards), surroundings.cores)?,
            driver: one_of(given(Key::Driver), &DRIVERS)?,
            log: log(given(Key::Log))?,
            access_log: one_of(given(Key::AccessLog), &ACCESS_LOGS)?,
            half_close: one_of(given(Key::HalfClose), &HALF_CLOSES)?,
            idle_timeout: above_zero(given(Key::IdleTimeout))?,
            connections_max: connections_max(given(Key::ConnectionsMax))?,
            stream_idle: bound(given(Key::StreamIdle), None)?,
            trusted_proxies: cidrs(given(Key::TrustedProxies))?,
            upstream_timeout: above_zero(given(Key::UpstreamTimeout))?,
            read_timeout: bound(given(Key::ReadTimeout), Some(MINUTE))?,
            write_timeout: bound(given(Key::WriteTimeout), Some(MINUTE))?,
            namespace: namespace(given(Key::FunctionNamespace))?,
            scale_from_zero: switch(given(Key::ScaleFromZero), true)?,
            credentials,
            surroundings,
        })
    }
}

fn invalid(given: &Given, rule: impl Into<String>) -> SettingError {
    SettingError::Invalid {
        name: given.name.clone(),
        value: given.text.clone(),
        rule: rule.into(),
    }
}

/// `true` or `false`, exactly (OpenFaaS reads anything else as false, which hides mistakes).
fn switch(given: Option<Given>, default: bool) -> Result<bool, SettingError> {
    match given {
        None => Ok(default),
        Some(g) if g.text == "true" => Ok(true),
        Some(g) if g.text == "false" => Ok(false),
        Some(g) => Err(invalid(&g, "must be true or false")),
    }
}

fn data(given: Option<Given>, around: &Surroundings) -> Result<PathBuf, SettingError> {
    if let Some(given) = given {
        let path = PathBuf::from(&given.text);
        return if path.is_absolute() {
            Ok(path)
        } else {
            Err(invalid(&given, "must be an absolute path"))
        };
    }
    let local = || around.home.as_ref().map(|home| home.join(".local/share"));
    let parent = around.xdg_data_home.clone().or_else(local);
    parent
        .map(|p| p.join("ringway"))
        .ok_or(SettingError::Missing {
            name: Key::Data.shape().variable,
            rule: "there is neither XDG_DATA_HOME nor HOME to put it in; give an absolute path",
        })
}

fn connections_max(given: Option<Given>) -> Result<Option<usize>, SettingError> {
    given.map(|given| count(&given, 1_000_000)).transpose()
}

fn shards(given: Option<Given>, cores: usize) -> Result<usize, SettingError> {
    let Some(given) = given else {
        return Ok(cores.clamp(1, SHARDS_MAX));
    };
    count(&given, SHARDS_MAX)
}

/// A whole number from 1 to `most`, in plain digits (`parse` alone would take a sign).
fn count(given: &Given, most: usize) -> Result<usize, SettingError> {
    let digits = given.text.bytes().all(|b| b.is_ascii_digit());
    let count = given
        .text
        .parse()
        .ok()
        .filter(|n| digits && (1..=most).contains(n));
    count.ok_or_else(|| invalid(given, format!("must be a whole number from 1 to {most}")))
}

/// The value of a word; the first entry is the default.
fn one_of<T: Copy>(given: Option<Given>, words: &[(&str, T)]) -> Result<T, SettingError> {
    let found = match &given {
        None => words.first(),
        Some(given) => words.iter().find(|(word, _)| *word == given.text),
    };
    if let Some((_, value)) = found {
        return Ok(*value);
    }
    let list: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let given = given.unwrap_or(Given {
        name: String::new(),
        text: String::new(),
    });
    Err(invalid(
        &given,
        format!("must be one of {}", list.join(", ")),
    ))
}

fn log(given: Option<Given>) -> Result<String, SettingError> {
    let Some(given) = given else {
        return Ok("info".to_owned());
    };
    // A bare word that is no level would be taken for a module, and silence all others.
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let mut directives = given.text.split(',').map(str::trim);
    let known = directives.all(|d| d.contains('=') || levels.contains(&d));
    if known && EnvFilter::try_new(&given.text).is_ok() {
        return Ok(given.text);
    }
    let rule = "must be a level (off, error, warn, info, debug, trace) or module=level,…";
    Err(invalid(&given, rule))
}

/// A duration above 0, or a minute.
fn above_zero(given: Option<Given>) -> Result<Duration, SettingError> {
    let Some(given) = given else {
        return Ok(MINUTE);
    };
    let value = duration::parse(&given.text).map_err(|e| invalid(&given, e.to_string()))?;
    if value.is_zero() {
        return Err(invalid(&given, "must be above 0"));
    }
    Ok(value)
}

/// A duration of which 0 means unlimited.
fn bound(
    given: Option<Given>,
    default: Option<Duration>,
) -> Result<Option<Duration>, SettingError> {
    let Some(given) = given else {
        return Ok(default);
    };
    let value = duration::parse(&given.text).map_err(|e| invalid(&given, e.to_string()))?;
    Ok((!value.is_zero()).then_some(value))
}

fn cidrs(given: Option<Given>) -> Result<Vec<Cidr>, SettingError> {
    let Some(given) = given else {
        return Ok(Vec::new());
    };
    let blocks = given
        .text
        .split(',')
        .map(str::trim)
        .filter(|b| !b.is_empty());
    blocks
        .map(|block| {
            Cidr::parse(block).map_err(|why| {
                let rule = format!("must be address blocks such as 10.0.0.0/8,fd00::/8: {why}");
                invalid(&given, rule)
            })
        })
        .collect()
}

fn namespace(given: Option<Given>) -> Result<Namespace, SettingError> {
    let Some(given) = given else {
        return Namespace::parse("openfaas-fn").map_err(|_| SettingError::Missing {
            name: Key::FunctionNamespace.shape().variable,
            rule: name::LABEL_RULE,
        });
    };
    Namespace::parse(&given.text).map_err(|_| invalid(&given, name::LABEL_RULE))
}

const MINUTE: Duration = Duration::from_secs(60);

/// More shards than any machine has cores; guards against a typing mistake.
const SHARDS_MAX: usize = 1_024;

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

#[cfg(test)]
mod tests {
    use super::*;

    fn around() -> Surroundings {
        Surroundings {
            cores: 4,
            xdg_data_home: None,
            home: Some("/home/x".into()),
            path: "/bin".into(),
            temp: "/tmp".into(),
            provider_url_set: false,
        }
    }

    fn resolve(given: &[(Key, &str)]) -> Result<Settings, String> {
        let lookup = |key: Key| {
            let found = given.iter().find(|(k, _)| *k == key);
            found.map(|(k, text)| Given {
                name: k.to_string(),
                text: (*text).to_owned(),
            })
        };
        Settings::resolve(lookup, around()).map_err(|e| e.to_string())
    }

    #[test]
    fn nothing_given_is_a_start_on_loopback() {
        let settings = resolve(&[]).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.metrics_listen.to_string(), "127.0.0.1:8082");
        assert_eq!(settings.data, PathBuf::from("/home/x/.local/share/ringway"));
        assert_eq!(settings.shards, 4);
        assert_eq!(settings.namespace.as_str(), "openfaas-fn");
        assert_eq!(settings.upstream_timeout, MINUTE);
        assert_eq!(settings.read_timeout, Some(MINUTE));
        assert_eq!(settings.stream_idle, None);
        assert!(settings.credentials.is_none());
    }

    #[test]
    fn insecure_listens_everywhere() {
        let settings = resolve(&[(Key::Insecure, "true")]).unwrap();
        assert_eq!(settings.listen.to_string(), "[::]:8080");
        assert_eq!(settings.metrics_listen.to_string(), "[::]:8082");
    }

    #[test]
    fn the_metrics_listener_follows_the_host_and_the_rule() {
        let settings = resolve(&[(Key::Listen, "127.0.0.2:1")]).unwrap();
        assert_eq!(settings.metrics_listen.to_string(), "127.0.0.2:8082");
        let error = resolve(&[(Key::MetricsListen, "0.0.0.0:8082")]).unwrap_err();
        assert!(error.contains("RINGWAY_METRICS_LISTEN"), "{error}");
    }

    #[test]
    fn basic_auth_opens_the_address_and_needs_its_files() {
        let error = resolve(&[(Key::BasicAuth, "true"), (Key::SecretMountPath, "/nowhere")]);
        assert!(error.unwrap_err().contains("/nowhere/basic-auth-user"));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("basic-auth-user"), "u").unwrap();
        std::fs::write(folder.path().join("basic-auth-password"), "p").unwrap();
        let path = folder.path().to_str().unwrap();
        let settings = resolve(&[(Key::BasicAuth, "true"), (Key::SecretMountPath, path)]).unwrap();
        assert_eq!(settings.listen.to_string(), "[::]:8080");
        assert!(settings.credentials.is_some());
    }

    #[test]
    fn durations_of_zero_mean_unlimited_or_an_error() {
        let settings = resolve(&[(Key::ReadTimeout, "0"), (Key::WriteTimeout, "1m30s")]).unwrap();
        assert_eq!(settings.read_timeout, None);
        assert_eq!(settings.write_timeout, Some(Duration::from_secs(90)));
        for key in [Key::UpstreamTimeout, Key::IdleTimeout] {
            assert!(resolve(&[(key, "0")]).unwrap_err().contains("above 0"));
        }
    }

    #[test]
    fn every_error_names_the_variable_the_value_and_the_rule() {
        for (key, value, rule) in [
            (Key::Shards, "0", "from 1"),
            (Key::Shards, "+2", "from 1"),
            (Key::Shards, "two", "from 1"),
            (Key::Driver, "uring", "io_uring"),
            (Key::AccessLog, "yes", "errors"),
            (Key::Log, "a=b=c", "level"),
            (Key::Log, "blah", "level"),
            (Key::UpstreamTimeout, "-5", "Go duration"),
            (Key::WriteTimeout, "soon", "Go duration"),
            (Key::StreamIdle, "x", "Go duration"),
            (Key::TrustedProxies, "10.0.0.0/99", "address blocks"),
            (Key::Insecure, "1", "true or false"),
            (Key::BasicAuth, "True", "true or false"),
            (Key::Data, "relative", "absolute"),
            (Key::FunctionNamespace, "Bad_Name", "lower-case"),
        ] {
            let error = resolve(&[(key, value)]).unwrap_err();
            assert!(error.contains(&key.to_string()), "{error}");
            assert!(error.contains(value) && error.contains(rule), "{error}");
        }
    }

    #[test]
    fn an_empty_variable_is_unset() {
        assert_eq!(resolve(&[(Key::Shards, "")]).unwrap().shards, 4);
    }

    #[test]
    fn lists_may_have_spaces() {
        let settings = resolve(&[(Key::TrustedProxies, "10.0.0.0/8, ::1,")]).unwrap();
        assert_eq!(settings.trusted_proxies.len(), 2);
    }
}
