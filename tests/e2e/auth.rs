//! Basic auth: what is guarded, and credentials that change while the gateway runs.

use std::time::{Duration, Instant};

use ringway_tests::provider::{Kind, Options, Provider, Readiness};
use ringway_tests::{Credentials, Deployment, Gateway, SecretFolder, eventually, request};

fn status(gateway: &Gateway, method: &str, target: &str, authorization: Option<&str>) -> u16 {
    let headers: Vec<(&str, &str)> = authorization
        .iter()
        .map(|a| ("Authorization", *a))
        .collect();
    let reply = request(gateway.address, method, target, &headers, b"").unwrap();
    if reply.status == 401 {
        let challenge = reply.header("www-authenticate").unwrap_or_default();
        assert!(challenge.starts_with("Basic realm="), "{target}: {reply:?}");
    }
    reply.status
}

/// Guarded whatever it is: known, unknown, wrong method, odd spelling.
const GUARDED: [&str; 22] = [
    "/ui/",
    "/ui/index.html",
    "/ui",
    "/metrics",
    "/nothing",
    "/nothing/deeper?x=/healthz",
    "/system",
    "/system/alert",
    "/system/functions",
    "/system/functions/",
    "/system/function/one",
    "/system/scale-function/one",
    "/system/info",
    "/system/telemetry",
    "/system/secrets",
    "/system/logs?name=one",
    "/system/namespaces",
    "/system/namespace/",
    "/system/namespace/x",
    "/healthz/",
    "/readyz/x",
    "/Healthz",
];

fn check_guard(gateway: &Gateway) {
    let wrong = Credentials::new("admin", "wrong").header();
    for target in GUARDED {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"] {
            for authorization in [None, Some("Bearer "), Some(wrong.as_str()), Some("Basic")] {
                let got = status(gateway, method, target, authorization);
                // Paths that are no paths of ours may be refused before.
                assert!(
                    matches!(got, 401 | 301 | 307 | 400),
                    "{method} {target} {authorization:?}: {got}"
                );
                assert!(
                    matches!(got, 401) || !target.starts_with("/system"),
                    "{method} {target}: {got}"
                );
            }
        }
    }
    assert_eq!(
        status(gateway, "GET", "/", None),
        307,
        "it only leads to the UI"
    );
    for target in ["/healthz", "/readyz"] {
        for authorization in [None, Some("Bearer "), Some(wrong.as_str())] {
            assert_eq!(
                status(gateway, "GET", target, authorization),
                200,
                "{target}"
            );
        }
    }
    for target in [
        "/function/one/x",
        "/async-function/one",
        "/function/unknown",
    ] {
        for authorization in [None, Some("Bearer "), Some(wrong.as_str())] {
            assert_ne!(
                status(gateway, "POST", target, authorization),
                401,
                "{target}"
            );
        }
    }
    let good = Credentials::new("admin", "secret").header();
    assert_eq!(
        status(gateway, "GET", "/system/functions", Some(&good)),
        200
    );
    assert_eq!(status(gateway, "GET", "/ui/", Some(&good)), 200);
}

#[test]
fn everything_but_functions_and_health_is_guarded() {
    let gateway = Gateway::guarded(&Credentials::new("admin", "secret"), &[]);
    gateway.deploy(&Deployment::streaming("one", "cat"));
    check_guard(&gateway);
}

#[test]
fn the_same_is_guarded_in_front_of_a_provider() {
    let provider = Provider::with(Options::of(Kind::Faasd).guarded("admin", "secret"));
    provider.add("one", Readiness::AtOnce);
    let gateway = Gateway::behind(&provider, &[]);
    provider.server().forget();
    check_guard(&gateway);
    for open in [
        "/system/namespace/",
        "/system/logs",
        "/system/secrets",
        "/system/telemetry",
    ] {
        assert_eq!(provider.count(open), 0, "{open} reached the provider");
    }
}

#[test]
fn credentials_are_compared_whole() {
    let gateway = Gateway::guarded(&Credentials::new("admin", "se:cr et"), &[]);
    let try_pair = |user: &str, password: &str| {
        let header = Credentials::new(user, password).header();
        status(&gateway, "GET", "/system/functions", Some(&header))
    };
    assert_eq!(try_pair("admin", "se:cr et"), 200);
    for (user, password) in [
        ("admin", "se:cr e"),
        ("admin", "se:cr et "),
        ("admin", "SE:CR ET"),
        ("admin", ""),
        ("", "se:cr et"),
        ("Admin", "se:cr et"),
        ("admin:se", "cr et"),
    ] {
        assert_eq!(
            try_pair(user, password),
            if user == "admin:se" { 200 } else { 401 },
            "{user}:{password}"
        );
    }
    let good = Credentials::new("admin", "se:cr et").header();
    let lower = good.replacen("Basic", "basic", 1);
    assert_eq!(
        status(&gateway, "GET", "/system/functions", Some(&lower)),
        200,
        "RFC 9110 §11.1"
    );
    for odd in [
        good.replace("Basic ", "Basic"),
        format!("{good}="),
        format!("{good} x"),
        good.replace("Basic", "Digest"),
    ] {
        assert_eq!(
            status(&gateway, "GET", "/system/functions", Some(&odd)),
            401,
            "{odd}"
        );
    }
}

