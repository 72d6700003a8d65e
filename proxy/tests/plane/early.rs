//! Functions that answer before they have read the request, and the request behind it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use ringway_proxy::Change;

use super::{Plane, each_driver, function, ok, one_call_each, spec};

const EARLY: &str = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno";

/// A function that answers a head and closes, whatever follows.
fn hasty() -> SocketAddr {
    one_call_each(|_| Some(EARLY.to_owned()))
}

fn connect(plane: &Plane) -> TcpStream {
    let stream = TcpStream::connect(plane.gateway.local_addr()).unwrap();
    let patience = std::time::Duration::from_secs(10);
    stream.set_read_timeout(Some(patience)).unwrap();
    stream
}

/// Reads up to this end; what there was.
fn read_to(stream: &mut TcpStream, end: &str) -> String {
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.ends_with(end.as_bytes()) {
        match stream.read_exact(&mut byte) {
            Ok(()) => seen.push(byte[0]),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(e) => panic!("{e} behind {:?}", String::from_utf8_lossy(&seen)),
        }
    }
    String::from_utf8(seen).unwrap()
}

#[test]
fn the_next_request_is_found_behind_a_body_that_nobody_wanted() {
    each_driver(|plane| {
        let waits = function(|head| {
            let early = head.contains("POST /early ");
            if early { EARLY.to_owned() } else { ok("next") }
        });
        let next = function(|_| ok("next"));
        plane.publisher.publish([
            Change::Put(spec("waits", &[waits])),
            Change::Put(spec("hasty", &[hasty()])),
            Change::Put(spec("next", &[next])),
        ]);
        let body = "b".repeat(1_000_000);
        let large = format!("f4240\r\n{body}\r\n0\r\n\r\n");
        for name in ["waits", "hasty"] {
            for (framing, body) in [
                ("Content-Length: 46", &body[..46]),
                ("Content-Length: 1000000", &body),
                (
                    "Transfer-Encoding: chunked",
                    "3\r\nabc\r\n0\r\nX-Trailer: t\r\n\r\n",
                ),
                ("Transfer-Encoding: chunked", &large),
            ] {
                let mut client = connect(plane);
                for _ in 0..3 {
                    let head = format!(
                        "POST /function/{name}/early HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"
                    );
                    client.write_all(head.as_bytes()).unwrap();
                    let reply = read_to(&mut client, "\r\n\r\nno");
                    assert!(
                        reply.starts_with("HTTP/1.1 413 "),
                        "{name}, {framing}: {reply}"
                    );
                    assert!(!reply.contains("Connection:"), "{reply}");
                    client.write_all(body.as_bytes()).unwrap();
                    client
                        .write_all(b"GET /function/next HTTP/1.1\r\nHost: a\r\n\r\n")
                        .unwrap();
                    let reply = read_to(&mut client, "\r\n\r\nnext");
                    assert!(
                        reply.starts_with("HTTP/1.1 200 OK\r\n"),
                        "{name}, {framing}: {reply}"
                    );
                }
            }
        }
    });
}

/// Who waits for 100 and gets an answer may leave the body out, or not: no byte behind it can be
/// told from the next request.
#[test]
fn a_connection_ends_behind_an_answer_to_who_waits_for_100() {
    each_driver(|plane| {
        plane
            .publisher
            .publish([Change::Put(spec("f", &[hasty()]))]);
        let mut client = connect(plane);
        client
            .write_all(
                b"POST /function/f HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
            )
            .unwrap();
        let reply = read_to(&mut client, "\r\n\r\nno");
        assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
        assert!(reply.contains("\r\nConnection: close\r\n"), "{reply}");
        assert_eq!(read_to(&mut client, "never"), "");
    });
}

/// A client that sends no more of its body, and nothing else, is not waited for.
#[test]
fn a_body_that_does_not_come_ends_the_connection() {
    each_driver(|plane| {
        plane
            .publisher
            .publish([Change::Put(spec("f", &[hasty()]))]);
        let mut client = connect(plane);
        client
            .write_all(b"POST /function/f HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nsome")
            .unwrap();
        let reply = read_to(&mut client, "\r\n\r\nno");
        assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
        assert_eq!(read_to(&mut client, "never"), "");
    });
}

#[test]
fn a_refusal_of_head_has_no_body() {
    each_driver(|plane| {
        for line in ["HEAD /function/f/%2e%2e/", "HEAD /function/none"] {
            let reply = plane.call(line, "");
            assert!(reply.starts_with("HTTP/1.1 4"), "{reply}");
            assert!(reply.ends_with("\r\n\r\n"), "{reply}");
        }
        let reply = plane.call("HEAD /function/f", "Expect: x\r\n");
        assert!(
            reply.starts_with("HTTP/1.1 417 ") && reply.ends_with("\r\n\r\n"),
            "{reply}"
        );
    });
}
