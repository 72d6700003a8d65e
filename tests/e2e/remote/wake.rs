//! A function at zero behind a provider: woken once, everybody answered; a ready one costs the
//! provider nothing.

use std::time::{Duration, Instant};

use ringway_tests::provider::{Kind, Options, Provider, Readiness};
use ringway_tests::server::{Answer, Vice};
use ringway_tests::{Client, Gateway, eventually, raise_descriptor_limit};
use serde_json::json;

const SCALE: &str = "POST /system/scale-function/one";

fn at_zero(kind: Kind, readiness: Readiness, settings: &[(&str, &str)]) -> (Provider, Gateway) {
    let provider = Provider::with(Options::of(kind).with_zero());
    provider.add_document(&json!({"service": "one", "image": "i"}), readiness, 0);
    let gateway = Gateway::behind(&provider, settings);
    (provider, gateway)
}

#[test]
fn a_thousand_callers_wake_a_function_once() {
    raise_descriptor_limit();
    for kind in [Kind::Netes, Kind::Faasd] {
        let readiness = Readiness::After(Duration::from_millis(400));
        let (provider, gateway) = at_zero(kind, readiness, &[]);
        provider.script(SCALE, Vice::Late(Duration::from_millis(200)));
        let mut clients: Vec<Client> = (0..1_000)
            .map(|_| Client::connect(gateway.address).unwrap())
            .collect();
        for (i, client) in clients.iter_mut().enumerate() {
            let head = format!(
                "POST /function/one/{i} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
            );
            client.send(head.as_bytes()).unwrap();
        }
        for (i, client) in clients.iter_mut().enumerate() {
            let reply = client.reply("POST").unwrap();
            assert_eq!(reply.status, 200, "{kind:?} {i}: {}", reply.text());
            assert!(
                reply
                    .text()
                    .starts_with(&format!("POST /function/one/{i} ")),
                "{i}"
            );
        }
        assert_eq!(provider.count(SCALE), 1, "{kind:?}");
        let asked = provider.count("GET /system/function/one");
        assert!(
            asked < 100,
            "{kind:?}: asked {asked} times for 1,000 callers"
        );
        let scaled = provider.requests(SCALE)[0].json();
        assert_eq!(
            (&scaled["serviceName"], &scaled["replicas"]),
            (&json!("one"), &json!(1))
        );
    }
}

#[test]
fn a_function_wakes_with_its_smallest_number_of_replicas() {
    for (min, replicas) in [("3", 3), ("none", 1), ("", 1), ("0", 1)] {
        let provider = Provider::start(Kind::Netes);
        let labels = json!({"com.openfaas.scale.min": min, "com.openfaas.scale.factor": "0"});
        let document = json!({"service": "one", "image": "i", "labels": labels});
        provider.add_document(&document, Readiness::AtOnce, 0);
        let gateway = Gateway::behind(&provider, &[]);
        assert_eq!(
            gateway.call("GET", "/function/one/x", b"").status,
            200,
            "{min:?}"
        );
        assert_eq!(provider.replicas("one"), Some(replicas), "{min:?}");
    }
}

#[test]
fn a_ready_function_costs_no_request_of_the_provider() {
    let provider = Provider::start(Kind::Netes);
    provider.add("one", Readiness::AtOnce);
    let gateway = Gateway::behind(&provider, &[]);
    let mut client = Client::connect(gateway.address).unwrap();
    assert_eq!(
        client
            .request("GET", "/function/one/x", &[], b"")
            .unwrap()
            .status,
        200
    );
    provider.server().forget();
    let started = Instant::now();
    for _ in 0..300 {
        let reply = client.request("GET", "/function/one/x", &[], b"").unwrap();
        assert_eq!(reply.status, 200);
    }
    assert_eq!(provider.count("/function/one"), 300);
    for asks in ["/system/function/", "/system/scale-function/"] {
        assert_eq!(provider.count(asks), 0, "{asks}");
    }
    // What is left is the watch, every five seconds.
    let polls = provider.count("/system/functions");
    let rounds = usize::try_from(started.elapsed().as_secs() / 5).unwrap_or(0);
    assert!(
        polls <= rounds + 1,
        "{polls} lists in {:?}",
        started.elapsed()
    );
}

/// Somebody else scaled it to zero: the table still says that it is ready.
#[test]
fn a_providers_503_is_believed_and_the_function_woken() {
    for kind in [Kind::Netes, Kind::Faasd] {
        let provider = Provider::with(Options::of(kind).with_zero());
        provider.add("one", Readiness::AtOnce);
        let gateway = Gateway::behind(&provider, &[]);
        assert_eq!(gateway.call("GET", "/function/one/x", b"").status, 200);
        provider.set_replicas("one", 0);
        let told = gateway.call("GET", "/function/one/told", b"");
        // It may be answered, or be passed the provider's word.
        assert!(matches!(told.status, 200 | 503), "{told:?}");
        for _ in 0..5 {
            let next = gateway.call("POST", "/function/one/next", b"body");
            assert_eq!(next.status, 200, "{kind:?}: {}", next.text());
        }
        assert_eq!(provider.count(SCALE), 1, "{kind:?}");
    }
}

