//! One gateway takes the place of another, and nobody notices.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ringway_tests::provider::{Kind, Provider};
use ringway_tests::{
    Client, Deployment, Gateway, Load, Reply, eventually, free_port, request, vice,
};

fn job_of(reply: &Reply) -> String {
    assert_eq!(reply.status, 202, "{}", reply.text());
    reply.header("x-job-id").unwrap().to_owned()
}

fn state(gateway: &Gateway, job: &str) -> String {
    let reply = gateway.admin("GET", &format!("/async-function/{job}"), b"");
    let job: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    job["state"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_takeover_fails_no_call() {
    let mut gateway = Gateway::with(&[("RINGWAY_ASYNC_CONCURRENCY", "2")]);
    gateway.deploy_ready(&Deployment::vice("vice").replicas(2), 2);
    gateway.deploy_ready(&Deployment::streaming("cat", "cat"), 1);
    let (address, first) = (gateway.address, gateway.pid());
    let load = Load::start(&gateway, "/function/vice/x", 8);
    let streaming = Load::start(&gateway, "/function/cat", 2);
    let slow = std::thread::spawn(move || {
        request(address, "GET", "/function/vice/slow?ms=2500", &[], b"")
    });
    load.after(300);
    let queued: Vec<String> = (0..12)
        .map(|_| job_of(&gateway.call("POST", "/async-function/vice/slow?ms=200", b"x")))
        .collect();
    assert_eq!(gateway.succeed(), Some(0), "{}", gateway.log());
    assert_ne!(gateway.pid(), first);
    load.after(300);
    streaming.after(5);
    assert_eq!(slow.join().unwrap().unwrap().text(), "slow");
    // What was queued is run by the new one, and its state is known there.
    for job in &queued {
        eventually("the queued call", Duration::from_secs(20), || {
            (state(&gateway, job) == "done").then_some(())
        });
    }
    // The new one is a gateway like any other.
    gateway.deploy_ready(&Deployment::vice("more"), 1);
    assert_eq!(gateway.succeed(), Some(0), "{}", gateway.log());
    load.after(300);
    assert_eq!(load.finish(), Vec::<String>::new());
    assert_eq!(streaming.finish(), Vec::<String>::new());
    assert_eq!(gateway.call("GET", "/function/more/x", b"").status, 200);
    gateway.await_replicas("vice", 2);
    assert_eq!(gateway.terminate(), Some(0));
}

#[test]
fn callers_of_a_function_at_zero_are_answered_across_a_takeover() {
    let mut gateway = Gateway::start();
    let deployment = Deployment::vice("vice")
        .env("VICE_START_MS", "1500")
        .label("com.openfaas.scale.zero", "true");
    gateway.deploy_ready(&deployment, 1);
    gateway.scale("vice", 0);
    gateway.await_replicas("vice", 0);
    let address = gateway.address;
    let parked = std::thread::spawn(move || request(address, "GET", "/function/vice/x", &[], b""));
    eventually("the caller to be parked", Duration::from_secs(5), || {
        (gateway.metric("ringway_parked{shard=\"0\"}").unwrap_or(0.0)
            + gateway.metric("ringway_parked{shard=\"1\"}").unwrap_or(0.0)
            > 0.0)
            .then_some(())
    });
    assert_eq!(gateway.succeed(), Some(0), "{}", gateway.log());
    assert_eq!(parked.join().unwrap().unwrap().status, 200);
}

/// No other connection comes to help with a wake-up that is lost.
#[test]
fn every_connection_is_served_while_the_gateway_before_goes() {
    let mut gateway = Gateway::start();
    let slow_to_end = format!(
        "sh -c '{} & trap \"sleep 1; kill $!\" TERM; wait; wait'",
        vice()
    );
    gateway.deploy_ready(&Deployment::http("slow", &slow_to_end), 1);
    let served = |gateway: &Gateway| {
        let mut client = Client::connect(gateway.address).unwrap();
        let patience = Some(Duration::from_secs(5));
        client.stream().set_read_timeout(patience).unwrap();
        let reply = client.request("GET", "/healthz", &[], b"");
        assert_eq!(reply.unwrap().status, 200, "{}", gateway.log());
    };
    let successor = gateway.successor();
    await_log(&gateway, "draining");
    for _ in 0..10 {
        served(&gateway);
    }
    let log = gateway.log();
    assert!(!log.contains("INFO ended"), "it was gone too soon: {log}");
    assert_eq!(gateway.followed_by(successor), Some(0), "{}", gateway.log());
    for _ in 0..10 {
        served(&gateway);
    }
}

#[test]
fn a_gateway_behind_a_provider_is_taken_over_too() {
    let provider = Provider::start(Kind::Netes);
    let mut gateway = Gateway::behind(&provider, &[]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let load = Load::start(&gateway, "/function/vice/x", 4);
    load.after(200);
    assert_eq!(gateway.succeed(), Some(0), "{}", gateway.log());
    load.after(200);
    assert_eq!(load.finish(), Vec::<String>::new());
}

#[test]
fn without_a_gateway_there_a_takeover_is_a_start() {
    let mut gateway = Gateway::with(&[("RINGWAY_TAKEOVER", "true")]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    assert_eq!(gateway.call("GET", "/function/vice/x", b"").status, 200);
    // The socket that a killed gateway leaves behind is nobody.
    gateway.restart();
    gateway.await_replicas("vice", 1);
}

#[test]
fn a_successor_with_other_addresses_is_refused_and_the_gateway_serves_on() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut command = gateway.command();
    let other = format!("127.0.0.1:{}", free_port());
    command
        .env("RINGWAY_TAKEOVER", "true")
        .env("RINGWAY_LISTEN", &other);
    let out = command.output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success());
    assert!(said.contains(&other) && said.contains("listen"), "{said}");
    assert!(
        said.contains(&gateway.address.to_string()),
        "what it is now: {said}"
    );
    assert_eq!(gateway.call("GET", "/function/vice/x", b"").status, 200);
    gateway.deploy_ready(&Deployment::vice("more"), 1);
}

#[test]
fn a_successor_that_dies_on_the_way_changes_nothing() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let meet = || UnixStream::connect(gateway.data.path().join("takeover")).unwrap();
    let word = |text: &str| {
        let length = u32::try_from(text.len()).unwrap().to_le_bytes();
        [&length, text.as_bytes()].concat()
    };
    let begin = word(r#"{"Begin":{"protocol":1,"pid":1}}"#);
    // What is no word of the protocol, or another one's.
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; 4],
        word("[]"),
        word(r#"{"Begin":{"protocol":99,"pid":1}}"#),
        word("\"Serving\""),
        vec![],
    ] {
        let mut socket = meet();
        socket.write_all(&bytes).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
    }
    // Begun, and gone: while it lasts nothing may be changed, and then everything may.
    let mut socket = meet();
    socket.write_all(&begin).unwrap();
    let mut header = [0; 4];
    socket.read_exact(&mut header).unwrap();
    let body = Deployment::vice("more").json();
    let refused = gateway.call("POST", "/system/functions", body.as_bytes());
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(gateway.call("GET", "/system/functions", b"").status, 200);
    drop(socket);
    eventually(
        "the gateway to be its own again",
        Duration::from_secs(5),
        || {
            let reply = gateway.call("POST", "/system/functions", body.as_bytes());
            (reply.status == 202).then_some(())
        },
    );
    // Prepared, told to go on, and gone: the queue comes back.
    let mut socket = meet();
    socket.write_all(&begin).unwrap();
    socket.read_exact(&mut header).unwrap();
    let mut offer = vec![0; u32::from_le_bytes(header) as usize];
    socket.read_exact(&mut offer).unwrap();
    assert!(String::from_utf8_lossy(&offer).contains("Offer"));
    let prepared = word(r#"{"Prepared":{"control":"/nowhere"}}"#);
    socket.write_all(&prepared).unwrap();
    socket.read_exact(&mut header).unwrap();
    assert_eq!(
        gateway.call("POST", "/async-function/vice/x", b"").status,
        503
    );
    drop(socket);
    let job = eventually("the queue", Duration::from_secs(10), || {
        let reply = gateway.call("POST", "/async-function/vice/x", b"");
        (reply.status == 202).then(|| job_of(&reply))
    });
    eventually("the call", Duration::from_secs(10), || {
        (state(&gateway, &job) == "done").then_some(())
    });
    let mut client = Client::connect(gateway.address).unwrap();
    let reply = client.request("GET", "/function/vice/x", &[], b"").unwrap();
    assert_eq!((reply.status, reply.header("connection")), (200, None));
}

/// A gateway with a function whose replicas take this long to be ready.
fn with_slow_start(millis: &str) -> Gateway {
    let gateway = Gateway::start();
    let deployment = Deployment::vice("vice").env("VICE_START_MS", millis);
    gateway.deploy_ready(&deployment, 1);
    gateway
}

fn await_log(gateway: &Gateway, text: &str) {
    eventually(text, Duration::from_secs(10), || {
        gateway.log().contains(text).then_some(())
    });
}

#[test]
fn a_gateway_told_to_end_lets_its_successor_come_first() {
    let mut gateway = with_slow_start("2500");
    let load = Load::start(&gateway, "/function/vice/x", 4);
    load.after(100);
    let successor = gateway.successor();
    await_log(&gateway, "another gateway is taking over");
    gateway.signal(libc::SIGTERM);
    await_log(&gateway, "a second signal ends the wait");
    load.after(100);
    assert_eq!(gateway.followed_by(successor), Some(0), "{}", gateway.log());
    load.after(300);
    assert_eq!(load.finish(), Vec::<String>::new());
    assert_eq!(gateway.call("GET", "/function/vice/x", b"").status, 200);
    assert_eq!(gateway.terminate(), Some(0));
}

#[test]
fn a_second_signal_ends_the_wait_and_the_successor_says_what_to_do() {
    let mut gateway = with_slow_start("4000");
    let mut successor = gateway.successor();
    await_log(&gateway, "another gateway is taking over");
    gateway.signal(libc::SIGTERM);
    await_log(&gateway, "a second signal ends the wait");
    gateway.signal(libc::SIGTERM);
    assert_eq!(gateway.ended(), Some(0), "{}", gateway.log());
    assert!(!successor.wait().unwrap().success());
    let log = gateway.log();
    let said = "ended before it had handed over; start without --takeover";
    assert!(log.contains(said), "{log}");
    assert!(log.contains("a takeover was broken off"), "{log}");
}

#[test]
fn a_gateway_told_to_end_ends_when_its_successor_fails() {
    let mut gateway = with_slow_start("4000");
    let load = Load::start(&gateway, "/function/vice/x", 2);
    let mut successor = gateway.successor();
    await_log(&gateway, "another gateway is taking over");
    gateway.signal(libc::SIGTERM);
    await_log(&gateway, "a second signal ends the wait");
    load.after(100);
    assert_eq!(load.finish(), Vec::<String>::new());
    successor.kill().unwrap();
    successor.wait().unwrap();
    assert_eq!(gateway.ended(), Some(0), "{}", gateway.log());
    let said = "a takeover was broken off: the successor ended before it served";
    assert!(gateway.log().contains(said), "{}", gateway.log());
}

#[test]
fn one_takeover_at_a_time() {
    let mut gateway = with_slow_start("3000");
    let successor = gateway.successor();
    await_log(&gateway, "another gateway is taking over");
    let mut third = gateway.command();
    let out = third.env("RINGWAY_TAKEOVER", "true").output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success());
    let why = format!(
        "another takeover is under way (process {}); try again when it is done",
        successor.id()
    );
    assert!(said.contains(&why), "{said}");
    assert_eq!(gateway.followed_by(successor), Some(0), "{}", gateway.log());
    assert_eq!(gateway.call("GET", "/function/vice/x", b"").status, 200);
}
