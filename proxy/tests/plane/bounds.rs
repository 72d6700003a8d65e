//! Limits that an operator may set, at the limit and beyond it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use ringway_proxy::limits::Limits;
use ringway_proxy::{Change, Config, DriverChoice, Reject, RetryRule};

use crate::{Plane, body, config, each_config, eventually, function, line, ok, spec};

fn bounded(limits: Limits, test: impl Fn(&Plane)) {
    let of = |driver: DriverChoice| Config {
        limits,
        ..config(driver)
    };
    each_config(of, test);
}

fn shard(plane: &Plane) -> ringway_proxy::metrics::ShardSnapshot {
    plane.gateway.metrics().shards.remove(0)
}

#[test]
fn a_head_is_as_long_as_it_may_be_and_no_longer() {
    let limits = Limits {
        head_bytes_max: 1_024,
        ..Limits::default()
    };
    bounded(limits, |plane| {
        let echo = function(|head| ok(line(head)));
        plane.publisher.publish([Change::Put(spec("f", &[echo]))]);
        let sent = |len: usize| {
            let rest = "GET /function/f HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: \r\n\r\n";
            let field = format!("X: {}\r\n", "x".repeat(len - rest.len()));
            plane.call("GET /function/f", &field)
        };
        assert_eq!(line(&sent(1_024)), "HTTP/1.1 200 OK");
        assert_eq!(
            line(&sent(1_025)),
            "HTTP/1.1 431 Request Header Fields Too Large"
        );
        // One that does not end is not waited for.
        let mut stream = TcpStream::connect(plane.gateway.local_addr()).unwrap();
        let head = format!("GET /function/f HTTP/1.1\r\nX: {}", "x".repeat(1_024));
        stream.write_all(head.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
        assert_eq!(shard(plane).rejected(Reject::HeadTooLarge), 2);
    });
}

#[test]
fn a_head_has_as_much_time_as_it_may_have() {
    let limits = Limits {
        head_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    bounded(limits, |plane| {
        let mut stream = TcpStream::connect(plane.gateway.local_addr()).unwrap();
        let began = Instant::now();
        stream.write_all(b"GET /function/f HTTP/1.1\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert_eq!(line(&reply), "HTTP/1.1 408 Request Timeout");
        assert!(began.elapsed() >= Duration::from_millis(300));
        assert_eq!(shard(plane).rejected(Reject::HeadTimeout), 1);
    });
}

#[test]
fn a_shard_parks_as_many_callers_as_it_may_and_no_more() {
    let limits = Limits {
        parked_max: 2,
        ..Limits::default()
    };
    bounded(limits, |plane| {
        let rows = ["f", "g"].map(|name| Change::Put(spec(name, &[])));
        plane.publisher.publish(rows);
        let first = plane.begin("GET /function/f", "");
        let second = plane.begin("GET /function/g", "");
        eventually("two parked callers", || shard(plane).parked == 2);
        let third = plane.call("GET /function/g", "");
        assert_eq!(line(&third), "HTTP/1.1 503 Service Unavailable");
        assert_eq!(shard(plane).rejected(Reject::Parked), 1);
        let echo = function(|head| ok(line(head)));
        let rows = ["f", "g"].map(|name| Change::Put(spec(name, &[echo])));
        plane.publisher.publish(rows);
        for mut stream in [first, second] {
            let mut reply = String::new();
            stream.read_to_string(&mut reply).unwrap();
            assert_eq!(body(&reply), "GET / HTTP/1.1");
        }
    });
}

#[test]
fn a_request_is_sent_again_as_often_as_it_may_be() {
    for retries_max in [0, 1] {
        let limits = Limits {
            retries_max,
            ..Limits::default()
        };
        bounded(limits, |plane| {
            let refuses = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
            plane
                .publisher
                .publish([Change::Put(spec("f", &[refuses.unwrap()]))]);
            let reply = plane.call("GET /function/f", "");
            assert_eq!(line(&reply), "HTTP/1.1 502 Bad Gateway");
            let retried = shard(plane).retried(RetryRule::Connect);
            assert_eq!(retried, u64::from(retries_max));
        });
    }
}

#[test]
fn a_dial_has_as_much_time_as_it_may_have() {
    let limits = Limits {
        connect_timeout: Duration::from_millis(200),
        retries_max: 0,
        ..Limits::default()
    };
    bounded(limits, |plane| {
        let (full, _held) = full_backlog();
        plane.publisher.publish([Change::Put(spec("f", &[full]))]);
        let began = Instant::now();
        let reply = plane.call("GET /function/f", "");
        assert_eq!(line(&reply), "HTTP/1.1 502 Bad Gateway");
        assert!(began.elapsed() >= Duration::from_millis(200));
        assert!(began.elapsed() < Duration::from_secs(2), "the default is 3");
        assert_eq!(shard(plane).connect_errors, 1);
    });
}

/// A listener at which no further connection is completed: nobody accepts those that wait.
fn full_backlog() -> (SocketAddr, (TcpListener, Vec<TcpStream>)) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let patience = Duration::from_millis(200);
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, patience) {
        waiting.push(stream);
        assert!(waiting.len() < 10_000, "this backlog has no end");
    }
    (address, (listener, waiting))
}

#[test]
fn a_burst_of_connections_is_shared() {
    const BURST: u64 = 300;
    for driver in [DriverChoice::Epoll, DriverChoice::Auto] {
        let config = Config {
            idle_timeout: Duration::from_secs(60),
            ..config(driver)
        };
        let plane = Plane::start_with(config, 2);
        let shares = || {
            let shards = plane.gateway.metrics().shards;
            shards.iter().map(|s| s.connections).collect::<Vec<u64>>()
        };
        let connect = |_| TcpStream::connect(plane.gateway.local_addr()).unwrap();
        let clients: Vec<_> = (0..BURST).map(connect).collect();
        eventually("all to be served", || shares().iter().sum::<u64>() == BURST);
        // One in eight more than the other has is balance; a few cross on the way.
        let (most, least) = (shares()[0].max(shares()[1]), shares()[0].min(shares()[1]));
        assert!(most * 10 <= least * 13, "{most} and {least}");
        drop(clients);
    }
}
