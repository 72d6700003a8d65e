//! Where calls go, and which path they have there.

use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use ringway_proxy::limits::UNREADY_EVERY;
use ringway_proxy::{Change, Forward, FunctionSpec};

use crate::{Told, body, each_driver, eventually, function, kept, line, ok, spec};

#[test]
fn a_provider_gets_the_path_as_it_was_sent() {
    each_driver(|plane| {
        let echo = function(|head| ok(line(head)));
        plane.publisher.publish(["", "/base"].map(|prefix| {
            let name = format!("f{}", prefix.len());
            Change::Put(FunctionSpec {
                forward: Forward::Kept {
                    prefix: prefix.into(),
                },
                ..spec(&name, &[echo])
            })
        }));
        for rest in ["", "/", "/a%2Fb;c//d?e=%20&f=/..", "?", "/%E2%82%AC|~"] {
            let reply = plane.call(&format!("GET /function/f0{rest}"), "");
            assert_eq!(body(&reply), format!("GET /function/f0{rest} HTTP/1.1"));
            let reply = plane.call(&format!("POST /function/f5.openfaas-fn{rest}"), "");
            let sent = format!("POST /base/function/f5.openfaas-fn{rest} HTTP/1.1");
            assert_eq!(body(&reply), sent);
        }
    });
}

#[test]
fn unknown_names_go_to_their_row_and_are_counted_there() {
    each_driver(|plane| {
        let status = |target: &str| {
            let reply = plane.call(&format!("GET {target}"), "");
            line(&reply).to_owned()
        };
        let missing = function(|_| "HTTP/1.1 404 no\r\nContent-Length: 0\r\n\r\n".to_owned());
        plane
            .publisher
            .publish([Change::Put(spec("known", &[function(|_| ok("known"))]))]);
        assert_eq!(status("/function/other"), "HTTP/1.1 404 Not Found");
        plane.publisher.publish([Change::PutUnknown(FunctionSpec {
            forward: Forward::Kept {
                prefix: Arc::default(),
            },
            ..spec("any", &[missing])
        })]);
        assert_eq!(status("/function/other/x"), "HTTP/1.1 404 no");
        assert_eq!(status("/function/any"), "HTTP/1.1 404 no");
        assert_eq!(status("/function/known"), "HTTP/1.1 200 OK");
        // Not a function's path: the control plane, which is not there.
        assert_eq!(status("/function/a,b"), "HTTP/1.1 503 Service Unavailable");
        let metrics = plane.gateway.metrics();
        let unknown = metrics.unknown.unwrap();
        assert_eq!((unknown.started, unknown.codes[0].code), (2, 404));
        assert_eq!(metrics.functions.len(), 1);
        assert_eq!(metrics.functions[0].started, 1);
        plane
            .publisher
            .publish([Change::PutUnknown(spec("any", &[]))]);
        assert_eq!(status("/function/other"), "HTTP/1.1 502 Bad Gateway");
        assert!(
            plane.told.try_recv().is_err(),
            "nobody was asked to start it"
        );
        plane.publisher.publish([Change::RemoveUnknown]);
        assert_eq!(status("/function/other"), "HTTP/1.1 404 Not Found");
        assert!(plane.gateway.metrics().unknown.is_none());
    });
}

#[test]
fn a_provider_without_a_replica_is_told_of() {
    const REPLY: &str = "HTTP/1.1 503 none\r\nContent-Length: 2\r\n\
        x-openfaas-internal: faas-netes\r\n\r\nno";
    each_driver(|plane| {
        let provider = function(|head| match line(head) {
            "GET /function/f/own HTTP/1.1" => REPLY.replace("x-openfaas-internal", "x-other"),
            "GET /function/f/500 HTTP/1.1" => REPLY.replace("503", "500"),
            _ => REPLY.to_owned(),
        });
        plane.publisher.publish([
            Change::Put(kept("f", provider)),
            // Without a provider in between the word is the function's own.
            Change::Put(spec("direct", &[provider])),
            Change::PutUnknown(kept("any", provider)),
        ]);
        for quiet in [
            "/function/f/own",
            "/function/f/500",
            "/function/other",
            "/function/direct",
        ] {
            plane.call(&format!("GET {quiet}"), "");
        }
        assert!(plane.told.try_recv().is_err());
        let begun = Instant::now();
        for _ in 0..3 {
            let reply = plane.call("GET /function/f", "");
            assert!(reply.starts_with("HTTP/1.1 503 none\r\n"), "{reply}");
            assert!(
                reply.contains("x-openfaas-internal: faas-netes\r\n"),
                "{reply}"
            );
            assert_eq!(body(&reply), "no");
        }
        let told: Vec<Told> = plane.told.try_iter().collect();
        assert_eq!(told[0], Told::Unready("f".into()));
        let intervals = begun.elapsed().as_millis() / UNREADY_EVERY.as_millis();
        assert!(told.len() as u128 <= 1 + intervals, "{told:?}");
        // And again, once the interval is over.
        eventually("a second report", || {
            plane.call("GET /function/f", "");
            plane.told.try_recv() == Ok(Told::Unready("f".into()))
        });
    });
}

/// Until somebody has found out, callers wait for what is found.
#[test]
fn callers_of_a_doubted_function_wait_for_its_next_row() {
    each_driver(|plane| {
        let none = "HTTP/1.1 503 none\r\nContent-Length: 0\r\nX-OpenFaaS-Internal: proxy\r\n\r\n";
        let empty = function(move |_| none.to_owned());
        let good = function(|head| ok(line(head)));
        for found in ["doubted-and-moved", "doubted-and-gone"] {
            plane.publisher.publish([Change::Put(kept(found, empty))]);
            let target = format!("GET /function/{found}");
            assert!(plane.call(&target, "").starts_with("HTTP/1.1 503"));
            assert_eq!(plane.told.recv().unwrap(), Told::Unready(found.into()));
            let mut waiting = plane.begin(&target, "");
            eventually("a parked caller", || {
                plane.gateway.metrics().shards[0].parked == 1
            });
            // A table that moves for another function's sake answers nothing.
            plane.publisher.publish([Change::Put(kept("other", good))]);
            assert!(
                plane
                    .call("GET /function/other", "")
                    .starts_with("HTTP/1.1 200")
            );
            assert_eq!(plane.gateway.metrics().shards[0].parked, 1);
            let (change, status) = if found.ends_with("gone") {
                (Change::Remove(kept(found, good).id), "HTTP/1.1 404")
            } else {
                (Change::Put(kept(found, good)), "HTTP/1.1 200")
            };
            plane.publisher.publish([change]);
            let mut reply = String::new();
            waiting.read_to_string(&mut reply).unwrap();
            assert!(reply.starts_with(status), "{found}: {reply}");
            assert!(
                plane.told.try_recv().is_err(),
                "nobody is asked for a replica"
            );
        }
    });
}

#[test]
fn a_shard_that_serves_measures_its_lag_and_one_that_sleeps_does_not() {
    each_driver(|plane| {
        let lag = || plane.gateway.metrics().shards[0].loop_lag_micros;
        assert_eq!(lag(), 0);
        let idle = TcpStream::connect(plane.gateway.local_addr()).unwrap();
        // Timers fire at whole milliseconds: no tick is on time to the microsecond.
        eventually("a lag", || lag() > 0);
        drop(idle);
        // The ticker sleeps when the connection's last deadline has passed, `idle_timeout`.
        eventually("no lag once the shard sleeps", || lag() == 0);
    });
}
