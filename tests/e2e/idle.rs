//! Idle connections: kept, answered again, capped in an orderly way.

use std::time::Duration;

use ringway_tests::{Client, Deployment, Gateway, eventually};

#[test]
fn idle_connections_stay_and_answer_again() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut clients: Vec<Client> = (0..200)
        .map(|_| Client::connect(gateway.address).unwrap())
        .collect();
    for client in &mut clients {
        assert_eq!(
            client
                .request("GET", "/function/vice/x", &[], b"")
                .unwrap()
                .status,
            200
        );
    }
    // Past the moment at which an idle connection gives its buffer back.
    std::thread::sleep(Duration::from_millis(1_500));
    for client in &mut clients {
        assert_eq!(
            client
                .request("GET", "/function/vice/x", &[], b"")
                .unwrap()
                .status,
            200
        );
    }
}

#[test]
fn an_idle_connection_ends_after_its_timeout() {
    for timeout in ["300ms", "1500ms"] {
        let gateway = Gateway::with(&[("RINGWAY_IDLE_TIMEOUT", timeout)]);
        gateway.deploy_ready(&Deployment::vice("vice"), 1);
        let mut client = Client::connect(gateway.address).unwrap();
        assert_eq!(
            client
                .request("GET", "/function/vice/x", &[], b"")
                .unwrap()
                .status,
            200
        );
        assert!(!client.is_closed(Duration::from_millis(100)), "{timeout}");
        assert!(client.is_closed(Duration::from_secs(5)), "{timeout}");
    }
}

#[test]
fn a_client_that_drips_its_head_is_cut_with_408() {
    let gateway = Gateway::start();
    let mut client = Client::connect(gateway.address).unwrap();
    client.send(b"GET / HTTP/1.1\r\n").unwrap();
    for _ in 0..40 {
        std::thread::sleep(Duration::from_millis(300));
        if client.send(b"X").is_err() {
            break;
        }
    }
    assert_eq!(client.reply("GET").unwrap().status, 408);
    let page = gateway.metrics_text();
    let mut counted = page
        .lines()
        .filter(|l| l.contains("reason=\"head_timeout\""));
    assert!(counted.any(|l| !l.ends_with(" 0")), "{page}");
}

#[test]
fn at_the_connection_limit_clients_wait_for_a_place() {
    let gateway = Gateway::with(&[("RINGWAY_CONNECTIONS_MAX", "8"), ("RINGWAY_SHARDS", "1")]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut holders: Vec<Client> = Vec::new();
    for _ in 0..8 {
        let mut client = Client::connect(gateway.address).unwrap();
        assert_eq!(
            client
                .request("GET", "/function/vice/x", &[], b"")
                .unwrap()
                .status,
            200
        );
        holders.push(client);
    }
    // The kernel completes these; the gateway accepts them as places fall free.
    let address = gateway.address;
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address).unwrap();
                client
                    .request("GET", "/function/vice/x", &[("Connection", "close")], b"")
                    .unwrap()
                    .status
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        waiting.iter().all(|w| !w.is_finished()),
        "nobody is refused, nobody is served"
    );
    let paused = gateway.metric("ringway_accept_paused_total{shard=\"0\"}");
    assert!(paused.is_some_and(|n| n >= 1.0), "{paused:?}");
    drop(holders);
    eventually("the waiting clients", Duration::from_secs(10), || {
        waiting
            .iter()
            .all(std::thread::JoinHandle::is_finished)
            .then_some(())
    });
    for client in waiting {
        assert_eq!(client.join().unwrap(), 200);
    }
}

#[test]
fn connections_are_spread_evenly_over_the_shards() {
    let gateway = Gateway::start();
    let mut clients = Vec::new();
    for i in 1..=60 {
        let mut client = Client::connect(gateway.address).unwrap();
        let reply = client.request("GET", "/healthz", &[], b"").unwrap();
        assert_eq!(reply.status, 200);
        clients.push(client);
        if i % 20 == 0 {
            let open = |shard| gateway.metric(&format!("ringway_connections{{shard=\"{shard}\"}}"));
            let (a, b) = (open(0).unwrap(), open(1).unwrap());
            assert!(a.max(b) <= a.min(b) * 1.25 + 2.0, "{a} and {b} of {i}");
        }
    }
    for client in &mut clients {
        let reply = client.request("GET", "/healthz", &[], b"").unwrap();
        assert_eq!(reply.status, 200);
    }
}
