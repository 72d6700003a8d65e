//! Heads the gateway refuses, on real sockets; the codec's own tests hold the whole table.

use std::time::Duration;

use ringway_tests::{Client, Deployment, Gateway};

fn refused(gateway: &Gateway, bytes: &[u8], status: u16) {
    let mut client = Client::connect(gateway.address).unwrap();
    client.send(bytes).unwrap();
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned();
    let reply = client
        .reply("GET")
        .unwrap_or_else(|e| panic!("{shown:?}: {e}"));
    assert_eq!(reply.status, status, "{shown:?}: {}", reply.text());
    assert_eq!(
        reply.header("x-openfaas-internal"),
        Some("gateway"),
        "{shown:?}"
    );
    assert_eq!(reply.header("connection"), Some("close"), "{shown:?}");
    for name in ["x-call-id", "x-start-time", "x-served-by"] {
        assert!(reply.header(name).is_some(), "{shown:?}: no {name}");
    }
    assert!(client.is_closed(Duration::from_secs(5)), "{shown:?}");
}

#[test]
fn smuggling_attempts_are_refused_and_the_connection_ends() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    let head = "POST /function/vice/raw HTTP/1.1\r\nHost: a\r\n";
    let cases = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "Content-Length: +5\r\n\r\nhello",
        "Content-Length: 5, 5\r\n\r\nhello",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
        "X-A: b\r\n folded\r\n\r\n",
        "X-A: b\nX-B: c\r\n\r\n",
        "X-A: b\rX-B: c\r\n\r\n",
        "X-A: \x00\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
        "Connection: content-length\r\nContent-Length: 5\r\n\r\nhello",
    ];
    for case in cases {
        refused(&gateway, format!("{head}{case}").as_bytes(), 400);
    }
    refused(&gateway, b"GET /function/vice HTTP/1.1\r\n\r\n", 400);
    refused(
        &gateway,
        b"GET /function/vice HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        400,
    );
    refused(
        &gateway,
        b"GET /function/vice HTTP/2.0\r\nHost: a\r\n\r\n",
        505,
    );
    refused(&gateway, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
}

#[test]
fn limits_of_heads_and_targets() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    let target = |n: usize| format!("/function/vice/{}", "a".repeat(n - "/function/vice/".len()));
    assert_eq!(gateway.call("GET", &target(8 * 1024), b"").status, 200);
    let long = format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", target(8 * 1024 + 1));
    refused(&gateway, long.as_bytes(), 414);
    let fields = |n: usize| {
        let fields: String = (0..n).map(|i| format!("X-{i}: {i}\r\n")).collect();
        format!("GET /function/vice/x HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
    };
    let mut client = Client::connect(gateway.address).unwrap();
    client.send(fields(127).as_bytes()).unwrap();
    assert_eq!(client.reply("GET").unwrap().status, 200);
    refused(&gateway, fields(128).as_bytes(), 431);
    let big = |n: usize| {
        let one = format!("X-Big: {}\r\n", "b".repeat(8_000));
        format!(
            "GET /function/vice/x HTTP/1.1\r\nHost: a\r\n{}\r\n",
            one.repeat(n)
        )
    };
    client.send(big(7).as_bytes()).unwrap();
    assert_eq!(
        client.reply("GET").unwrap().status,
        200,
        "56 KB of head are fine"
    );
    refused(&gateway, big(9).as_bytes(), 431);
}

#[test]
fn path_tricks_never_reach_management_or_a_function() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    for (target, status) in [
        ("/function/../system/functions", 301),
        ("/function/vice/../../system/functions", 301),
        ("/function/vice/%2e%2e/%2e%2e/system/functions", 400),
        ("/function/vice/..%2f..%2fsystem", 400),
        ("/function/%2e%2e/system/functions", 400),
        ("/function/vice%2fx", 400),
        ("//function/vice", 301),
        ("/FUNCTION/vice", 404),
        ("/function%2fvice", 404),
        ("/%66unction/vice", 404),
        ("/function/vice%00", 400),
    ] {
        let reply = gateway.call("GET", target, b"");
        assert_eq!(reply.status, status, "{target}: {}", reply.text());
        assert!(!reply.text().contains("vice GET"), "{target}");
    }
}

#[test]
fn every_split_of_a_request_is_the_same_request() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    let bytes = b"POST /function/vice/split HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    let mut client = Client::connect(gateway.address).unwrap();
    for split in 1..bytes.len() {
        client.send(&bytes[..split]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
        client.send(&bytes[split..]).unwrap();
        assert_eq!(
            client.reply("POST").unwrap().text(),
            "vice POST /split",
            "split at {split}"
        );
    }
}
