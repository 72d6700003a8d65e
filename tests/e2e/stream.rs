//! Streams: every byte when it is written, silence tolerated.

use ringway_tests::{Client, Deployment, Gateway};

#[test]
fn a_slow_functions_pieces_arrive_one_by_one() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    gateway.deploy(&Deployment::streaming(
        "ticks",
        "sh -c 'for i in 0 1 2 3; do echo data: $i; sleep 0.15; done'",
    ));
    for target in ["/function/vice/drip?n=4&ms=150", "/function/ticks"] {
        let mut client = Client::connect(gateway.address).unwrap();
        client
            .send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
            .unwrap();
        while !client.line().unwrap().is_empty() {}
        // Each piece must be there before the next is written: seen one by one, not at the end.
        for i in 0..4 {
            let size = usize::from_str_radix(&client.line().unwrap(), 16).unwrap();
            let piece = String::from_utf8(client.exactly(size + 2).unwrap()).unwrap();
            assert!(
                piece.starts_with(&format!("data: {i}")),
                "{target}: {piece:?}"
            );
            assert_eq!(piece.matches("data: ").count(), 1, "{target}: {piece:?}");
        }
    }
}

#[test]
fn silence_longer_than_every_idle_timer_is_not_cut() {
    let gateway = Gateway::with(&[
        ("RINGWAY_IDLE_TIMEOUT", "1s"),
        ("read_timeout", "1s"),
        ("write_timeout", "1s"),
    ]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut client = Client::connect(gateway.address).unwrap();
    let reply = client
        .request("GET", "/function/vice/drip?n=3&ms=2500", &[], b"")
        .unwrap();
    assert!(reply.complete);
    assert_eq!(reply.text().matches("data: ").count(), 3);
}

#[test]
fn a_stream_is_cut_by_stream_idle_only_when_asked() {
    let gateway = Gateway::with(&[("RINGWAY_STREAM_IDLE", "500ms")]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut client = Client::connect(gateway.address).unwrap();
    let reply = client
        .request("GET", "/function/vice/drip?n=2&ms=5000", &[], b"")
        .unwrap();
    assert!(!reply.complete);
    assert_eq!(reply.text().matches("data: ").count(), 1);
}
