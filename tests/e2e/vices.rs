//! Functions that cut their replies at any byte, half-close, or come and go.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ringway_tests::{Client, Deployment, Gateway, Reply, cut, eventually, request};

/// A gateway, and where its functions note the ids of the calls that reach them.
struct Scene {
    gateway: Gateway,
    calls: PathBuf,
}

impl Scene {
    fn start(replicas: u32) -> Self {
        let gateway = Gateway::start();
        let calls = gateway.data.path().join("calls");
        let vice = Deployment::vice("vice").env("VICE_CALLS", &calls.display().to_string());
        gateway.deploy_ready(&vice.replicas(replicas), replicas.into());
        Self { gateway, calls }
    }

    /// How often each of these calls reached a function.
    fn reached(&self, ids: &[String]) -> Vec<usize> {
        let calls = std::fs::read_to_string(&self.calls).unwrap_or_default();
        let mut counts = std::collections::HashMap::new();
        for call in calls.lines() {
            *counts.entry(call).or_insert(0) += 1;
        }
        let count = |id: &String| counts.get(id.as_str()).copied().unwrap_or(0);
        ids.iter().map(count).collect()
    }
}

/// The reply is whole, or 502, or visibly cut; never a wrong one that looks whole.
fn judge(reply: &Reply, way: &str, chunked: bool, after: usize) {
    let (head, whole) = cut::reply(chunked);
    let what = format!("{way} after {after}: {reply:?}");
    if reply.status == 502 {
        let by = reply.header("x-openfaas-internal");
        assert_eq!((by, reply.complete), (Some("gateway"), true), "{what}");
        assert!(after < whole.len() || way == "reset", "{what}");
        return;
    }
    assert_eq!(reply.status, 200, "{what}");
    let name = if chunked { "chunked" } else { "length" };
    assert_eq!(reply.header("x-cut"), Some(name), "{what}");
    assert!(after >= head.len(), "{what}");
    assert!(cut::BODY.starts_with(&reply.body), "{what}");
    if reply.complete {
        assert_eq!(
            (after, reply.body.as_slice()),
            (whole.len(), cut::BODY),
            "{what}"
        );
    } else {
        assert!(after < whole.len() || way == "reset", "{what}");
    }
}

/// One call for each number of bytes; behind each a canary, on the same connection if it is kept.
fn sweep(scene: &Scene, way: &str, ms: u64, chunked: bool, method: &str) {
    let framing = if chunked { "chunked" } else { "length" };
    let (_, whole) = cut::reply(chunked);
    let body: &[u8] = if method == "POST" { b"body" } else { b"" };
    let (mut ids, mut cuts, mut kept) = (Vec::new(), 0, 0);
    let mut client = Client::connect(scene.gateway.address).unwrap();
    for after in 0..=whole.len() {
        let id = format!("{way}-{ms}-{framing}-{method}-{after}");
        let query = format!("framing={framing}&ms={ms}&id={id}");
        let target = format!("/function/vice/{way}-after/{after}?{query}");
        let began = Instant::now();
        let reply = client.request(method, &target, &[], body);
        let reply = reply.unwrap_or_else(|e| panic!("{id}: {e}"));
        assert!(began.elapsed() < Duration::from_secs(10), "{id} hung");
        judge(&reply, way, chunked, after);
        cuts += usize::from(!reply.complete);
        if !reply.complete || reply.header("connection") == Some("close") {
            client = Client::connect(scene.gateway.address).unwrap();
        } else {
            kept += 1;
        }
        let canary = client.request("GET", "/function/vice/canary", &[], b"");
        let canary = canary.unwrap_or_else(|e| panic!("behind {id}: {e}"));
        assert_eq!(canary.text(), "vice GET /canary", "behind {id}");
        ids.push(id);
    }
    assert!(cuts > 0 && kept > 0, "{cuts} cut, {kept} kept");
    let most = if method == "POST" { 1 } else { 3 };
    for (id, reached) in ids.iter().zip(scene.reached(&ids)) {
        assert!((1..=most).contains(&reached), "{id}: {reached} times");
    }
}

fn sweeps(way: &str, ms: u64) {
    let scene = Scene::start(1);
    for chunked in [false, true] {
        for method in ["GET", "POST"] {
            sweep(&scene, way, ms, chunked, method);
        }
    }
    let open = || scene.gateway.sum("ringway_upstream_connections");
    eventually("the cut connections' end", Duration::from_secs(10), || {
        (open() <= 4.0).then_some(())
    });
}

