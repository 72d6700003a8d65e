//! `functions_provider_url` in every form, and the settings of OpenFaaS charts.

use std::process::Command;

use ringway_tests::provider::{Kind, Options, Provider, Readiness};
use ringway_tests::{Gateway, binary, free_port};

#[test]
fn the_providers_url_may_end_in_a_slash_and_have_a_path() {
    for base in ["", "/base", "/two/parts"] {
        for slash in ["", "/"] {
            let options = Options::of(Kind::Netes)
                .under(base)
                .guarded("admin", "secret");
            let provider = Provider::with(options.with_zero());
            provider.add("one", Readiness::AtOnce);
            let url = format!("{}{slash}", provider.url());
            let gateway = Gateway::behind(&provider, &[("functions_provider_url", &url)]);
            let list = gateway.admin("GET", "/system/functions", b"");
            assert!(
                list.status == 200 && list.text().contains("one"),
                "{url}: {list:?}"
            );
            let target = "/function/one/a%2Fb?c=%20";
            let reply = gateway.call("GET", target, b"");
            assert!(
                reply.text().starts_with(&format!("GET {base}{target} ")),
                "{url}: {reply:?}"
            );
            provider.set_replicas("one", 0);
            gateway.scale("one", 1);
            assert_eq!(provider.replicas("one"), Some(1), "{url}");
            let logs = gateway.admin("GET", "/system/logs?name=one", b"");
            assert_eq!(logs.status, 200, "{url}");
            let outside = provider
                .server()
                .count(|s| !s.target.starts_with(&format!("{base}/")));
            assert_eq!(outside, 0, "{url}");
        }
    }
}

#[test]
fn a_url_that_is_none_stops_the_start() {
    for url in [
        "faas-netes:8080",
        "ftp://x/",
        "http://",
        "http://x:99999",
        "http://a b/",
    ] {
        let listen = format!("127.0.0.1:{}", free_port());
        let metrics = format!("127.0.0.1:{}", free_port());
        let data = tempfile::tempdir().unwrap();
        let mut command = Command::new(binary());
        command
            .env("RINGWAY_LISTEN", listen)
            .env("RINGWAY_METRICS_LISTEN", metrics)
            .env("RINGWAY_DATA", data.path())
            .env("functions_provider_url", url);
        let out = command.output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(
            !out.status.success() && said.contains("functions_provider_url"),
            "{url}: {said}"
        );
    }
}

/// What the Helm chart and faasd's compose file set, with values as they set them.
#[test]
fn the_charts_settings_are_all_accepted() {
    let provider = Provider::with(Options::of(Kind::Netes).guarded("admin", "secret"));
    provider.add("one", Readiness::AtOnce);
    let gateway = Gateway::behind(
        &provider,
        &[
            ("read_timeout", "65s"),
            ("write_timeout", "1m5s"),
            ("upstream_timeout", "60s"),
            ("direct_functions", "false"),
            ("direct_functions_suffix", "openfaas-fn.svc.cluster.local"),
            ("function_namespace", "openfaas-fn"),
            ("faas_prometheus_host", "127.0.0.1"),
            ("faas_prometheus_port", "1"),
            ("faas_nats_channel", "faas-request"),
            ("faas_nats_cluster_name", "faas-cluster"),
            ("auth_proxy_url", ""),
            ("auth_proxy_pass_body", "false"),
            ("scale_from_zero", "true"),
            ("max_idle_conns", "1024"),
            ("max_idle_conns_per_host", "1024"),
            ("async", "false"),
            ("probe_functions", "false"),
            ("default_target", "50"),
            ("pprof", "false"),
            ("metering_enabled", "false"),
            ("http_proxy", ""),
            ("https_proxy", ""),
        ],
    );
    assert_eq!(gateway.call("GET", "/function/one/x", b"").status, 200);
    assert_eq!(gateway.admin("GET", "/system/functions", b"").status, 200);
}

#[test]
fn an_empty_default_namespace_is_the_usual_one() {
    let provider = Provider::start(Kind::Netes);
    provider.add("one", Readiness::AtOnce);
    let gateway = Gateway::behind(&provider, &[("function_namespace", "")]);
    for target in ["/function/one", "/function/one.openfaas-fn"] {
        assert_eq!(gateway.call("GET", target, b"").status, 200);
    }
    let series = r#"gateway_function_invocation_total{function_name="one.openfaas-fn",code="200"}"#;
    gateway.await_metric(series, 2.0);
}

#[test]
fn write_request_uri_turns_the_access_log_on_by_being_there() {
    let provider = Provider::start(Kind::Netes);
    for value in ["true", "false"] {
        let gateway = Gateway::behind(&provider, &[("write_request_uri", value)]);
        assert_eq!(
            gateway.admin("GET", "/system/info", b"").status,
            200,
            "{value}"
        );
    }
}
