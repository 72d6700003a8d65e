//! Replicas over time: crash, scale, update, delete, and the gateway's own end.

use std::time::Duration;

use ringway_tests::{Client, Deployment, Gateway, Load, eventually, request, vice};

/// Process ids whose command line has `text` in it.
fn processes(text: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line)
            .replace('\0', " ")
            .contains(text)
        {
            found.push(pid);
        }
    }
    found
}

/// How many `sleep` processes there are with this argument (not the shells that name them).
fn sleeping(mark: &str) -> usize {
    let is_sleep = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(b"sleep\0")
    };
    processes(&format!("sleep {mark}"))
        .iter()
        .filter(|pid| is_sleep(pid))
        .count()
}

#[expect(unsafe_code, reason = "kill(2) has no safe wrapper in std")]
fn kill(pid: u32) {
    let pid = libc::pid_t::try_from(pid).unwrap();
    assert!(pid > 1);
    // SAFETY: no memory is involved.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

#[test]
fn killing_a_replica_costs_no_get_and_it_returns() {
    let gateway = Gateway::start();
    let mark = format!("kill-mark-{}", gateway.pid());
    gateway.deploy_ready(
        &Deployment::http("vice", &format!("{} {mark}", vice())).replicas(3),
        3,
    );
    let load = Load::start(&gateway, "/function/vice/x", 8);
    load.after(500);
    let replicas: Vec<u32> = processes(&mark)
        .into_iter()
        .filter(|p| {
            std::fs::read_link(format!("/proc/{p}/exe")).is_ok_and(|exe| exe.ends_with("vice"))
        })
        .collect();
    assert_eq!(replicas.len(), 3, "{replicas:?}");
    kill(replicas[0]);
    load.after(2_000);
    assert_eq!(load.finish(), Vec::<String>::new());
    gateway.await_replicas("vice", 3);
}

#[test]
fn replicas_share_the_load_and_scale() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice").replicas(2), 2);
    gateway.scale("vice", 4);
    gateway.await_replicas("vice", 4);
    let load = Load::start(&gateway, "/function/vice/x", 4);
    load.after(300);
    gateway.scale("vice", 1);
    gateway.await_replicas("vice", 1);
    load.after(300);
    assert_eq!(load.finish(), Vec::<String>::new());
    gateway.scale("vice", 0);
    gateway.await_replicas("vice", 0);
    assert_eq!(
        gateway.status("vice").unwrap()["replicas"]
            .as_u64()
            .unwrap_or(0),
        0
    );
}

#[test]
fn a_rolling_update_fails_no_call() {
    let gateway = Gateway::start();
    let version = |v: &str| {
        Deployment::vice("vice")
            .env("VICE_ID", v)
            .env("VICE_START_MS", "200")
            .replicas(2)
    };
    gateway.deploy_ready(&version("one"), 2);
    let load = Load::start(&gateway, "/function/vice/x", 8);
    load.after(300);
    let body = version("two").json();
    assert!(matches!(
        gateway
            .call("PUT", "/system/functions", body.as_bytes())
            .status,
        200 | 202
    ));
    eventually("the new version", Duration::from_secs(20), || {
        gateway
            .call("GET", "/function/vice/x", b"")
            .text()
            .starts_with("two")
            .then_some(())
    });
    load.after(500);
    assert_eq!(load.finish(), Vec::<String>::new());
    for _ in 0..20 {
        assert_eq!(
            gateway.call("GET", "/function/vice/x", b"").text(),
            "two GET /x"
        );
    }
}

#[test]
fn deleting_lets_calls_in_flight_finish() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let address = gateway.address;
    let slow = std::thread::spawn(move || {
        request(address, "GET", "/function/vice/slow?ms=1500", &[], b"")
            .unwrap()
            .text()
    });
    let inflight = "gateway_function_invocation_inflight{function_name=\"vice.openfaas-fn\"}";
    eventually("the call", Duration::from_secs(5), || {
        (gateway.metric(inflight) == Some(1.0)).then_some(())
    });
    assert_eq!(
        gateway
            .call("DELETE", "/system/functions", br#"{"functionName":"vice"}"#)
            .status,
        200
    );
    assert_eq!(gateway.call("GET", "/function/vice/x", b"").status, 404);
    assert_eq!(slow.join().unwrap(), "slow");
}

