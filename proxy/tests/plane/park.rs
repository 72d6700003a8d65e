//! Callers of a function without an endpoint, and how they are let go.

use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use ringway_proxy::{Change, FunctionSpec, Settings};

use crate::{Plane, Told, body, each_driver, eventually, function, line, ok, spec};

/// Parks `n` callers of `f`, whose row has no endpoint.
fn crowd(plane: &Plane, n: usize) -> Vec<TcpStream> {
    plane.publisher.publish([Change::Put(spec("f", &[]))]);
    let callers = (0..n).map(|i| plane.begin(&format!("GET /function/f/{i}"), ""));
    let callers = callers.collect();
    parked(plane, n);
    assert_eq!(
        plane.told.try_iter().collect::<Vec<_>>(),
        [Told::Wanted("f".into())]
    );
    callers
}

fn parked(plane: &Plane, n: usize) {
    eventually(&format!("{n} parked callers"), || {
        let metrics = plane.gateway.metrics();
        let functions: u64 = metrics.functions.iter().map(|f| f.parked).sum();
        metrics.shards[0].parked == n as u64
            && (metrics.functions.is_empty() || functions == n as u64)
    });
}

fn reply(mut stream: TcpStream) -> String {
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

#[test]
fn a_crowd_is_answered_whole() {
    each_driver(|plane| {
        let callers = crowd(plane, 200);
        let echo = function(|head| ok(line(head)));
        plane.publisher.publish([Change::Put(spec("f", &[echo]))]);
        let newcomer = plane.begin("GET /function/f/new", "");
        for (i, caller) in callers.into_iter().enumerate() {
            assert_eq!(body(&reply(caller)), format!("GET /{i} HTTP/1.1"));
        }
        assert_eq!(body(&reply(newcomer)), "GET /new HTTP/1.1");
        parked(plane, 0);
    });
}

/// Where calls hang until it opens.
#[derive(Default)]
struct Gate {
    arrived: AtomicUsize,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn pass(&self) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open.lock();
        self.opened.wait_while(&mut open, |open| !*open);
    }

    fn open(&self) {
        *self.open.lock() = true;
        self.opened.notify_all();
    }
}

#[test]
fn calls_that_hang_do_not_hold_the_rest() {
    each_driver(|plane| {
        let callers = crowd(plane, 100);
        let gate = Arc::new(Gate::default());
        let at_gate = Arc::clone(&gate);
        let hanging = function(move |_| {
            at_gate.pass();
            ok("late")
        });
        plane
            .publisher
            .publish([Change::Put(spec("f", &[hanging]))]);
        eventually("every call at the function", || {
            gate.arrived.load(Ordering::Relaxed) == 100
        });
        parked(plane, 0);
        gate.open();
        for caller in callers {
            assert_eq!(body(&reply(caller)), "late");
        }
    });
}

#[test]
fn a_refused_connection_lets_the_next_go() {
    each_driver(|plane| {
        let callers = crowd(plane, 100);
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = gone.local_addr().unwrap();
        drop(gone);
        plane
            .publisher
            .publish([Change::Put(spec("f", &[address]))]);
        for caller in callers {
            assert_eq!(line(&reply(caller)), "HTTP/1.1 502 Bad Gateway");
        }
        parked(plane, 0);
    });
}

#[test]
fn deleting_the_function_answers_its_callers() {
    each_driver(|plane| {
        let callers = crowd(plane, 50);
        plane.publisher.publish([
            Change::Remove(spec("f", &[]).id),
            Change::PutUnknown(spec("any", &[function(|_| ok("any"))])),
        ]);
        for caller in callers {
            assert_eq!(line(&reply(caller)), "HTTP/1.1 404 Not Found");
        }
        parked(plane, 0);
    });
}

#[test]
fn tables_that_come_and_go_lose_nobody() {
    each_driver(|plane| {
        let callers = crowd(plane, 300);
        let echo = function(|head| ok(line(head)));
        for _ in 0..20 {
            plane.publisher.publish([Change::Put(spec("f", &[echo]))]);
            std::thread::yield_now();
            plane.publisher.publish([Change::Put(spec("f", &[]))]);
        }
        plane.publisher.publish([
            Change::Remove(spec("f", &[]).id),
            Change::Put(spec("f", &[echo])),
        ]);
        for (i, caller) in callers.into_iter().enumerate() {
            assert_eq!(body(&reply(caller)), format!("GET /{i} HTTP/1.1"));
        }
        parked(plane, 0);
    });
}

#[test]
fn callers_that_leave_are_forgotten() {
    each_driver(|plane| {
        let mut callers = crowd(plane, 60);
        callers.truncate(20);
        parked(plane, 20);
        let echo = function(|head| ok(line(head)));
        plane.publisher.publish([Change::Put(spec("f", &[echo]))]);
        for (i, caller) in callers.into_iter().enumerate() {
            assert_eq!(body(&reply(caller)), format!("GET /{i} HTTP/1.1"));
        }
        parked(plane, 0);
    });
}

#[test]
fn a_full_room_and_a_long_wait_are_503() {
    each_driver(|plane| {
        let settings = Settings {
            parked_max: Some(3),
            deadline: Some(Duration::from_secs(2)),
            ..Settings::default()
        };
        plane.publisher.publish([Change::Put(FunctionSpec {
            settings,
            ..spec("f", &[])
        })]);
        let callers: Vec<_> = (0..3).map(|_| plane.begin("GET /function/f", "")).collect();
        parked(plane, 3);
        let full = plane.call("GET /function/f", "");
        assert!(full.contains("too many calls wait"), "{full}");
        for reply in callers.into_iter().map(reply).chain([full]) {
            assert_eq!(line(&reply), "HTTP/1.1 503 Service Unavailable");
            assert!(reply.contains("Retry-After: 1\r\n"), "{reply}");
        }
        parked(plane, 0);
    });
}
