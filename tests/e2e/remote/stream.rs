//! Streams and upgrades through the provider.

use std::time::Duration;

use ringway_tests::provider::{Kind, Provider, Readiness};
use ringway_tests::{Client, Gateway, eventually};

fn start() -> (Provider, Gateway) {
    let provider = Provider::start(Kind::Netes);
    provider.add("one", Readiness::AtOnce);
    let gateway = Gateway::behind(&provider, &[]);
    (provider, gateway)
}

#[test]
fn a_websocket_passes_through_the_provider() {
    let (provider, gateway) = start();
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .send(
            b"GET /function/one/ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n\
              Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .unwrap();
    let reply = client.reply("GET").unwrap();
    assert_eq!(reply.status, 101);
    assert_eq!(
        reply.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    client.send(b"\x81\x02hi").unwrap();
    assert_eq!(client.exactly(4).unwrap(), b"\x81\x02hi");
    let seen = &provider.requests("GET /function/one/ws")[0];
    // Providers compare with exactly this.
    assert_eq!(seen.values("upgrade"), ["websocket"]);
}

#[test]
fn an_old_provider_that_does_not_upgrade_is_relayed() {
    use ringway_tests::server::{Answer, Vice};
    let (provider, gateway) = start();
    provider.script(
        "/function/one/ws",
        Vice::Answer(Answer::text(400, "no upgrade")),
    );
    let headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let mut client = Client::connect(gateway.address).unwrap();
    let reply = client
        .request("GET", "/function/one/ws", &headers, b"")
        .unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (400, "no upgrade"));
}

#[test]
fn events_are_flushed_as_they_come_and_a_cut_looks_cut() {
    let (provider, gateway) = start();
    for (accept, clean) in [
        ("text/event-stream", true),
        ("*/*", true),
        ("text/event-stream", false),
    ] {
        let events = provider.stream("/function/one/events", "text/event-stream");
        let mut client = Client::connect(gateway.address).unwrap();
        let head =
            format!("GET /function/one/events HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n");
        client.send(head.as_bytes()).unwrap();
        assert!(client.line().unwrap().contains(" 200"), "{accept}");
        while !client.line().unwrap().is_empty() {}
        for event in ["data: 1\n\n", "data: 2\n\n"] {
            eventually("a listener", Duration::from_secs(5), || {
                events.send(event).then_some(())
            });
            let size = usize::from_str_radix(&client.line().unwrap(), 16).unwrap();
            assert_eq!(client.exactly(size).unwrap(), event.as_bytes());
            client.exactly(2).unwrap();
        }
        if clean {
            events.end();
            assert_eq!(client.line().unwrap(), "0");
        } else {
            provider.server().close();
            assert!(client.line().is_err(), "a cut has no last chunk");
            provider.server().open();
        }
    }
}

#[test]
fn a_client_that_leaves_a_stream_is_told_to_the_provider() {
    let (provider, gateway) = start();
    let events = provider.stream("/function/one/events", "application/x-ndjson");
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .send(b"GET /function/one/events HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    assert!(client.line().unwrap().contains(" 200"));
    assert!(!events.is_left());
    drop(client);
    eventually("the stream to be left", Duration::from_secs(5), || {
        // The gateway learns of it when it writes.
        let sent = events.send("x\n");
        (!sent && events.is_left()).then_some(())
    });
}
