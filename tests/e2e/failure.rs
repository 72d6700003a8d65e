//! Functions that fail, and what their callers are told.

use std::time::{Duration, Instant};

use ringway_tests::{Client, Deployment, Gateway, eventually, request, reset_when_closed};

#[test]
fn broken_replies_are_502_and_never_reused() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    for bad in [
        "garbage",
        "two-lengths",
        "length-sign",
        "fold",
        "bare-lf",
        "status",
        "switch",
        "te-http10",
    ] {
        let mut client = Client::connect(gateway.address).unwrap();
        let reply = client
            .request("GET", &format!("/function/vice/bad/{bad}"), &[], b"")
            .unwrap();
        assert_eq!(reply.status, 502, "{bad}: {}", reply.text());
        assert_eq!(
            reply.header("x-openfaas-internal"),
            Some("gateway"),
            "{bad}"
        );
        let canary = client
            .request("GET", "/function/vice/canary", &[], b"")
            .unwrap();
        assert_eq!(canary.text(), "vice GET /canary", "after {bad}");
    }
}

#[test]
fn a_stolen_reply_is_never_given_to_the_next_caller() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut client = Client::connect(gateway.address).unwrap();
    for _ in 0..20 {
        assert_eq!(
            client
                .request("GET", "/function/vice/surplus", &[], b"")
                .unwrap()
                .text(),
            "ok"
        );
        let next = client
            .request("GET", "/function/vice/next", &[], b"")
            .unwrap();
        assert_eq!(next.text(), "vice GET /next");
    }
}

#[test]
fn a_function_that_hangs_up_is_502() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    for target in ["/function/vice/end", "/function/vice/reset"] {
        for method in ["GET", "POST"] {
            let reply = gateway.call(method, target, b"");
            assert_eq!(reply.status, 502, "{method} {target}");
            assert_eq!(reply.header("x-openfaas-internal"), Some("gateway"));
        }
    }
}

#[test]
fn a_function_that_hangs_is_504() {
    let gateway = Gateway::with(&[("upstream_timeout", "1")]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    gateway.deploy_ready(
        &Deployment::vice("short").annotation("com.ringway.timeout", "300ms"),
        1,
    );
    for (name, at_least) in [("vice", 1000), ("short", 300)] {
        let started = Instant::now();
        let reply = gateway.call("POST", &format!("/function/{name}/hang"), b"body");
        assert_eq!(reply.status, 504);
        assert!(
            started.elapsed() >= Duration::from_millis(at_least),
            "{:?}",
            started.elapsed()
        );
        assert_eq!(reply.header("x-openfaas-internal"), Some("gateway"));
    }
}

#[test]
fn a_crashed_function_comes_back() {
    let gateway = Gateway::start();
    // Dies at its second request.
    let command = "sh -c 'echo crash-soon >&2; sleep 0.2; exit 3'";
    gateway.deploy(&Deployment::http("crasher", command));
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    assert_eq!(
        gateway.call("GET", "/function/vice/x", b"").status,
        200,
        "others are not touched"
    );
    let reply = request(gateway.address, "GET", "/function/vice/end", &[], b"").unwrap();
    assert_eq!(reply.status, 502);
    assert_eq!(gateway.call("GET", "/function/vice/x", b"").status, 200);
}

#[test]
fn limits_in_flight_answer_429() {
    let gateway = Gateway::start();
    gateway.deploy_ready(
        &Deployment::vice("vice").annotation("com.ringway.max-inflight", "2"),
        1,
    );
    let address = gateway.address;
    let slow = || {
        std::thread::spawn(move || {
            request(address, "GET", "/function/vice/slow?ms=700", &[], b"")
                .unwrap()
                .status
        })
    };
    let first = [slow(), slow()];
    eventually("two calls in flight", Duration::from_secs(5), || {
        let n = gateway
            .metric("gateway_function_invocation_inflight{function_name=\"vice.openfaas-fn\"}");
        (n == Some(2.0)).then_some(())
    });
    let reply = gateway.call("GET", "/function/vice/x", b"");
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (429, Some("1"))
    );
    for call in first {
        assert_eq!(call.join().unwrap(), 200);
    }
    assert_eq!(gateway.call("GET", "/function/vice/x", b"").status, 200);
}

#[test]
fn a_client_that_resets_frees_the_function() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::streaming("sleeper", "sleep 30"), 1);
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .send(b"GET /function/sleeper HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let inflight = "gateway_function_invocation_inflight{function_name=\"sleeper.openfaas-fn\"}";
    eventually("the call", Duration::from_secs(5), || {
        (gateway.metric(inflight) == Some(1.0)).then_some(())
    });
    reset_when_closed(client.stream());
    drop(client);
    eventually("the call's end", Duration::from_secs(5), || {
        (gateway.metric(inflight) == Some(0.0)).then_some(())
    });
}

/// Whoever has read a reply to its end may call again: the place is free by then.
#[test]
fn one_caller_after_another_never_meets_a_limit_of_one() {
    let gateway = Gateway::start();
    let vice = Deployment::vice("vice").annotation("com.ringway.max-inflight", "1");
    gateway.deploy_ready(&vice, 1);
    let mut clients: Vec<Client> = (0..6)
        .map(|_| Client::connect(gateway.address).unwrap())
        .collect();
    let mut refused = 0;
    for round in 0..1_500 {
        let client = &mut clients[round % 6];
        let reply = client.request("GET", "/function/vice/x", &[], b"");
        refused += usize::from(reply.unwrap().status == 429);
    }
    assert_eq!(refused, 0, "of 1,500");
}