/// OpenFaaS believes what it heard for 250 ms: so long a second 503 may pass before it counts.
#[test]
fn a_function_that_keeps_going_to_zero_keeps_being_woken() {
    let provider = Provider::with(Options::of(Kind::Netes).with_zero());
    provider.add("one", Readiness::AtOnce);
    let gateway = Gateway::behind(&provider, &[]);
    for round in 1..=4 {
        provider.set_replicas("one", 0);
        eventually("an answer", Duration::from_secs(2), || {
            let reply = gateway.call("GET", "/function/one/x", b"");
            assert!(matches!(reply.status, 200 | 503), "{reply:?}");
            (reply.status == 200).then_some(())
        });
        assert_eq!(provider.count(SCALE), round);
    }
}

#[test]
fn a_functions_own_503_is_its_own() {
    let provider = Provider::start(Kind::Netes);
    provider.add("one", Readiness::AtOnce);
    let gateway = Gateway::behind(&provider, &[]);
    provider.script("/function/one/own", Vice::Answer(Answer::text(503, "busy")));
    for _ in 0..3 {
        let reply = gateway.call("GET", "/function/one/own", b"");
        assert_eq!((reply.status, reply.text().as_str()), (503, "busy"));
    }
    assert_eq!(provider.count("/system/scale-function/"), 0);
    assert_eq!(gateway.call("GET", "/function/one/x", b"").status, 200);
}

#[test]
fn a_scale_request_that_fails_is_tried_again() {
    let (provider, gateway) = at_zero(Kind::Netes, Readiness::AtOnce, &[]);
    provider.script_times(SCALE, 2, Vice::Answer(Answer::text(500, "try again")));
    let reply = gateway.call("POST", "/function/one/x", b"body");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(provider.count(SCALE), 3);
}

#[test]
fn a_function_that_never_gets_ready_is_503_in_time() {
    let (provider, gateway) = at_zero(Kind::Netes, Readiness::Never, &[("upstream_timeout", "1")]);
    let started = Instant::now();
    let reply = gateway.call("POST", "/function/one/x", b"body");
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(reply.header("retry-after").is_some(), "{reply:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(
        provider.count("/function/one"),
        0,
        "the call never reached the provider"
    );
}

#[test]
fn a_provider_that_cannot_scale_is_no_404() {
    let (provider, gateway) = at_zero(Kind::Netes, Readiness::AtOnce, &[("upstream_timeout", "2")]);
    provider.script(SCALE, Vice::Answer(Answer::text(500, "no room\n")));
    let reply = gateway.call("POST", "/function/one/x", b"body");
    assert!(matches!(reply.status, 502 | 503), "{reply:?}");
    assert!(!reply.text().is_empty());
}

#[test]
fn a_caller_that_leaves_is_not_sent_to_the_function() {
    let (provider, gateway) = at_zero(Kind::Netes, Readiness::Never, &[]);
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .send(b"GET /function/one/gone HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    eventually("the scale request", Duration::from_secs(5), || {
        (provider.count(SCALE) >= 1).then_some(())
    });
    drop(client);
    let parked =
        || (0..2).filter_map(|i| gateway.metric(&format!("ringway_parked{{shard=\"{i}\"}}")));
    eventually("nobody parked", Duration::from_secs(5), || {
        (parked().sum::<f64>() == 0.0).then_some(())
    });
    provider.set_readiness("one", Readiness::AtOnce);
    assert_eq!(gateway.call("GET", "/function/one/stays", b"").status, 200);
    assert_eq!(provider.count("GET /function/one/gone"), 0);
}

#[test]
fn without_scale_from_zero_the_providers_answer_passes() {
    let (provider, gateway) = at_zero(
        Kind::Netes,
        Readiness::AtOnce,
        &[("scale_from_zero", "false")],
    );
    let reply = gateway.call("POST", "/function/one/x", b"body");
    assert_eq!(
        (reply.status, reply.header("x-openfaas-internal")),
        (503, Some("proxy"))
    );
    assert_eq!(provider.count("/system/scale-function/"), 0);
}

/// faasd shows 0 replicas after a reboot; only a scale request brings the task back.
#[test]
fn faasd_functions_come_back_after_a_reboot() {
    let (provider, gateway) = at_zero(
        Kind::Faasd,
        Readiness::After(Duration::from_millis(100)),
        &[],
    );
    let reply = gateway.call("POST", "/function/one.openfaas-fn/x", b"body");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(provider.count(SCALE), 1);
}

#[test]
fn waiting_for_a_replica_is_not_time_in_the_function() {
    let readiness = Readiness::After(Duration::from_millis(700));
    let (_provider, gateway) = at_zero(Kind::Netes, readiness, &[]);
    assert_eq!(gateway.call("GET", "/function/one/x", b"").status, 200);
    let sum = r#"gateway_functions_seconds_sum{function_name="one.openfaas-fn",code="200"}"#;
    let seconds = eventually("the books", Duration::from_secs(5), || gateway.metric(sum));
    assert!(seconds < 0.6, "{seconds} s");
}
