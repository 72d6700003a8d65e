//! The management routes, and what their answers promise.

use ringway_tests::{Client, Deployment, Gateway};
use serde_json::{Value, json};

#[test]
fn a_deploy_is_seen_by_the_very_next_request_on_every_shard() {
    let gateway = Gateway::start();
    // Kept connections: enough of them that every shard has some.
    let mut kept: Vec<Client> = (0..8)
        .map(|_| Client::connect(gateway.address).unwrap())
        .collect();
    for client in &mut kept {
        assert_eq!(
            client.request("GET", "/healthz", &[], b"").unwrap().status,
            200
        );
    }
    let rounds = if cfg!(debug_assertions) { 25 } else { 100 };
    for i in 0..rounds {
        let name = format!("fresh-{i}");
        gateway.deploy(&Deployment::streaming(&name, "cat"));
        let target = format!("/function/{name}");
        assert_eq!(
            gateway.call("POST", &target, b"x").status,
            200,
            "{name} on a new connection"
        );
        for client in &mut kept {
            let reply = client.request("POST", &target, &[], b"x").unwrap();
            assert_eq!(reply.status, 200, "{name} on a kept connection");
        }
        let body = json!({"functionName": name}).to_string();
        assert_eq!(
            gateway
                .call("DELETE", "/system/functions", body.as_bytes())
                .status,
            200
        );
        for client in &mut kept {
            assert_eq!(
                client.request("POST", &target, &[], b"x").unwrap().status,
                404
            );
        }
    }
}

