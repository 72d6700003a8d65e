//! What signals do, and what systemd hears.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use ringway_tests::{Client, Deployment, Gateway, Load, eventually, request};

#[test]
fn in_the_grace_period_the_gateway_says_that_it_goes_and_still_serves() {
    let mut gateway = Gateway::with(&[("RINGWAY_SHUTDOWN_GRACE", "1500ms")]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let address = gateway.address;
    let load = Load::start(&gateway, "/function/vice/x", 4);
    load.after(100);
    let began = Instant::now();
    gateway.signal(libc::SIGTERM);
    let ready = |path: &str| request(address, "GET", path, &[], b"").unwrap().status;
    eventually("not to be ready", Duration::from_secs(1), || {
        (ready("/readyz") == 503).then_some(())
    });
    assert_eq!(ready("/healthz"), 503);
    let page = request(gateway.metrics, "GET", "/healthz", &[], b"").unwrap();
    assert_eq!(page.status, 503);
    // New connections too: balancers need a while to notice.
    let mut client = Client::connect(address).unwrap();
    let reply = client.request("GET", "/function/vice/x", &[], b"").unwrap();
    assert_eq!((reply.status, reply.header("connection")), (200, None));
    load.after(100);
    assert!(began.elapsed() < Duration::from_millis(1_400));
    assert_eq!(load.finish(), Vec::<String>::new());
    assert_eq!(gateway.ended(), Some(0));
    assert!(began.elapsed() >= Duration::from_millis(1_500));
}

#[test]
fn a_signal_in_the_grace_period_ends_at_once() {
    let mut gateway = Gateway::with(&[("RINGWAY_SHUTDOWN_GRACE", "1h")]);
    gateway.signal(libc::SIGTERM);
    eventually("not to be ready", Duration::from_secs(2), || {
        (gateway.call("GET", "/readyz", b"").status == 503).then_some(())
    });
    gateway.signal(libc::SIGTERM);
    assert_eq!(gateway.ended(), Some(1));
}

#[test]
fn hangup_reloads_and_ends_nothing() {
    let mut gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let load = Load::start(&gateway, "/function/vice/x", 2);
    for _ in 0..3 {
        gateway.signal(libc::SIGHUP);
        load.after(50);
    }
    eventually("the word of it", Duration::from_secs(5), || {
        (gateway.log().matches("reloaded").count() >= 1).then_some(())
    });
    assert_eq!(load.finish(), Vec::<String>::new());
    assert_eq!(gateway.terminate(), Some(0));
}

#[test]
fn systemd_hears_of_start_life_reload_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let await_word = |wanted: &str| {
        let mut bytes = [0; 1024];
        loop {
            let count = match socket.recv(&mut bytes) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                count => count.expect(wanted),
            };
            let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            if text.lines().any(|line| line == wanted) {
                return text;
            }
        }
    };
    let mut gateway = Gateway::with(&[
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "1000000"),
    ]);
    await_word("READY=1");
    await_word("WATCHDOG=1");
    await_word("WATCHDOG=1");
    gateway.signal(libc::SIGHUP);
    assert!(await_word("RELOADING=1").contains("MONOTONIC_USEC="));
    await_word("READY=1");
    // Its successor is the main process from then on.
    assert_eq!(gateway.succeed(), Some(0));
    let text = await_word(&format!("MAINPID={}", gateway.pid()));
    assert!(!text.contains("STOPPING"));
    assert_eq!(gateway.terminate(), Some(0));
    await_word("STOPPING=1");
}
