//! Requests that the control plane refuses without reading their bodies: the refusal arrives,
//! whatever the body's size and pace.

use ringway_tests::{Client, Credentials, Gateway, request};

const ROUNDS: usize = 60;

/// No JSON, or more of it than is read.
fn bad_body(size: usize) -> u16 {
    if size > 1024 * 1024 { 413 } else { 400 }
}

fn sizes() -> [usize; 5] {
    [2, 500, 20_000, 200_000, 3_000_000]
}

#[test]
fn a_refusal_of_a_request_with_a_body_arrives() {
    let credentials = Credentials::new("admin", "secret");
    let gateway = Gateway::guarded(&credentials, &[]);
    let good = credentials.header();
    let mut wrong = Vec::new();
    for size in sizes() {
        let body = vec![b'x'; size];
        for _ in 0..ROUNDS.min(30_000_000 / size) {
            for (method, target, authorization, status) in [
                ("PATCH", "/system/alert", good.as_str(), 405),
                ("POST", "/system/info", good.as_str(), 405),
                ("POST", "/nothing", good.as_str(), 404),
                ("POST", "/system/functions", "Basic eDp5", 401),
                ("DELETE", "/system/secrets", "", 401),
                ("PUT", "/system/secrets", good.as_str(), bad_body(size)),
            ] {
                let headers = [("Authorization", authorization)];
                let reply = request(gateway.address, method, target, &headers, &body);
                let got = reply.map(|r| (r.status, r.text()));
                if !got.as_ref().is_ok_and(|(got, _)| *got == status) {
                    wrong.push(format!("{method} {target} with {size} bytes: {got:?}"));
                }
            }
        }
    }
    let shown = wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of them:\n{shown}", wrong.len());
}

/// Many clients send the head first, and the body in a packet of its own.
#[test]
fn a_refusal_arrives_when_the_body_comes_in_its_own_packet() {
    let gateway = Gateway::guarded(&Credentials::new("admin", "secret"), &[]);
    let mut wrong = 0;
    for _ in 0..400 {
        let mut client = Client::connect(gateway.address).unwrap();
        client
            .send(b"POST /system/functions HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\n")
            .unwrap();
        client.send(&[b'x'; 300]).unwrap();
        let reply = client.reply("POST");
        wrong += usize::from(!reply.is_ok_and(|r| r.status == 401));
    }
    assert_eq!(wrong, 0, "of 400");
}

#[test]
fn a_refusal_arrives_while_the_body_is_still_to_come() {
    let gateway = Gateway::guarded(&Credentials::new("admin", "secret"), &[]);
    for pieces in [0, 1, 20] {
        let mut client = Client::connect(gateway.address).unwrap();
        client
            .send(b"POST /system/functions HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
            .unwrap();
        for _ in 0..pieces {
            // It may have been refused by now.
            let _ = client.send(&[b'x'; 1000]);
        }
        assert_eq!(client.reply("POST").unwrap().status, 401, "{pieces}");
    }
}

#[test]
fn a_kept_connection_stays_in_step_behind_refusals() {
    let credentials = Credentials::new("admin", "secret");
    let gateway = Gateway::guarded(&credentials, &[]);
    let good = credentials.header();
    let mut client = Client::connect(gateway.address).unwrap();
    for round in 0..200 {
        for (method, target, authorization, status) in [
            ("PATCH", "/system/alert", good.as_str(), 405),
            ("POST", "/system/functions", "Basic eDp5", 401),
            ("GET", "/system/functions", good.as_str(), 200),
        ] {
            let headers = [("Authorization", authorization)];
            let body: &[u8] = if status == 200 { b"" } else { &[b'x'; 300] };
            let reply = client.request(method, target, &headers, body);
            let reply = reply.unwrap_or_else(|e| panic!("{method} {target} in round {round}: {e}"));
            assert_eq!(reply.status, status, "{method} {target} in round {round}");
            if reply.header("connection") == Some("close") {
                client = Client::connect(gateway.address).unwrap();
            }
        }
    }
}
