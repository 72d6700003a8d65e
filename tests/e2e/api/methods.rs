//! Every route and every method: what is not a method of a route is 405 with `Allow`.

use ringway_tests::Reply;
use serde_json::Value;

use super::scenes::on_every_provider;
use super::stage::Stage;

on_every_provider!(
    other_methods_are_405_with_allow,
    unknown_paths_are_404_with_a_text,
    head_has_no_body,
);

/// Paths and their methods. HEAD may come with GET.
const ROUTES: [(&str, &[&str]); 16] = [
    ("/", &["GET"]),
    ("/ui/", &["GET"]),
    ("/healthz", &["GET"]),
    ("/readyz", &["GET"]),
    ("/metrics", &["GET"]),
    ("/system/alert", &["POST"]),
    ("/system/functions", &["GET", "POST", "PUT", "DELETE"]),
    ("/system/function/x", &["GET"]),
    ("/system/scale-function/x", &["POST"]),
    ("/system/info", &["GET"]),
    ("/system/telemetry", &["GET"]),
    ("/system/secrets", &["GET", "POST", "PUT", "DELETE"]),
    ("/system/logs", &["GET"]),
    ("/system/namespaces", &["GET"]),
    ("/system/namespace/", &["GET", "POST", "PUT", "DELETE"]),
    ("/system/namespace/x", &["GET", "POST", "PUT", "DELETE"]),
];

fn allow(reply: &Reply) -> Vec<String> {
    let allow = reply.header("allow").unwrap_or_default();
    let mut allow: Vec<String> = allow.split(',').map(|m| m.trim().to_owned()).collect();
    allow.retain(|method| method != "HEAD" && !method.is_empty());
    allow.sort();
    allow
}

fn other_methods_are_405_with_allow(stage: &Stage) {
    for (path, methods) in ROUTES {
        let mut wanted: Vec<String> = methods.iter().map(|m| (*m).to_owned()).collect();
        wanted.sort();
        for method in [
            "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND",
        ] {
            if methods.contains(&method) {
                continue;
            }
            let reply = stage.admin(method, path, &Value::Null);
            assert_eq!(reply.status, 405, "{method} {path}: {}", reply.text());
            assert_eq!(allow(&reply), wanted, "{method} {path}: {reply:?}");
        }
    }
    for trace in ["TRACE", "TRACK"] {
        assert_eq!(
            stage.admin(trace, "/system/functions", &Value::Null).status,
            405
        );
    }
    let wrong = stage.seen("PATCH /system");
    assert!(wrong.is_empty(), "the provider saw {wrong:?}");
}

fn unknown_paths_are_404_with_a_text(stage: &Stage) {
    for path in [
        "/ui",
        "/system",
        "/system/",
        "/system/nothing",
        "/system/namespace",
        "/system/functions/",
        "/system/function/",
        "/system/scale-function/",
        "/Function/x",
        "/FUNCTION/x",
        "/functions/x",
    ] {
        let reply = stage.admin("GET", path, &Value::Null);
        assert_eq!(reply.status, 404, "{path}: {}", reply.text());
        assert!(!reply.body.is_empty(), "{path}");
    }
}

fn head_has_no_body(stage: &Stage) {
    for path in ["/healthz", "/readyz"] {
        assert_eq!(
            stage.admin("HEAD", path, &Value::Null).status,
            200,
            "{path}"
        );
    }
    for (path, _) in ROUTES
        .iter()
        .filter(|(_, methods)| methods.contains(&"GET"))
    {
        if *path == "/system/logs" {
            continue;
        }
        let get = stage.admin("GET", path, &Value::Null).status;
        let head = stage.admin("HEAD", path, &Value::Null);
        assert!(
            head.body.is_empty() && (head.status == get || head.status == 405),
            "{path}: {head:?}"
        );
    }
}