#[test]
fn the_status_codes_are_those_faas_cli_needs() {
    let gateway = Gateway::start();
    let body = Deployment::streaming("cat", "cat").json();
    let call =
        |method: &str, target: &str, body: &str| gateway.call(method, target, body.as_bytes());
    assert_eq!(call("GET", "/system/functions", "").text().trim(), "[]");
    assert_eq!(call("PUT", "/system/functions", &body).status, 404);
    assert_eq!(call("POST", "/system/functions", &body).status, 202);
    assert!(matches!(
        call("PUT", "/system/functions", &body).status,
        200 | 202
    ));
    let one = call("GET", "/system/function/cat?usage=1", "");
    let one: Value = serde_json::from_slice(&one.body).unwrap();
    assert_eq!(
        (one["name"].as_str(), one["namespace"].as_str()),
        (Some("cat"), Some("openfaas-fn"))
    );
    assert_eq!(one["envProcess"].as_str(), Some("cat"));
    assert!(one["usage"]["totalMemoryBytes"].as_f64().is_some(), "{one}");
    assert!(one["createdAt"].as_str().unwrap().contains('T'), "{one}");
    let missing = call("GET", "/system/function/dog", "");
    assert_eq!((missing.status, missing.body.len()), (404, 0));
    assert_eq!(
        call("DELETE", "/system/functions", r#"{"functionName":"dog"}"#).status,
        404
    );
    assert_eq!(
        call("DELETE", "/system/functions", r#"{"functionName":"cat"}"#).status,
        200
    );
    assert_eq!(
        call(
            "POST",
            "/system/scale-function/cat",
            r#"{"serviceName":"cat","replicas":1}"#
        )
        .status,
        404
    );
}

#[test]
fn info_probes_and_the_rest_answer_as_documented() {
    let gateway = Gateway::start();
    let call =
        |method: &str, target: &str, body: &str| gateway.call(method, target, body.as_bytes());
    let info: Value = serde_json::from_slice(&call("GET", "/system/info", "").body).unwrap();
    for path in [
        "/provider/provider",
        "/provider/orchestration",
        "/provider/version/release",
        "/version/sha",
        "/version/release",
    ] {
        assert!(
            info.pointer(path)
                .and_then(Value::as_str)
                .is_some_and(|v| !v.is_empty()),
            "{path}: {info}"
        );
    }
    assert_eq!(
        (
            call("GET", "/", "").status,
            call("GET", "/", "").header("location")
        ),
        (307, Some("/ui/"))
    );
    assert_eq!(call("GET", "/ui/", "").status, 200);
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(
            (
                call("GET", probe, "").status,
                call("HEAD", probe, "").status
            ),
            (200, 200)
        );
    }
    assert_eq!(call("GET", "/nothing/here", "").status, 404);
    assert_eq!(call("PATCH", "/system/functions", "").status, 405);
}

#[test]
fn bad_deployments_name_the_field_and_leave_nothing() {
    let gateway = Gateway::start();
    let with = |field: &str, value: Value| {
        let mut body = json!({"service": "bad", "image": "x", "envProcess": "cat"});
        body[field] = value;
        body.to_string()
    };
    let long = with("annotations", json!({"x": "y".repeat(2 * 1024 * 1024)}));
    for (body, named) in [
        (
            json!({"image": "x", "envProcess": "cat"}).to_string(),
            "service",
        ),
        (with("service", json!("")), "service"),
        (with("service", json!("Bad_Name")), "service"),
        (with("service", json!("../x")), "service"),
        (
            json!({"service": "bad", "image": "x"}).to_string(),
            "envProcess",
        ),
        (with("envProcess", json!("cat 'open")), "envProcess"),
        (with("envVars", json!({"mode": "nonsense"})), "mode"),
        (with("limits", json!({"memory": "12Q"})), "memory"),
        (with("secrets", json!(["nobody-knows"])), "nobody-knows"),
        (with("image", json!("/no/such/folder")), "image"),
        (
            with("labels", json!({"com.openfaas.scale.min": "many"})),
            "com.openfaas.scale.min",
        ),
        (
            with("annotations", json!({"com.ringway.timeout": "soon"})),
            "com.ringway.timeout",
        ),
        ("{\"service\": ".to_owned(), "JSON"),
        ("[]".to_owned(), "JSON"),
    ] {
        let reply = gateway.call("POST", "/system/functions", body.as_bytes());
        let shown: String = body.chars().take(100).collect();
        assert_eq!(reply.status, 400, "{shown}: {}", reply.text());
        assert!(
            reply.text().contains(named),
            "{shown}: {:?} does not name {named}",
            reply.text()
        );
    }
    let reply = gateway.call("POST", "/system/functions", long.as_bytes());
    assert!(
        reply.status == 413 && reply.text().contains("limit of 1048576 bytes"),
        "{reply:?}"
    );
    assert_eq!(
        gateway.call("GET", "/system/functions", b"").text().trim(),
        "[]"
    );
    assert_eq!(gateway.call("POST", "/function/bad", b"x").status, 404);
}

#[test]
fn management_wants_credentials_when_auth_is_on() {
    let secrets = tempfile::tempdir().unwrap();
    std::fs::write(secrets.path().join("basic-auth-user"), "admin\n").unwrap();
    std::fs::write(secrets.path().join("basic-auth-password"), " s3cret \n").unwrap();
    let gateway = Gateway::with(&[
        ("basic_auth", "true"),
        ("secret_mount_path", secrets.path().to_str().unwrap()),
    ]);
    let call = |target: &str, auth: &str| {
        let headers: &[(&str, &str)] = if auth.is_empty() {
            &[]
        } else {
            &[("Authorization", auth)]
        };
        ringway_tests::request(gateway.address, "GET", target, headers, b"").unwrap()
    };
    let good = "Basic YWRtaW46czNjcmV0";
    assert_eq!(call("/system/functions", good).status, 200);
    for bad in [
        "",
        "Basic YWRtaW46d3Jvbmc=",
        "Bearer ",
        "Basic",
        "Basic !!!",
    ] {
        let reply = call("/system/functions", bad);
        assert_eq!(reply.status, 401, "{bad:?}");
        assert!(
            reply
                .header("www-authenticate")
                .unwrap()
                .starts_with("Basic"),
            "{bad:?}"
        );
    }
    for target in [
        "/system/info",
        "/ui/",
        "/nothing",
        "/system/../system/functions",
        "/system%2ffunctions",
    ] {
        assert_ne!(call(target, "").status, 200, "{target}");
    }
    assert_eq!(call("/healthz", "").status, 200);
    assert_eq!(call("/function/none", "").status, 404);
}

#[test]
fn a_command_line_is_split_without_a_shell() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::streaming(
        "say",
        r#"printf '%s|' "two words" one\ word '$PORT' `x` ;"#,
    ));
    let said = gateway.call("GET", "/function/say", b"").text();
    assert_eq!(said, "two words|one word|$PORT|`x`|;|");
    gateway.deploy(&Deployment::streaming("env", "env").env("MINE", "yes"));
    let env = gateway.call("POST", "/function/env/sub?q=1", b"").text();
    for line in [
        "MINE=yes",
        "Http_Method=POST",
        "Http_Path=/sub",
        "Http_Query=q=1",
    ] {
        assert!(env.lines().any(|l| l == line), "{line} in {env}");
    }
    assert!(
        !env.contains("RINGWAY_DATA"),
        "the gateway's own environment is not the function's: {env}"
    );
}