#[test]
fn a_killed_gateway_leaves_no_process_and_restarts_as_it_was() {
    let mut gateway = Gateway::start();
    let mark = format!("1{:06}", gateway.pid());
    gateway.deploy_ready(
        &Deployment::http("vice", &vice())
            .replicas(2)
            .env("VICE_ID", "kept"),
        2,
    );
    // A grandchild that its parent does not wait for.
    gateway.deploy(&Deployment::streaming(
        "forker",
        &format!("sh -c 'sleep {mark} & setsid sleep {mark} & echo started; wait'"),
    ));
    // They keep the reply open; only its head is waited for.
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .send(b"GET /function/forker HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    assert!(client.line().unwrap().contains("200"));
    eventually("the grandchildren", Duration::from_secs(5), || {
        (sleeping(&mark) == 2).then_some(())
    });
    gateway.kill();
    eventually("every process to be gone", Duration::from_secs(2), || {
        let left = sleeping(&mark) + processes(gateway.data.path().to_str().unwrap()).len();
        (left == 0).then_some(())
    });
    gateway.restart();
    gateway.await_replicas("vice", 2);
    assert_eq!(
        gateway.call("GET", "/function/vice/x", b"").text(),
        "kept GET /x"
    );
    let listed: serde_json::Value =
        serde_json::from_slice(&gateway.call("GET", "/system/functions", b"").body).unwrap();
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
}

#[test]
fn functions_inherit_no_socket_of_the_gateway() {
    let gateway = Gateway::start();
    let mark = format!("fd-mark-{}", gateway.pid());
    gateway.deploy_ready(&Deployment::http("vice", &format!("{} {mark}", vice())), 1);
    let load = Load::start(&gateway, "/function/vice/slow?ms=5", 16);
    load.after(50);
    // Started while the shards hold client and upstream sockets.
    gateway.deploy(&Deployment::streaming("fds", "sh -c 'ls -l /proc/self/fd'"));
    for _ in 0..5 {
        let list = gateway.call("GET", "/function/fds", b"").text();
        assert!(!list.contains("socket:"), "{list}");
    }
    gateway.scale("vice", 3);
    gateway.await_replicas("vice", 3);
    assert_eq!(load.finish(), Vec::<String>::new());
}

#[test]
fn sigterm_drains_and_exits_with_zero() {
    let mut gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let address = gateway.address;
    let mut idle = Client::connect(address).unwrap();
    assert_eq!(
        idle.request("GET", "/function/vice/x", &[], b"")
            .unwrap()
            .status,
        200
    );
    let slow = std::thread::spawn(move || {
        request(address, "GET", "/function/vice/slow?ms=1000", &[], b"")
    });
    let inflight = "gateway_function_invocation_inflight{function_name=\"vice.openfaas-fn\"}";
    eventually("the call", Duration::from_secs(5), || {
        (gateway.metric(inflight) == Some(1.0)).then_some(())
    });
    assert_eq!(gateway.terminate(), Some(0));
    let reply = slow.join().unwrap().unwrap();
    assert_eq!(
        (reply.text().as_str(), reply.header("connection")),
        ("slow", Some("close"))
    );
    assert!(idle.is_closed(Duration::from_secs(1)));
}

#[test]
fn a_second_gateway_on_the_same_folder_or_port_is_refused() {
    let gateway = Gateway::start();
    let port = gateway.address.to_string();
    let run = |listen: &str, data: &std::path::Path| {
        let mut command = std::process::Command::new(ringway_tests::binary());
        let metrics = format!("127.0.0.1:{}", ringway_tests::free_port());
        command
            .env("RINGWAY_LISTEN", listen)
            .env("RINGWAY_METRICS_LISTEN", metrics)
            .env("RINGWAY_DATA", data);
        let out = command.output().unwrap();
        (
            out.status.success(),
            String::from_utf8_lossy(&out.stderr).into_owned(),
        )
    };
    let other = tempfile::tempdir().unwrap();
    let (ok, said) = run(&port, other.path());
    assert!(!ok && said.contains(&port), "{said}");
    let free = format!("127.0.0.1:{}", ringway_tests::free_port());
    let (ok, said) = run(&free, gateway.data.path());
    assert!(
        !ok && said.contains(gateway.data.path().to_str().unwrap()),
        "{said}"
    );
}

#[test]
fn a_chatty_function_does_not_hold_up_the_others() {
    let gateway = Gateway::with(&[("upstream_timeout", "5")]);
    for i in 0..4 {
        gateway.deploy(&Deployment::http(&format!("chatty-{i}"), "yes ''"));
    }
    gateway.deploy(&Deployment::streaming("cat", "cat"));
    let reply = gateway.call("POST", "/function/cat", b"still here");
    assert_eq!(reply.text(), "still here");
}

#[test]
fn functions_get_signals_as_a_shell_would_give_them() {
    let gateway = Gateway::start();
    let command = "sh -c 'grep -E \"SigBlk|SigIgn\" /proc/self/status'";
    gateway.deploy(&Deployment::streaming("signals", command));
    let text = gateway.call("GET", "/function/signals", b"").text();
    assert!(text.contains("SigBlk:\t0000000000000000"), "{text}");
    let started = std::time::Instant::now();
    gateway.deploy_ready(&Deployment::http("sleeper", "sh -c 'exec sleep 1003'"), 0);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    gateway.scale("vice", 0);
    gateway.await_replicas("vice", 0);
    let body = br#"{"functionName":"sleeper"}"#;
    assert_eq!(
        gateway.call("DELETE", "/system/functions", body).status,
        200
    );
    eventually("the sleeper's end", Duration::from_secs(5), || {
        processes("sleep 1003").is_empty().then_some(())
    });
    assert!(started.elapsed() < Duration::from_secs(8));
}

#[test]
fn a_restart_knows_its_functions_from_the_first_request_on() {
    let mut gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    gateway.kill();
    let address = gateway.address;
    let caller = std::thread::spawn(move || {
        eventually("an answer", Duration::from_secs(20), || {
            // Refused until the port is open; from then on every answer counts.
            Some(
                request(address, "GET", "/function/vice/x", &[], b"")
                    .ok()?
                    .status,
            )
        })
    });
    gateway.restart();
    assert_eq!(caller.join().unwrap(), 200);
}
