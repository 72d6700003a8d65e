//! Secrets of the built-in provider: private files, seen by the functions that name them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringway_tests::{Client, Gateway, eventually};
use serde_json::json;

fn secret(gateway: &Gateway, method: &str, name: &str, value: &str) -> u16 {
    let body = json!({"name": name, "value": value}).to_string();
    gateway
        .call(method, "/system/secrets", body.as_bytes())
        .status
}

/// A function that prints a secret of its own.
fn deploy_reader(gateway: &Gateway, name: &str, secrets: &[&str], shown: &str) -> u16 {
    let body = json!({
        "service": name,
        "image": "test",
        "envProcess": format!("sh -c 'cat $OPENFAAS_SECRETS/{shown}'"),
        "secrets": secrets,
    });
    let body = body.to_string();
    let reply = gateway.call("POST", "/system/functions", body.as_bytes());
    reply.status
}

fn read(gateway: &Gateway, name: &str) -> String {
    gateway
        .call("GET", &format!("/function/{name}"), b"")
        .text()
}

/// Every file below the data folder that holds these bytes.
fn files_with(folder: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files_with(&path, bytes));
        } else if path.is_file() {
            let text = std::fs::read(&path).unwrap_or_default();
            if text.windows(bytes.len()).any(|w| w == bytes) {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn values_lie_in_files_that_nobody_else_can_read() {
    let gateway = Gateway::start();
    assert_eq!(secret(&gateway, "POST", "key", "open sesame"), 201);
    assert_eq!(secret(&gateway, "PUT", "key", "close sesame"), 200);
    assert_eq!(
        files_with(gateway.data.path(), b"open sesame"),
        Vec::<PathBuf>::new()
    );
    let files = files_with(gateway.data.path(), b"close sesame");
    assert!(!files.is_empty());
    for file in &files {
        let mode = std::fs::metadata(file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
    assert!(!gateway.log().contains("sesame"));
    assert_eq!(secret(&gateway, "DELETE", "key", ""), 200);
    assert_eq!(
        files_with(gateway.data.path(), b"sesame"),
        Vec::<PathBuf>::new()
    );
}

#[test]
fn a_function_sees_the_secrets_it_names_and_their_updates() {
    let gateway = Gateway::start();
    assert_eq!(secret(&gateway, "POST", "key", "one"), 201);
    assert_eq!(secret(&gateway, "POST", "other", "hidden"), 201);
    assert_eq!(deploy_reader(&gateway, "reader", &["key"], "key"), 202);
    assert_eq!(read(&gateway, "reader"), "one");
    assert_eq!(secret(&gateway, "PUT", "key", "two"), 200);
    eventually("the update", Duration::from_secs(5), || {
        (read(&gateway, "reader") == "two").then_some(())
    });
    assert_eq!(deploy_reader(&gateway, "nosy", &["key"], "other"), 202);
    assert!(!read(&gateway, "nosy").contains("hidden"));
    assert_eq!(deploy_reader(&gateway, "lost", &["nobody-knows"], "x"), 400);
}

/// One process reads its secret, waits for a line of its input, and reads it again.
#[test]
fn a_running_process_sees_an_update() {
    let gateway = Gateway::start();
    assert_eq!(secret(&gateway, "POST", "key", "one\n"), 201);
    let command = "sh -c 'cat $OPENFAAS_SECRETS/key; read line; cat $OPENFAAS_SECRETS/key'";
    let body = json!({
        "service": "reader",
        "image": "test",
        "envProcess": command,
        "secrets": ["key"],
    });
    let body = body.to_string();
    let reply = gateway.call("POST", "/system/functions", body.as_bytes());
    assert_eq!(reply.status, 202, "{}", reply.text());
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .send(b"POST /function/reader HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .unwrap();
    assert!(client.line().unwrap().contains(" 200"));
    while !client.line().unwrap().is_empty() {}
    assert_eq!(client.line().unwrap(), "4");
    assert_eq!(client.exactly(6).unwrap(), b"one\n\r\n");
    assert_eq!(secret(&gateway, "PUT", "key", "two\n"), 200);
    client.send(b"3\r\ngo\n\r\n0\r\n\r\n").unwrap();
    assert_eq!(client.line().unwrap(), "4");
    assert_eq!(client.exactly(6).unwrap(), b"two\n\r\n");
}

#[test]
fn secrets_survive_a_restart() {
    let mut gateway = Gateway::start();
    assert_eq!(secret(&gateway, "POST", "key", "kept"), 201);
    assert_eq!(deploy_reader(&gateway, "reader", &["key"], "key"), 202);
    gateway.restart();
    eventually("the function", Duration::from_secs(10), || {
        (read(&gateway, "reader") == "kept").then_some(())
    });
    let list = gateway.call("GET", "/system/secrets", b"").text();
    assert!(list.contains("key") && !list.contains("kept"), "{list}");
}

/// A secret can be removed while a function names it, as with other providers: the function
/// goes on, and is still there after a restart.
#[test]
fn a_removed_secret_takes_no_function_with_it() {
    let mut gateway = Gateway::start();
    assert_eq!(secret(&gateway, "POST", "key", "one"), 201);
    assert_eq!(deploy_reader(&gateway, "reader", &["key"], "key"), 202);
    gateway.await_replicas("reader", 1);
    assert_eq!(secret(&gateway, "DELETE", "key", ""), 200);
    gateway.restart();
    gateway.await_replicas("reader", 1);
    // It runs, and does not find its file.
    assert_eq!(gateway.call("GET", "/function/reader", b"").status, 500);
    assert_eq!(secret(&gateway, "POST", "key", "two"), 201);
    assert_eq!(read(&gateway, "reader"), "two");
    let body = br#"{"functionName":"reader"}"#;
    assert_eq!(
        gateway.call("DELETE", "/system/functions", body).status,
        200
    );
}
