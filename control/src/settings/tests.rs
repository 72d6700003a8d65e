//! Settings as they are given, and what they mean or why they do not.

use std::path::PathBuf;
use std::time::Duration;

use ringway_proxy::AccessLog;

use super::reader::{self, assert_named};
use super::{Given, Key, Settings, Surroundings};

fn around() -> Surroundings {
    Surroundings {
        cores: 4,
        memory: 4 << 30,
        xdg_data_home: None,
        home: Some("/home/x".into()),
        path: "/bin".into(),
        temp: "/tmp".into(),
    }
}

fn resolve(given: &[(Key, &str)]) -> Result<Settings, String> {
    Settings::resolve(reader::given(given), around()).map_err(|e| e.to_string())
}

#[test]
fn nothing_given_is_a_start_on_loopback() {
    let settings = resolve(&[]).unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.metrics_listen.to_string(), "127.0.0.1:8082");
    assert_eq!(
        settings.data,
        Some(PathBuf::from("/home/x/.local/share/ringway"))
    );
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
    let error = resolve(&[(Key::IdleTimeout, "0")]).unwrap_err();
    assert!(error.contains("above 0"));
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
        (Key::FunctionsProviderUrl, "faasd:8081", "http://"),
        (Key::LogsProviderUrl, "https://x", "TLS"),
        (Key::DirectFunctions, "1", "true or false"),
        (Key::DirectFunctionsSuffix, "a b", "domain"),
        (Key::DirectPort, "0", "from 1"),
        (Key::Dns, "ns", "addresses"),
        (Key::PrometheusHost, "a/b", "host"),
        (Key::PrometheusPort, "x", "from 1"),
        (Key::ReplicasMax, "0", "from 1"),
        (Key::MaxIdleConns, "x", "from 1"),
        (Key::MaxIdleConnsPerHost, "-1", "from 1"),
        (Key::CorsOrigins, "example.com", "origin"),
        (Key::CorsCredentials, "yes", "true or false"),
        (Key::CorsMaxAge, "0", "above 0"),
        (Key::StreamIdle, "x", "Go duration"),
        (Key::TrustedProxies, "10.0.0.0/99", "address blocks"),
        (Key::Insecure, "1", "true or false"),
        (Key::BasicAuth, "True", "true or false"),
        (Key::Data, "relative", "absolute"),
        (Key::FunctionNamespace, "Bad_Name", "lower-case"),
    ] {
        let error = resolve(&[(key, value)]).unwrap_err();
        assert_named(&error, (key, value), rule);
    }
}

#[test]
fn bad_durations_of_openfaas_are_replaced_and_told_but_bad_flags_are_refused() {
    for key in [Key::UpstreamTimeout, Key::ReadTimeout, Key::WriteTimeout] {
        for bad in ["-5", "soon", "1m30"] {
            let settings = resolve(&[(key, bad)]).unwrap();
            assert_eq!(settings.upstream_timeout, MINUTE);
            assert_eq!(settings.read_timeout, Some(MINUTE));
            assert_eq!(settings.write_timeout, Some(MINUTE));
            let [warning] = &settings.warnings[..] else {
                panic!("{:?}", settings.warnings);
            };
            assert!(warning.contains(bad) && warning.contains(&key.to_string()));
            let typed = |k: Key| {
                (k == key).then(|| Given {
                    name: format!("--{}", key.shape().flag),
                    text: bad.to_owned(),
                })
            };
            assert!(Settings::resolve(typed, around()).is_err());
        }
    }
    assert_eq!(
        resolve(&[(Key::UpstreamTimeout, "0")])
            .unwrap()
            .warnings
            .len(),
        1
    );
}

#[test]
fn a_provider_elsewhere_needs_no_folder_and_listens_everywhere() {
    let around = Surroundings {
        home: None,
        ..around()
    };
    let lookup = |key: Key| {
        (key == Key::FunctionsProviderUrl).then(|| Given {
            name: key.to_string(),
            text: "http://faasd:8081/".to_owned(),
        })
    };
    let settings = Settings::resolve(lookup, around.clone()).unwrap();
    assert_eq!(settings.listen.to_string(), "[::]:8080");
    assert_eq!(settings.data, None);
    assert!(Settings::resolve(|_| None, around).is_err());
}

#[test]
fn direct_calls_are_for_providers_elsewhere() {
    let url = (Key::FunctionsProviderUrl, "http://a/");
    let on = (Key::DirectFunctions, "true");
    let suffix = (Key::DirectFunctionsSuffix, "svc.cluster.local.");
    assert_eq!(resolve(&[on, suffix]).unwrap().direct, None);
    assert_eq!(resolve(&[url, suffix]).unwrap().direct, None);
    let direct = resolve(&[url, on, suffix]).unwrap().direct.unwrap();
    assert_eq!(
        (direct.suffix.as_str(), direct.port),
        ("svc.cluster.local", 8080)
    );
}

#[test]
fn credentials_are_not_for_every_origin() {
    assert!(resolve(&[]).unwrap().cors.is_none());
    assert!(resolve(&[(Key::CorsOrigins, "*")]).unwrap().cors.is_some());
    let with = (Key::CorsCredentials, "true");
    let error = resolve(&[(Key::CorsOrigins, "*"), with]).unwrap_err();
    assert!(error.contains("RINGWAY_CORS_ORIGINS"), "{error}");
    let listed = (Key::CorsOrigins, "https://a.test, https://b.test:8443");
    assert!(resolve(&[listed, with]).unwrap().cors.is_some());
}

#[test]
fn write_request_uri_counts_by_presence() {
    for value in ["", "false", "true"] {
        let settings = resolve(&[(Key::WriteRequestUri, value)]).unwrap();
        assert_eq!(settings.access_log, AccessLog::All);
    }
    let settings = resolve(&[(Key::WriteRequestUri, ""), (Key::AccessLog, "errors")]);
    assert_eq!(settings.unwrap().access_log, AccessLog::Errors);
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

const MINUTE: Duration = Duration::from_secs(60);
