//! WebSocket through the gateway, by a real client library.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use ringway_tests::{Client, Deployment, Gateway};
use tungstenite::Message;

#[test]
fn a_websocket_echoes_both_ways() {
    let gateway = Gateway::with(&[("RINGWAY_IDLE_TIMEOUT", "1s")]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let stream = TcpStream::connect(gateway.address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let url = format!("ws://{}/function/vice/websocket", gateway.address);
    let (mut socket, reply) = tungstenite::client(url.as_str(), stream).unwrap();
    assert_eq!(reply.status(), 101);
    assert!(reply.headers().contains_key("x-call-id"));
    // Sent by the function in one write with its head.
    assert_eq!(socket.read().unwrap(), Message::text("first"));
    for n in [1usize, 125, 126, 70_000, 1_000_000] {
        let text = "w".repeat(n);
        socket.send(Message::text(text.clone())).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text(text), "{n} bytes");
    }
    // Longer than the idle timeout of a connection.
    std::thread::sleep(Duration::from_millis(2_500));
    socket.send(Message::binary(vec![7; 10])).unwrap();
    assert_eq!(socket.read().unwrap(), Message::binary(vec![7; 10]));
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
}

#[test]
fn frames_right_behind_the_clients_head_are_not_lost() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut client = Client::connect(gateway.address).unwrap();
    let head = "GET /function/vice/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
                Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut bytes = head.as_bytes().to_vec();
    // A masked text frame "early", with a mask of zeroes.
    bytes.extend_from_slice(b"\x81\x85\0\0\0\0early");
    client.send(&bytes).unwrap();
    let reply = client.reply("GET").unwrap();
    assert_eq!(reply.status, 101);
    assert_eq!(
        reply.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_eq!(client.exactly(7).unwrap(), b"\x81\x05first");
    assert_eq!(client.exactly(7).unwrap(), b"\x81\x05early");
    client.stream().flush().unwrap();
}

#[test]
fn an_upgrade_the_function_declines_is_an_ordinary_reply() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut client = Client::connect(gateway.address).unwrap();
    let upgrade = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "x"),
    ];
    let reply = client
        .request("GET", "/function/vice/plain", &upgrade, b"")
        .unwrap();
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (200, "vice GET /plain")
    );
    let reply = client
        .request("GET", "/function/vice/next", &[], b"")
        .unwrap();
    assert_eq!(reply.text(), "vice GET /next");
    let h2c = [
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABk"),
    ];
    let seen = client
        .request("GET", "/function/vice/raw", &h2c, b"")
        .unwrap()
        .text()
        .to_ascii_lowercase();
    assert!(
        !seen.contains("upgrade") && !seen.contains("http2-settings"),
        "{seen}"
    );
}
