//! What connections and callers cost that only wait.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use ringway_tests::{Deployment, Gateway, eventually, raise_descriptor_limit, read};

use crate::must;

/// Idle keep-alive connections after a minute.
pub(crate) fn idle() -> Result<Vec<String>, String> {
    raise_descriptor_limit();
    let gateway = Gateway::with(&[("RINGWAY_IDLE_TIMEOUT", "10m")]);
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let before = anonymous_kib(gateway.pid());
    let mut clients = Vec::new();
    for _ in 0..IDLE {
        let mut client = TcpStream::connect(gateway.address).map_err(|e| e.to_string())?;
        ask(&mut client)?;
        clients.push(client);
    }
    std::thread::sleep(Duration::from_secs(60));
    let after = anonymous_kib(gateway.pid());
    let slab = "the kernel's sockets come on top: about 2 KiB for each end";
    for client in &mut clients {
        ask(client)?;
    }
    let each = after.saturating_sub(before) * 1024 / IDLE;
    let figures = vec![format!(
        "{IDLE} connections, {each} bytes of the gateway each after a minute; all answer again; {slab}"
    )];
    must(each <= 1_024, "more than 1 KiB each", &figures)?;
    Ok(figures)
}

/// Callers that wait for a function's first replica.
pub(crate) fn parked() -> Result<Vec<String>, String> {
    raise_descriptor_limit();
    let gateway = Gateway::start();
    let never = Deployment::vice("vice")
        .env("VICE_START_MS", "600000")
        .annotation("com.ringway.max-parked", "10000");
    gateway.deploy(&never);
    let mut clients = Vec::new();
    let mut park_until = |total: u64| {
        while clients.len() < total as usize {
            let mut client = TcpStream::connect(gateway.address).map_err(|e| e.to_string())?;
            client
                .write_all(REQUEST.as_bytes())
                .map_err(|e| e.to_string())?;
            clients.push(client);
        }
        let parked = || {
            let of = |shard| gateway.metric(&format!("ringway_parked{{shard=\"{shard}\"}}"));
            of(0).unwrap_or(0.0) + of(1).unwrap_or(0.0)
        };
        eventually("the callers to be parked", Duration::from_secs(60), || {
            (parked() >= total as f64).then_some(())
        });
        // As long as a shard with nothing to do takes to give freed memory back.
        std::thread::sleep(Duration::from_secs(15));
        Ok::<u64, String>(anonymous_kib(gateway.pid()))
    };
    // The first ones bring what a gateway needs once.
    let first = park_until(FIRST)?;
    let all = park_until(PARKED)?;
    let each = all.saturating_sub(first) * 1024 / (PARKED - FIRST);
    let figures = vec![format!(
        "{PARKED} parked callers with heads of {} bytes, {each} bytes of the gateway for each after \
         the first {FIRST}, their connections included",
        REQUEST.len()
    )];
    must(each <= 2_048, "more than 2 KiB each", &figures)?;
    Ok(figures)
}

fn ask(client: &mut TcpStream) -> Result<(), String> {
    let failed = |e: std::io::Error| e.to_string();
    client
        .write_all(b"GET /function/vice/x HTTP/1.1\r\nHost: a\r\n\r\n")
        .map_err(failed)?;
    let mut reply = [0; 1024];
    let count = read(client, &mut reply).map_err(failed)?;
    let good = reply[..count].starts_with(b"HTTP/1.1 200");
    good.then_some(()).ok_or_else(|| "no 200".to_owned())
}

/// Resident memory that is the process's own, in KiB.
fn anonymous_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:"));
    line.and_then(|l| l.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or(0)
}

const IDLE: u64 = 15_000;
/// About what a browser or an SDK sends.
const REQUEST: &str = "GET /function/vice/orders?page=2 HTTP/1.1\r\nHost: gateway.example\r\n\
    User-Agent: siege/1.0 (x86_64; linux)\r\nAccept: application/json\r\n\
    Authorization: Bearer 0123456789abcdef0123456789abcdef\r\nAccept-Encoding: gzip, br\r\n\r\n";
/// So many that what the gateway itself takes or gives back meanwhile, half a MiB, is little beside
/// them.
const PARKED: u64 = 15_000;
const FIRST: u64 = 200;