#[test]
fn a_reply_that_is_reset_at_any_byte_is_never_taken_for_whole() {
    sweeps("reset", 0);
}

/// The bytes have been passed on by then.
#[test]
fn a_reply_that_is_reset_a_moment_later_is_never_taken_for_whole() {
    sweeps("reset", 3);
}

#[test]
fn a_reply_that_ends_at_any_byte_is_never_taken_for_whole() {
    sweeps("end", 0);
}

/// With no byte at all: the function half-closes before it replies.
#[test]
fn a_reply_that_is_half_closed_at_any_byte_is_never_taken_for_whole() {
    sweeps("half-close", 0);
}

/// The function goes on reading: what was sent to it would be lost without a sign.
#[test]
fn no_call_is_given_to_a_connection_that_is_half_closed() {
    let scene = Scene::start(1);
    let (_, whole) = cut::reply(false);
    let mut client = Client::connect(scene.gateway.address).unwrap();
    let mut ids = Vec::new();
    for round in 0..50 {
        let target = format!("/function/vice/half-close-after/{}", whole.len());
        let reply = client.request("POST", &target, &[], b"body").unwrap();
        assert_eq!(
            (reply.complete, reply.body.as_slice()),
            (true, cut::BODY),
            "{round}"
        );
        // The end is behind the reply's last byte, and may come a moment later.
        std::thread::sleep(Duration::from_millis(20));
        let id = format!("next-{round}");
        let target = format!("/function/vice/next?id={id}");
        let reply = client.request("POST", &target, &[], b"body").unwrap();
        assert_eq!(reply.text(), "vice POST /next", "{round}");
        ids.push(id);
    }
    assert_eq!(scene.reached(&ids), vec![1; 50]);
}

/// Calls for so long, a GET and a POST in turn, while one of two replicas flaps: no GET fails, no
/// POST is executed twice. How many POSTs were 502, and how many there were.
fn flap(way: &str, time: Duration) -> (usize, usize) {
    let scene = Scene::start(2);
    let gateway = &scene.gateway;
    let asked = gateway.call("GET", &format!("/function/vice/flap?way={way}"), b"");
    assert_eq!(asked.text(), "flapping");
    let address = gateway.address;
    let callers = (0..4).map(|caller| {
        std::thread::spawn(move || {
            let until = Instant::now() + time;
            let (mut posts, mut round) = (Vec::new(), 0);
            while Instant::now() < until {
                round += 1;
                let call = |method: &str, body: &[u8]| {
                    let id = format!("{method}-{caller}-{round}");
                    let target = format!("/function/vice/call?id={id}");
                    let reply = request(address, method, &target, &[], body).unwrap();
                    (id, reply)
                };
                let (id, reply) = call("GET", b"");
                assert_eq!(reply.text(), "vice GET /call", "{id}");
                let (id, reply) = call("POST", b"body");
                posts.push((id, reply.status));
            }
            posts
        })
    });
    let callers: Vec<_> = callers.collect();
    let posts = callers.into_iter().flat_map(|c| c.join().unwrap());
    let (ids, statuses): (Vec<String>, Vec<u16>) = posts.unzip();
    for ((id, status), reached) in ids.iter().zip(&statuses).zip(scene.reached(&ids)) {
        match status {
            200 => assert_eq!(reached, 1, "{id}"),
            502 => assert!(reached <= 1, "{id}: {reached} times"),
            other => panic!("{id}: {other}"),
        }
    }
    let hurt = gateway.sum("ringway_retries_total");
    assert!(hurt > 0.0, "the replica that flaps was never met");
    let lost = statuses.iter().filter(|status| **status == 502);
    (lost.count(), statuses.len())
}

/// A connection that cannot be made is tried elsewhere, whatever the method. What a POST sees is a
/// connection that was made, and lay in the backlog when the listener closed: the kernel has taken
/// its bytes, and nobody can tell whether the function did.
#[test]
fn no_get_fails_while_one_of_two_replicas_refuses_now_and_then() {
    let (lost, all) = flap("refuse", Duration::from_secs(5));
    assert!(lost * 50 < all, "{lost} of {all} POSTs were 502");
}

/// A POST is 502 when its connection was reset after the kernel had taken its bytes: it may have
/// been read, and is not sent again.
#[test]
fn no_get_fails_while_one_of_two_replicas_resets_every_other_connection() {
    let (lost, all) = flap("reset", Duration::from_secs(3));
    assert!(lost * 50 < all, "{lost} of {all} POSTs were 502");
}
