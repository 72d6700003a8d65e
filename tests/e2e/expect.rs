//! Expect: 100-continue, interim replies.

use std::time::Duration;

use ringway_tests::{Client, Deployment, Gateway};

const HEAD: &str = "HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";

#[test]
fn the_functions_own_100_is_passed_on_once() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .send(format!("POST /function/vice/continue {HEAD}").as_bytes())
        .unwrap();
    assert_eq!(client.any_reply("POST").unwrap().status, 100);
    client.send(b"hello").unwrap();
    let reply = client.any_reply("POST").unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (200, "read 5"));
    assert_eq!(
        client
            .request("GET", "/function/vice/x", &[], b"")
            .unwrap()
            .status,
        200
    );
}

#[test]
fn a_silent_function_does_not_keep_the_body_waiting() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .send(format!("POST /function/vice/silent-continue {HEAD}").as_bytes())
        .unwrap();
    assert_eq!(client.any_reply("POST").unwrap().status, 100);
    client.send(b"hello").unwrap();
    assert_eq!(
        client.any_reply("POST").unwrap().text(),
        "read without a word"
    );
}

#[test]
fn a_final_answer_instead_of_100_ends_the_exchange() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .send(format!("POST /function/vice/refuse-body {HEAD}").as_bytes())
        .unwrap();
    let reply = client.any_reply("POST").unwrap();
    assert_eq!(reply.status, 413);
    assert!(
        client.is_closed(Duration::from_secs(5)),
        "a body that may or may not come is a desync"
    );
}

#[test]
fn unknown_expectations_are_refused() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    let reply = ringway_tests::request(
        gateway.address,
        "POST",
        "/function/vice/x",
        &[("Expect", "tea")],
        b"x",
    );
    assert_eq!(reply.unwrap().status, 417);
}

/// nginx before 1.29 takes 103 for the reply, and gives the real one to the next request of that
/// connection, whoever made it.
#[test]
fn interim_replies_that_nobody_asked_for_are_dropped_and_a_flood_of_them_is_refused() {
    let gateway = Gateway::start();
    gateway.deploy(&Deployment::vice("vice"));
    let mut client = Client::connect(gateway.address).unwrap();
    for method in ["GET", "HEAD"] {
        let head = format!("{method} /function/vice/hints HTTP/1.1\r\nHost: a\r\n\r\n");
        client.send(head.as_bytes()).unwrap();
        assert_eq!(client.any_reply(method).unwrap().status, 200);
    }
    let reply = gateway.call("GET", "/function/vice/flood?n=9", b"");
    assert_eq!(reply.status, 502);
    let reply = gateway.call("GET", "/function/vice/flood?n=8", b"");
    assert_eq!(reply.text(), "after the flood");
}
