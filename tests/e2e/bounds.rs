//! Limits of the whole gateway: connections per client, memory for buffers.

use std::net::TcpStream;
use std::time::Duration;

use ringway_tests::{Client, Deployment, Gateway, eventually, request};

const REFUSED: &str = "ringway_client_connections_refused_total";

#[test]
fn a_client_has_as_many_connections_as_it_may_and_no_more() {
    let gateway = Gateway::with(&[("RINGWAY_CONNECTIONS_PER_CLIENT_MAX", "3")]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let ask = |client: &mut Client| client.request("GET", "/function/vice/x", &[], b"");
    // The ones that deployed are on their way out.
    let mut clients: Vec<Client> = Vec::new();
    eventually("three connections", Duration::from_secs(5), || {
        let mut client = Client::connect(gateway.address).ok()?;
        if ask(&mut client).is_ok_and(|r| r.status == 200) {
            clients.push(client);
        }
        (clients.len() == 3).then_some(())
    });
    let before = gateway.sum(REFUSED);
    let mut fourth = Client::connect(gateway.address).unwrap();
    assert!(ask(&mut fourth).is_err(), "closed without a word");
    assert!(clients.iter_mut().all(|c| ask(c).unwrap().status == 200));
    assert!(gateway.sum(REFUSED) > before);
    clients.pop();
    eventually("a place", Duration::from_secs(5), || {
        let mut client = Client::connect(gateway.address).ok()?;
        ask(&mut client)
            .is_ok_and(|r| r.status == 200)
            .then_some(())
    });
}

#[test]
fn trusted_proxies_are_not_counted_as_clients() {
    let gateway = Gateway::with(&[
        ("RINGWAY_CONNECTIONS_PER_CLIENT_MAX", "1"),
        ("RINGWAY_TRUSTED_PROXIES", "127.0.0.0/8"),
    ]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut clients: Vec<Client> = (0..5)
        .map(|_| Client::connect(gateway.address).unwrap())
        .collect();
    for client in &mut clients {
        let reply = client.request("GET", "/function/vice/x", &[], b"").unwrap();
        assert_eq!(reply.status, 200);
    }
}

#[test]
fn out_of_memory_calls_are_refused_and_the_gateway_lives() {
    let gateway = Gateway::with(&[("RINGWAY_MEMORY", "8MiB"), ("RINGWAY_SHARDS", "1")]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut kept = Client::connect(gateway.address).unwrap();
    let ask = |client: &mut Client| client.request("GET", "/function/vice/x", &[], b"").unwrap();
    assert_eq!(ask(&mut kept).status, 200);
    let before = gateway.resident_kib();
    // Uploads that stall hold a buffer each.
    let head = b"POST /function/vice/hang HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\nxxxx";
    let mut stalled: Vec<TcpStream> = Vec::new();
    let refused = eventually("memory to run out", Duration::from_secs(20), || {
        for _ in 0..50 {
            // At the limit nothing more is accepted: the kernel's queue holds the rest.
            let Ok(mut stream) = TcpStream::connect(gateway.address) else {
                break;
            };
            let _ = std::io::Write::write_all(&mut stream, head);
            stalled.push(stream);
        }
        let reply = ask(&mut kept);
        (reply.status == 503).then_some(reply)
    });
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(refused.text().contains("memory"), "{}", refused.text());
    let rejected = gateway.metrics_text();
    let rejected = rejected.lines().find(|l| l.contains("reason=\"memory\""));
    assert!(rejected.is_some_and(|l| !l.ends_with(" 0")), "{rejected:?}");
    // The control plane is reached all the same.
    let health = kept.request("GET", "/healthz", &[], b"").unwrap();
    assert_eq!(health.status, 200);
    std::thread::sleep(Duration::from_millis(500));
    let grown = gateway.resident_kib() - before;
    assert!(grown < 40 * 1024, "{grown} KiB for 8 MiB of buffers");
    drop(stalled);
    eventually("room", Duration::from_secs(10), || {
        (ask(&mut kept).status == 200).then_some(())
    });
    let reply = request(gateway.address, "GET", "/function/vice/x", &[], b"");
    assert_eq!(reply.unwrap().status, 200);
}

#[test]
fn a_body_may_be_slow_but_may_not_stand_still() {
    let gateway = Gateway::with(&[("read_timeout", "1s"), ("RINGWAY_SHARDS", "1")]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let head = b"POST /function/vice/slow?ms=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n";
    let mut slow = Client::connect(gateway.address).unwrap();
    slow.send(head).unwrap();
    for _ in 0..6 {
        std::thread::sleep(Duration::from_millis(300));
        slow.send(b"x").unwrap();
    }
    assert_eq!(slow.reply("POST").unwrap().status, 200);
    let mut still = Client::connect(gateway.address).unwrap();
    still.send(head).unwrap();
    still.send(b"x").unwrap();
    assert_eq!(still.reply("POST").unwrap().status, 408);
    let rejected = gateway.metric("ringway_rejects_total{reason=\"body_timeout\"}");
    assert_eq!(rejected, Some(1.0));
    assert!(still.is_closed(Duration::from_secs(5)));
}

#[test]
fn a_client_that_takes_nothing_is_let_go() {
    let gateway = Gateway::with(&[("write_timeout", "1s"), ("RINGWAY_SHARDS", "1")]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut deaf = Client::connect(gateway.address).unwrap();
    let head = b"GET /function/vice/bulk?size=100000000 HTTP/1.1\r\nHost: a\r\n\r\n";
    deaf.send(head).unwrap();
    eventually("the end of its call", Duration::from_secs(10), || {
        (gateway.sum("ringway_client_aborts_total") >= 1.0).then_some(())
    });
    let reply = deaf.reply("GET").unwrap();
    assert!(!reply.complete && reply.body.len() < 100_000_000);
}

#[test]
fn the_metrics_listener_cannot_be_worn_out() {
    let gateway = Gateway::start();
    let before = gateway.descriptors();
    let silent: Vec<_> = (0..80)
        .map(|_| TcpStream::connect(gateway.metrics).unwrap())
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    let grown = gateway.descriptors().saturating_sub(before);
    // 64, and what a gateway that has just started opens besides.
    assert!(grown < 75, "{grown} descriptors for 80 connections");
    // The first of them must have ended for want of a head, those behind them too.
    eventually("an answer", Duration::from_secs(60), || {
        let mut client = Client::connect(gateway.metrics).ok()?;
        let reply = client.request("GET", "/healthz", &[], b"").ok()?;
        (reply.status == 200).then_some(())
    });
    drop(silent);
}

#[test]
fn queued_calls_do_not_count_as_a_client() {
    let gateway = Gateway::with(&[("RINGWAY_CONNECTIONS_PER_CLIENT_MAX", "2")]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut ids = Vec::new();
    let mut client = Client::connect(gateway.address).unwrap();
    for _ in 0..10 {
        let target = "/async-function/vice/slow?ms=300";
        let reply = client.request("POST", target, &[], b"").unwrap();
        assert_eq!(reply.status, 202, "{}", reply.text());
        ids.push(reply.header("x-job-id").unwrap().to_owned());
    }
    for id in ids {
        eventually("its end", Duration::from_secs(20), || {
            let reply = client.request("GET", &format!("/async-function/{id}"), &[], b"");
            let text = reply.ok()?.text();
            let attempts = text.contains("\"attempts\":1");
            (text.contains("\"state\":\"done\"") && attempts).then_some(())
        });
    }
}
