//! Many connections: 10,000 idle ones, and more clients than the gateway takes at once.

use std::time::{Duration, Instant};

use ringway_tests::{Client, Deployment, Gateway, raise_descriptor_limit};

use crate::{memory_kib, must};

const IDLE: usize = 10_000;

pub(crate) fn idle() -> Result<String, String> {
    raise_descriptor_limit();
    let gateway = Gateway::with(&[("RINGWAY_IDLE_TIMEOUT", "10m")]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let before = memory_kib(gateway.pid(), "VmRSS");
    let mut clients = Vec::with_capacity(IDLE);
    for i in 0..IDLE {
        let mut client = Client::connect(gateway.address).map_err(|e| format!("{i}: {e}"))?;
        ask(&mut client, i)?;
        clients.push(client);
    }
    std::thread::sleep(Duration::from_secs(10));
    let after = memory_kib(gateway.pid(), "VmRSS");
    for (i, client) in clients.iter_mut().enumerate() {
        ask(client, i)?;
    }
    let each = after.saturating_sub(before) * 1024 / IDLE as u64;
    Ok(format!(
        "{IDLE} answered again; {each} bytes of RSS each while idle"
    ))
}

fn ask(client: &mut Client, i: usize) -> Result<(), String> {
    let reply = client.request("GET", "/function/vice/x", &[], b"");
    let status = reply.map_err(|e| format!("connection {i}: {e}"))?.status;
    must(status == 200, || format!("connection {i}: {status}"))
}

/// 600 clients for 200 places: everybody is served in turn, nobody is refused.
pub(crate) fn limit() -> Result<String, String> {
    let gateway = Gateway::with(&[("RINGWAY_CONNECTIONS_MAX", "200")]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let address = gateway.address;
    let started = Instant::now();
    let clients: Vec<_> = (0..600)
        .map(|i| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address).map_err(|e| format!("{i}: {e}"))?;
                let close = [("Connection", "close")];
                let reply = client.request("GET", "/function/vice/slow?ms=200", &close, b"");
                let status = reply.map_err(|e| format!("{i}: {e}"))?.status;
                must(status == 200, || format!("{i}: {status}"))
            })
        })
        .collect();
    for client in clients {
        client
            .join()
            .map_err(|_| "a client panicked".to_owned())??;
    }
    let paused: f64 = (0..2)
        .filter_map(|i| gateway.metric(&format!("ringway_accept_paused_total{{shard=\"{i}\"}}")))
        .sum();
    must(paused > 0.0, || "the limit was never reached".into())?;
    Ok(format!(
        "600 clients, 200 places, 0 errors in {:.1} s",
        started.elapsed().as_secs_f64()
    ))
}
