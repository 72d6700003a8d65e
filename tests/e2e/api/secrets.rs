//! Secrets: names in, never values out.

use serde_json::{Value, json};

use super::scenes::on_every_provider;
use super::stage::Stage;

on_every_provider!(
    the_life_of_a_secret_has_the_providers_codes,
    values_are_stored_and_never_told,
    names_that_are_paths_are_refused,
);

fn secret(name: &str) -> Value {
    json!({"name": name, "value": "open sesame"})
}

fn the_life_of_a_secret_has_the_providers_codes(stage: &Stage) {
    let target = "/system/secrets";
    stage.check(&[
        ("GET", target, Value::Null, [200; 3]),
        ("PUT", target, secret("api-key"), [404, 404, 200]),
    ]);
    stage.admin("DELETE", target, &json!({"name": "api-key"}));
    stage.check(&[
        ("POST", target, secret("api-key"), [201, 202, 200]),
        ("POST", target, secret("api-key"), [409, 409, 200]),
        ("PUT", target, secret("api-key"), [200, 202, 200]),
        // faas-cli rejects 204.
        (
            "DELETE",
            target,
            json!({"name": "api-key"}),
            [200, 202, 200],
        ),
        (
            "DELETE",
            target,
            json!({"name": "api-key"}),
            [404, 404, 500],
        ),
    ]);
    for body in ["", "{", "[]"] {
        for method in ["POST", "PUT", "DELETE"] {
            let reply = stage.gateway.admin(method, target, body.as_bytes());
            let wanted = stage.behind.of([400, 400, 500]);
            // A body that cannot be read may be refused before the provider sees it.
            assert!(
                reply.status == wanted || reply.status == 400,
                "{method} {body:?}: {reply:?}"
            );
        }
    }
}

fn values_are_stored_and_never_told(stage: &Stage) {
    // `rawValue` wins when both come; it is bytes, not text.
    let raw =
        json!({"name": "raw", "value": "unused", "rawValue": "AP8K", "namespace": "openfaas-fn"});
    stage.check(&[
        (
            "POST",
            "/system/secrets",
            secret("api-key"),
            [201, 202, 200],
        ),
        ("POST", "/system/secrets", raw, [201, 202, 200]),
    ]);
    for target in ["/system/secrets", "/system/secrets?namespace=openfaas-fn"] {
        let reply = stage.admin("GET", target, &Value::Null);
        let kind = reply.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/json"), "{kind}");
        assert!(
            !reply.text().contains("sesame") && !reply.text().contains("AP8K"),
            "{}",
            reply.text()
        );
        let mut rows: Vec<Value> = serde_json::from_slice(&reply.body).unwrap();
        rows.sort_by_key(|row| row["name"].to_string());
        let names: Vec<&Value> = rows.iter().map(|row| &row["name"]).collect();
        assert_eq!(names, ["api-key", "raw"]);
        for row in &rows {
            assert!(
                row.get("value").is_none() && row.get("rawValue").is_none(),
                "{row}"
            );
            assert!(
                row.get("namespace").is_none_or(|n| n == "openfaas-fn"),
                "{row}"
            );
        }
    }
    if let Some(provider) = &stage.provider {
        assert_eq!(
            provider.secret("openfaas-fn", "api-key").unwrap(),
            b"open sesame"
        );
        assert_eq!(provider.secret("openfaas-fn", "raw").unwrap(), [0, 255, 10]);
    }
}

fn names_that_are_paths_are_refused(stage: &Stage) {
    for name in ["", "..", "../x", "a/b", "/etc/passwd", "a\u{0}b"] {
        for method in ["POST", "PUT", "DELETE"] {
            let reply = stage.admin(method, "/system/secrets", &secret(name));
            let wanted = stage.behind.of([400, 422, 400]);
            // faasd's upsert takes names that are no path.
            let faasd = name.contains('\0') && stage.provider.is_some();
            assert!(
                reply.status == wanted || faasd,
                "{method} {name:?}: {reply:?}"
            );
        }
    }
}
