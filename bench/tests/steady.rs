//! Requests in steady state: no allocation, and no system call that asks for the time. The data
//! plane runs in a program of its own, whose allocator counts and which the kernel kills at the
//! first clock system call.
//!
//! What is allocated by time, not by request, is allowed for: a slot of the wheel of deadlines (one
//! per 20 ms) allocates when it is used for the first time, and grows.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![expect(clippy::print_stdout, reason = "the figures of a test that passes")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Requests before the count begins, by which every pool and buffer is what it will be.
const WARM: usize = 500;
const COUNTED: usize = 2_000;
const CONNECTIONS: usize = 4;
/// The time that one slot of the wheel of deadlines is for.
const TICK: Duration = Duration::from_millis(20);
/// Allocations that a slot may need: its first, and its growth.
const PER_TICK: u128 = 2;

/// A process that is ended with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The data plane, and what it is asked and answers.
struct Plane {
    running: Running,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    address: String,
}

impl Plane {
    fn start(driver: &str, function: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringway-bench-plane"))
            .args([
                "--driver",
                driver,
                "--function",
                function,
                "--no-clock-calls",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut plane = Self {
            running: Running(child),
            orders,
            answers,
            address: String::new(),
        };
        plane.address = plane.line();
        plane
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line).unwrap();
        if read == 0 {
            let status = self.running.0.wait().unwrap();
            panic!("the data plane ended, {status}: SIGSYS is a clock system call");
        }
        line.trim().to_owned()
    }

    fn allocations(&mut self) -> u64 {
        self.orders.write_all(b"?").unwrap();
        self.line().parse().unwrap()
    }
}

/// The function server, once it listens.
fn function() -> (Running, String) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let server = Command::new(env!("CARGO_BIN_EXE_ringway-bench"))
        .args(["serve", "--listen", &address])
        .spawn()
        .unwrap();
    let server = Running(server);
    for _ in 0..500 {
        if TcpStream::connect(&address).is_ok() {
            return (server, address);
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("the function server does not listen");
}

/// Sends the request again and again over several connections, one after the other.
fn load(clients: &mut [TcpStream], request: &[u8], reply_ends: &[u8], count: usize) {
    let mut buffer = vec![0; 64 * 1_024];
    for turn in 0..count {
        let client = &mut clients[turn % CONNECTIONS];
        client.write_all(request).unwrap();
        let mut reply = Vec::new();
        while !reply.ends_with(reply_ends) {
            let n = client.read(&mut buffer).unwrap();
            assert!(n > 0, "the connection ended");
            reply.extend_from_slice(&buffer[..n]);
        }
        assert!(
            reply.starts_with(b"HTTP/1.1 200 "),
            "{}",
            String::from_utf8_lossy(&reply)
        );
    }
}

/// Allocations during `COUNTED` requests, and the ticks of that time.
fn allocations(driver: &str, request: &[u8], reply_ends: &[u8]) -> (u64, u128) {
    let (_server, function) = function();
    let mut plane = Plane::start(driver, &function);
    let mut clients: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let client = TcpStream::connect(&plane.address).unwrap();
            client
                .set_read_timeout(Some(Duration::from_secs(10)))
                .unwrap();
            client.set_nodelay(true).unwrap();
            client
        })
        .collect();
    load(&mut clients, request, reply_ends, WARM);
    let before = plane.allocations();
    let began = Instant::now();
    load(&mut clients, request, reply_ends, COUNTED);
    let count = plane.allocations() - before;
    (count, began.elapsed().as_millis() / TICK.as_millis() + 1)
}

fn get() -> Vec<u8> {
    b"GET /function/f0/tiny HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n".to_vec()
}

fn post(path: &str, bytes: usize) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n");
    [head.into_bytes(), vec![b'x'; bytes]].concat()
}

fn chunked(chunks: usize) -> Vec<u8> {
    let head = b"POST /function/f0/tiny HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = [b"1000\r\n".to_vec(), vec![b'x'; 4_096], b"\r\n".to_vec()].concat();
    [head.to_vec(), chunk.repeat(chunks), b"0\r\n\r\n".to_vec()].concat()
}

fn none_allocate(driver: &str) {
    for (what, request, reply_ends) in [
        ("GET", get(), &b"\r\n\r\nok"[..]),
        (
            "POST of 1 KiB, echoed",
            post("/function/f0/echo", 1_024),
            &[b'x'; 1_024],
        ),
        (
            "POST of 64 KiB",
            post("/function/f0/tiny", 65_536),
            b"\r\n\r\nok",
        ),
        ("POST of 64 KiB in chunks", chunked(16), b"\r\n\r\nok"),
    ] {
        let (count, ticks) = allocations(driver, &request, reply_ends);
        println!("{driver}: {what}: {count} allocations in {COUNTED} requests, {ticks} ticks");
        assert!(
            u128::from(count) <= PER_TICK * ticks,
            "{driver}: {what}: {count} allocations in {COUNTED} requests and {ticks} ticks"
        );
    }
}

#[test]
fn requests_allocate_nothing_and_ask_no_clock_with_io_uring() {
    none_allocate("io_uring");
}

#[test]
fn requests_allocate_nothing_and_ask_no_clock_with_epoll() {
    none_allocate("epoll");
}
