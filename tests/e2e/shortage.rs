//! A gateway with next to no descriptors.

use std::ffi::OsString;
use std::time::Duration;

use ringway_tests::{Client, Deployment, Gateway, eventually, request};

/// With this many descriptors half are for clients, and their calls need as many again.
const DESCRIPTORS: usize = 120;
const CALLERS: usize = 200;

#[test]
fn out_of_descriptors_calls_wait_or_are_refused_and_the_gateway_recovers() {
    let limited = format!("ulimit -n {DESCRIPTORS} && exec \"$@\"");
    let through = ["sh", "-c", &limited, "sh"].map(OsString::from);
    // Few idle connections to functions are kept, so that descriptors can be counted afterwards.
    let gateway = Gateway::through(&through, &[("max_idle_conns", "4")]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    assert_eq!(gateway.call("GET", "/function/vice/x", b"").status, 200);
    let before = gateway.descriptors();
    let address = gateway.address;
    let (mut served, mut refused) = (0, 0);
    for _ in 0..3 {
        let callers = (0..CALLERS).map(|_| {
            std::thread::spawn(move || {
                let fields = [("Connection", "close")];
                let target = "/function/vice/slow?ms=300";
                request(address, "POST", target, &fields, b"body").unwrap()
            })
        });
        let callers: Vec<_> = callers.collect();
        for caller in callers {
            let reply = caller.join().unwrap();
            match reply.status {
                200 => served += 1,
                503 => {
                    refused += 1;
                    assert_eq!(reply.header("retry-after"), Some("1"));
                    assert!(reply.text().contains("descriptor"), "{}", reply.text());
                }
                other => panic!("{other}: {}", reply.text()),
            }
        }
    }
    assert!(
        served > 0 && refused > 0,
        "{served} served, {refused} refused"
    );
    let paused = gateway.sum("ringway_accept_paused_total");
    assert!(paused > 0.0, "nobody had to wait");
    eventually("the descriptors", Duration::from_secs(20), || {
        (gateway.descriptors() <= before + 4).then_some(())
    });
    // Everything works as before: calls, the control plane, new functions.
    let mut client = Client::connect(address).unwrap();
    for _ in 0..20 {
        let reply = client.request("POST", "/function/vice/x", &[], b"body");
        assert_eq!(reply.unwrap().text(), "vice POST /x");
    }
    assert_eq!(gateway.call("GET", "/healthz", b"").status, 200);
    gateway.deploy_ready(&Deployment::streaming("cat", "cat"), 1);
    let reply = gateway.call("POST", "/function/cat", b"a new function");
    assert_eq!(reply.text(), "a new function");
    assert!(!gateway.log().contains("panic"), "{}", gateway.log());
}

#[test]
fn out_of_descriptors_at_the_end_whoever_has_connected_is_answered() {
    let limited = format!("ulimit -n {DESCRIPTORS} && exec \"$@\"");
    let through = ["sh", "-c", &limited, "sh"].map(OsString::from);
    let mut gateway = Gateway::through(&through, &[("max_idle_conns", "4")]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut clients: Vec<_> = (0..CALLERS)
        .map(|_| Client::connect(gateway.address).unwrap())
        .collect();
    let request = b"POST /function/vice/slow?ms=300 HTTP/1.1\r\nHost: a\r\n\
                    Connection: close\r\nContent-Length: 4\r\n\r\nbody";
    for client in &mut clients {
        client.send(request).unwrap();
    }
    gateway.signal(libc::SIGTERM);
    for client in &mut clients {
        let reply = client.reply("POST").unwrap();
        assert!([200, 503].contains(&reply.status), "{}", reply.text());
    }
    assert_eq!(gateway.ended(), Some(0), "{}", gateway.log());
}