#[test]
fn two_authorization_headers_are_not_two_chances() {
    let gateway = Gateway::guarded(&Credentials::new("admin", "secret"), &[]);
    let good = Credentials::new("admin", "secret").header();
    let headers = [
        ("Authorization", "Basic eDp5"),
        ("Authorization", good.as_str()),
    ];
    let reply = request(gateway.address, "GET", "/system/functions", &headers, b"").unwrap();
    assert!(matches!(reply.status, 400 | 401), "{reply:?}");
}

/// The new password works and the old one does not, both within five seconds.
fn check_rotation(gateway: &Gateway, old: &Credentials, new: &Credentials) {
    let started = Instant::now();
    eventually("the new password alone", Duration::from_secs(5), || {
        let old = status(gateway, "GET", "/system/functions", Some(&old.header()));
        let new = status(gateway, "GET", "/system/functions", Some(&new.header()));
        ((old, new) == (401, 200)).then_some(())
    });
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn rewritten_files_change_the_password() {
    let [one, two] = ["first", "second"].map(|password| Credentials::new("admin", password));
    let secrets = SecretFolder::plain(&one);
    let gateway = Gateway::guarded_by(secrets, &one, &[]);
    let folder = gateway.secrets.as_ref().unwrap();
    for (old, new) in [(&one, &two), (&two, &one)] {
        assert_eq!(
            status(&gateway, "GET", "/system/functions", Some(&old.header())),
            200
        );
        folder.rewrite(new);
        check_rotation(&gateway, old, new);
    }
}

#[test]
fn a_kubernetes_swap_changes_user_and_password() {
    let one = Credentials::new("admin", "first");
    let secrets = SecretFolder::kubernetes(&one);
    let mut gateway = Gateway::guarded_by(secrets, &one, &[]);
    let mut old = one;
    for round in 0..3 {
        let new = Credentials::new(&format!("admin-{round}"), &format!("password-{round}"));
        gateway.secrets.as_mut().unwrap().swap(&new);
        check_rotation(&gateway, &old, &new);
        old = new;
    }
}

#[test]
fn files_that_vanish_or_are_empty_open_nothing() {
    let one = Credentials::new("admin", "first");
    let gateway = Gateway::guarded_by(SecretFolder::plain(&one), &one, &[]);
    let folder = gateway.secrets.as_ref().unwrap();
    let polled = |what: &str| {
        // Longer than a reload takes: nothing may open meanwhile.
        let until = Instant::now() + Duration::from_secs(6);
        while Instant::now() < until {
            for authorization in [
                None,
                Some("Basic Og=="),
                Some("Basic YWRtaW46"),
                Some("Bearer "),
            ] {
                assert_eq!(
                    status(&gateway, "GET", "/system/functions", authorization),
                    401,
                    "{what}"
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    folder.rewrite(&Credentials::new("", ""));
    polled("empty");
    std::fs::remove_file(folder.path().join("basic-auth-password")).unwrap();
    polled("gone");
    let two = Credentials::new("admin", "second");
    folder.rewrite(&two);
    check_rotation(&gateway, &one, &two);
}

#[test]
fn a_rotation_reaches_the_provider_as_well() {
    let one = Credentials::new("admin", "first");
    let provider = Provider::with(Options::of(Kind::Netes).guarded("admin", "second"));
    let url = provider.url();
    let secrets = SecretFolder::plain(&Credentials::new("admin", "second"));
    let gateway = Gateway::guarded_by(secrets, &one, &[("functions_provider_url", &url)]);
    let folder = gateway.secrets.as_ref().unwrap();
    let two = Credentials::new("admin", "second");
    assert_eq!(
        status(&gateway, "GET", "/system/secrets", Some(&two.header())),
        200
    );
    folder.rewrite(&one);
    check_rotated_provider(&gateway, &one);
    let sent = provider.requests("GET /system/secrets");
    assert_eq!(
        sent.last().unwrap().header("authorization"),
        Some(one.header().as_str())
    );
}

/// The provider still wants the old ones: its 401 passes, and it got the new ones.
fn check_rotated_provider(gateway: &Gateway, new: &Credentials) {
    eventually(
        "the provider's refusal of the new ones",
        Duration::from_secs(5),
        || {
            let headers = [("Authorization", new.header())];
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(k, v)| (*k, v.as_str())).collect();
            let reply = request(gateway.address, "GET", "/system/secrets", &headers, b"").unwrap();
            let theirs = reply.text().contains("invalid credentials");
            (reply.status == 401 && theirs).then_some(())
        },
    );
}
