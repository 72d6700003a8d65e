//! Requests that no client would send, by the million.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ringway_tests::{Deployment, Gateway, Random, read, request};

use crate::must;

/// Replies by their first line's status; 0: none.
type Statuses = BTreeMap<u16, usize>;

pub(crate) fn million() -> Result<Vec<String>, String> {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice").replicas(2), 2);
    // Once, for what is made at first use.
    noise(gateway.address, 99, 20_000);
    let resident = gateway.resident_kib();
    let began = Instant::now();
    let threads: Vec<_> = (0..THREADS)
        .map(|seed| {
            let address = gateway.address;
            std::thread::spawn(move || noise(address, seed, CALLS / THREADS as usize))
        })
        .collect();
    let mut statuses = Statuses::new();
    for thread in threads {
        for (status, count) in thread.join().map_err(|_| "a client panicked")? {
            *statuses.entry(status).or_default() += count;
        }
    }
    let took = began.elapsed().as_secs_f64();
    let grown = gateway.resident_kib().saturating_sub(resident);
    let panics = sum(&gateway, "ringway_panics_total") + sum(&gateway, "ringway_task_panics_total");
    let inflight = sum(&gateway, "ringway_inflight");
    let canary = request(gateway.address, "GET", "/function/vice/x", &[], b"");
    let figures = vec![
        format!("{CALLS} streams in {took:.0} s, replies by first status: {statuses:?}"),
        format!("panics {panics}, in flight {inflight}, the gateway grew by {grown} KiB"),
    ];
    must(
        canary.is_ok_and(|r| r.status == 200),
        "no answer afterwards",
        &figures,
    )?;
    must(panics == 0.0, "a panic", &figures)?;
    must(inflight == 0.0, "calls are left in flight", &figures)?;
    must(grown < 16 * 1024, "memory grew", &figures)?;
    // 505 says which versions are spoken, 501 which codings; the others would be the function's.
    let own = statuses
        .keys()
        .filter(|s| (500..600).contains(*s) && ![501, 505].contains(*s));
    must(own.count() == 0, "a 5xx that no function caused", &figures)?;
    Ok(figures)
}

fn sum(gateway: &Gateway, family: &str) -> f64 {
    let page = gateway.metrics_text();
    let samples = page
        .lines()
        .filter(|l| l.starts_with(&format!("{family}{{")));
    samples
        .filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Sends so many streams of bytes, some on one connection; the statuses of what came back.
fn noise(address: SocketAddr, seed: u64, streams: usize) -> Statuses {
    let mut random = Random::new(seed + 1);
    let mut statuses = Statuses::new();
    for _ in 0..streams {
        let bytes = stream(&mut random);
        let status = send(address, &bytes, &mut random).unwrap_or(0);
        *statuses.entry(status).or_default() += 1;
    }
    statuses
}

/// A well-formed request, or several, with changes; or bytes without sense.
fn stream(random: &mut Random) -> Vec<u8> {
    if random.below(16) == 0 {
        return (0..random.below(300)).map(|_| random.byte()).collect();
    }
    let mut bytes = Vec::new();
    for _ in 0..=random.below(2) {
        bytes.extend_from_slice(REQUESTS[random.below(REQUESTS.len())]);
    }
    for _ in 0..random.below(4) {
        let at = random.below(bytes.len().max(1));
        let piece = PIECES[random.below(PIECES.len())];
        match random.below(5) {
            0 => drop(bytes.splice(at..at, piece.iter().copied())),
            1 => bytes[at] = random.byte(),
            2 => drop(bytes.drain(at..(at + 1 + random.below(6)).min(bytes.len()))),
            3 => bytes.truncate(at.max(1)),
            _ => {
                let end = (at + piece.len()).min(bytes.len());
                drop(bytes.splice(at..end, piece.iter().copied()));
            }
        }
        if bytes.is_empty() {
            bytes.push(b'G');
        }
    }
    bytes
}

fn send(address: SocketAddr, bytes: &[u8], random: &mut Random) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_nodelay(true).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .ok()?;
    let cut = random.below(bytes.len() + 1);
    let sent = stream.write_all(&bytes[..cut]);
    sent.and_then(|()| stream.write_all(&bytes[cut..])).ok();
    // The end of what is sent: an unfinished request is answered, or dropped, at once.
    stream.shutdown(Shutdown::Write).ok();
    let mut reply = [0; 512];
    let mut have = 0;
    while have < 12 {
        match read(&mut stream, &mut reply[have..]) {
            Ok(count) if count > 0 => have += count,
            _ => break,
        }
    }
    // The rest, so that no reset takes the reply away from under the next reader.
    let mut rest = [0; 4096];
    while stream.read(&mut rest).is_ok_and(|count| count > 0) {}
    let status = std::str::from_utf8(reply.get(9..12)?).ok()?;
    status.parse().ok()
}

const CALLS: usize = 1_000_000;
const THREADS: u64 = 4;

const REQUESTS: &[&[u8]] = &[
    b"GET /function/vice/x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /function/vice/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /function/vice/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST /function/vice/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\nTE: trailers\r\n\r\n3;e=v\r\nabc\r\n0\r\nX-A: b\r\n\r\n",
    b"POST /function/vice/echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
    b"GET /function/vice/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"HEAD /function/vice/x?a=b HTTP/1.1\r\nHost: a\r\nConnection: close, x-hop\r\nX-Hop: 1\r\n\r\n",
    b"GET http://a/function/vice/x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /function/vice/../../system/functions HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /function/none HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /system/functions HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YTpi\r\n\r\n",
    b"PUT /function/vice/echo HTTP/1.1\r\nHost: a\r\nX-Call-Id: abc\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nContent-Length: 0\r\n\r\n",
];
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b"%2e%2e/",
    b"../",
    b"\\",
    b"%00",
    b"\xff",
    b"Content-Length: 3\r\n",
    b"Content-Length: +5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer_Encoding: chunked\r\n",
    b"Host: b\r\n",
    b"Connection: content-length\r\n",
    b"Upgrade: websocket\r\n",
    b"Expect: x\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b" folded\r\n",
    b"HTTP/1.2",
    b"HTTP/2.0",
    b"TRACE ",
    b"CONNECT ",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01",
    b"GET / HTTP/1.1\r\n\r\n",
];
