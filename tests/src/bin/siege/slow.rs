//! Clients that hold connections with as little as they can.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ringway_tests::{Deployment, Gateway, Pace, raise_descriptor_limit};

use crate::must;

/// Which way a client is slow.
#[derive(Clone, Copy)]
enum Slow {
    /// A byte of its head every second.
    Head,
    /// A byte of its body every second.
    Body,
    /// Reads a byte of a large reply every second.
    Read,
}

pub(crate) fn clients() -> Result<Vec<String>, String> {
    raise_descriptor_limit();
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    gateway.deploy_ready(&Deployment::vice("victim"), 1);
    let alone = PACE.run(gateway.address);
    let resident = gateway.resident_kib();
    let over = Arc::new(AtomicBool::new(false));
    let slow: Vec<JoinHandle<usize>> = [Slow::Head, Slow::Body, Slow::Read]
        .into_iter()
        .map(|how| {
            let (over, address) = (Arc::clone(&over), gateway.address);
            std::thread::spawn(move || hold(address, how, &over))
        })
        .collect();
    std::thread::sleep(Duration::from_secs(3));
    let besieged = PACE.run(gateway.address);
    let grown = gateway.resident_kib().saturating_sub(resident);
    over.store(true, Ordering::Relaxed);
    let opened: usize = slow.into_iter().map(|s| s.join().unwrap_or(0)).sum();
    let mut figures = alone.lines("alone   ");
    figures.extend(besieged.lines("besieged"));
    figures.push(format!(
        "{opened} connections were opened by the slow ones, the gateway grew by {grown} KiB"
    ));
    must(opened >= 3 * EACH, "too few slow clients", &figures)?;
    must(besieged.errors.is_empty(), "a normal call failed", &figures)?;
    let (before, after) = (alone.quantile(0.99), besieged.quantile(0.99));
    must(after < 2.0 * before, "p99 doubled", &figures)?;
    Ok(figures)
}

/// Keeps [`EACH`] connections slow, opened again when the gateway ends them; how many were opened.
fn hold(address: SocketAddr, how: Slow, over: &AtomicBool) -> usize {
    let mut opened = 0;
    let mut held: Vec<Option<TcpStream>> = (0..EACH).map(|_| None).collect();
    while !over.load(Ordering::Relaxed) {
        for place in &mut held {
            let alive = place.as_mut().is_some_and(|stream| step(stream, how));
            if !alive {
                *place = open(address, how);
                opened += usize::from(place.is_some());
            }
            if over.load(Ordering::Relaxed) {
                break;
            }
            // Each once in a second or so, evenly: a burst would measure the burst.
            std::thread::sleep(Duration::from_secs(1) / EACH as u32);
        }
    }
    opened
}

fn open(address: SocketAddr, how: Slow) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_nonblocking(true).ok()?;
    let head: &[u8] = match how {
        Slow::Head => b"GET /function/vice/x HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        Slow::Body => {
            b"POST /function/vice/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
        }
        Slow::Read => b"GET /function/vice/bulk?size=1000000 HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    stream.write_all(head).ok()?;
    Some(stream)
}

/// One byte more; `false` when the connection is over.
fn step(stream: &mut TcpStream, how: Slow) -> bool {
    let mut byte = [0];
    match how {
        Slow::Head | Slow::Body => {
            let ended = matches!(stream.read(&mut byte), Ok(0));
            !ended && stream.write_all(b"x").is_ok()
        }
        Slow::Read => match stream.read(&mut byte) {
            Ok(count) => count > 0,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        },
    }
}

const EACH: usize = 1_500;
const PACE: Pace = Pace {
    rate: 200,
    calls: 3_000,
    threads: 4,
    body: b"x",
    target: "/function/victim/x",
};
