//! Callers of a function without a replica wait; those who leave are forgotten.

use std::time::{Duration, Instant};

use ringway_tests::{Client, Deployment, Gateway, eventually, request};

#[test]
fn callers_wait_for_the_first_replica() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice").env("VICE_START_MS", "700"));
    let address = gateway.address;
    let calls: Vec<_> = (0..50)
        .map(|i| {
            std::thread::spawn(move || {
                let body = vec![b'b'; 100_000];
                request(address, "POST", &format!("/function/vice/{i}"), &[], &body)
                    .unwrap()
                    .text()
            })
        })
        .collect();
    for (i, call) in calls.into_iter().enumerate() {
        assert_eq!(call.join().unwrap(), format!("vice POST /{i}"));
    }
}

#[test]
fn without_a_replica_in_time_it_is_503() {
    let gateway = Gateway::with(&[("upstream_timeout", "1")]);
    gateway.deploy(&Deployment::vice("vice").env("VICE_EXIT", "1"));
    let started = Instant::now();
    let reply = gateway.call("POST", "/function/vice/x", b"body");
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("1")),
        "{}",
        reply.text()
    );
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[test]
fn deleting_the_function_answers_its_parked_callers() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice").env("VICE_EXIT", "1"));
    let address = gateway.address;
    let call = std::thread::spawn(move || {
        request(address, "GET", "/function/vice/x", &[], b"")
            .unwrap()
            .status
    });
    parked(&gateway, 1.0);
    assert_eq!(
        gateway
            .call("DELETE", "/system/functions", br#"{"functionName":"vice"}"#)
            .status,
        200
    );
    assert_eq!(call.join().unwrap(), 404);
}

#[test]
fn a_parked_caller_that_leaves_is_forgotten() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice").env("VICE_EXIT", "1"));
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .send(b"GET /function/vice/x HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    parked(&gateway, 1.0);
    drop(client);
    parked(&gateway, 0.0);
}

fn parked(gateway: &Gateway, n: f64) {
    eventually(
        &format!("{n} parked callers"),
        Duration::from_secs(5),
        || {
            let shards =
                (0..2).filter_map(|i| gateway.metric(&format!("ringway_parked{{shard=\"{i}\"}}")));
            (shards.sum::<f64>() == n).then_some(())
        },
    );
}
