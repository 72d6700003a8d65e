//! The data plane without a control plane, over sockets and on both drivers: tables by hand,
//! functions played by threads.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod bounds;
mod bulk;
mod cors;
mod early;
mod end;
mod health;
mod hostile;
mod park;
mod routes;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use ringway_proxy::{
    AccessLog, Address, Backlog, Config, Demand, DriverChoice, Forward, FunctionId, FunctionSpec,
    Gateway, HalfClose, Name, Publisher, Settings,
};

/// A data plane and what it told through its [`Demand`].
struct Plane {
    gateway: Gateway,
    publisher: Publisher,
    told: Receiver<Told>,
}

/// One call of a [`Demand`]'s method, with the function's name.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Wanted(String),
    Unready(String),
}

struct Teller(Sender<Told>);

impl Demand for Teller {
    fn wanted(&self, function: &FunctionId) {
        let _ = self.0.send(Told::Wanted(function.name.to_string()));
    }

    /// Promises to find out about functions whose name says so.
    fn unready(&self, function: &FunctionId) -> bool {
        let _ = self.0.send(Told::Unready(function.name.to_string()));
        function.name.as_str().starts_with("doubted")
    }
}

impl Plane {
    /// Of one shard, so that what is kept per shard is in one place.
    fn start(config: Config) -> Self {
        Self::start_with(config, 1)
    }

    fn start_with(config: Config, shards: usize) -> Self {
        let (teller, told) = channel();
        let publisher = Publisher::new(shards);
        let demand = Arc::new(Teller(teller));
        let gateway = Gateway::start(config, publisher.clone(), demand).unwrap();
        Self {
            gateway,
            publisher,
            told,
        }
    }

    /// One request on a connection of its own: the reply, all of it.
    fn call(&self, line: &str, fields: &str) -> String {
        let mut stream = self.begin(line, fields);
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    }

    /// Sends a request and leaves its reply in the socket.
    fn begin(&self, line: &str, fields: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.gateway.local_addr()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let head = format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }
}

/// Runs `test` on a fresh data plane with each driver.
fn each_driver(test: impl Fn(&Plane)) {
    each_config(config, test);
}

fn each_config(config: impl Fn(DriverChoice) -> Config, test: impl Fn(&Plane)) {
    for driver in [DriverChoice::Epoll, DriverChoice::Auto] {
        let plane = Plane::start(config(driver));
        test(&plane);
        let Plane { gateway, .. } = plane;
        gateway.drain(Duration::ZERO, Backlog::Serve);
        assert_eq!(gateway.stop(Duration::from_secs(5)), 0, "connections cut");
    }
}

fn config(driver: DriverChoice) -> Config {
    Config {
        listen: ([127, 0, 0, 1], 0).into(),
        fallback: std::env::temp_dir().join("no-control-plane.sock"),
        driver,
        served_by: "test".to_owned(),
        upstream_timeout: Duration::from_secs(10),
        read_timeout: Some(Duration::from_secs(10)),
        write_timeout: Some(Duration::from_secs(10)),
        idle_timeout: Duration::from_secs(1),
        stream_idle: None,
        limits: ringway_proxy::limits::Limits::default(),
        trusted_proxies: Vec::new(),
        access_log: AccessLog::Off,
        half_close: HalfClose::Wait,
        connections_max: None,
        connections_per_client_max: None,
        own: ringway_proxy::OwnPorts::default(),
        memory: 512 << 20,
        give_back: None,
        idle_max: ringway_proxy::limits::IDLE_MAX,
        idle_per_endpoint_max: ringway_proxy::limits::IDLE_PER_ENDPOINT_MAX,
        cors: None,
    }
}

/// The row of a function `name` that is reached at `addresses`.
fn spec(name: &str, addresses: &[SocketAddr]) -> FunctionSpec {
    FunctionSpec {
        id: FunctionId {
            name: Name::parse(name).unwrap(),
            namespace: Name::parse("openfaas-fn").unwrap(),
        },
        bare_alias: true,
        authority: "function".into(),
        forward: Forward::Trimmed,
        endpoints: addresses.iter().copied().map(Address::Tcp).collect(),
        settings: Settings::default(),
    }
}

/// The same behind a provider.
fn kept(name: &str, provider: SocketAddr) -> FunctionSpec {
    FunctionSpec {
        forward: Forward::Kept { prefix: "".into() },
        ..spec(name, &[provider])
    }
}

/// A function: answers each request with what `answer` says to its head. A thread per connection.
fn function(answer: impl Fn(&str) -> String + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = answer.clone();
            std::thread::spawn(move || serve(stream.unwrap(), answer));
        }
    });
    address
}

fn serve(mut stream: TcpStream, answer: impl Fn(&str) -> String) {
    let mut head = Vec::new();
    let mut byte = [0];
    while let Ok(1) = stream.read(&mut byte) {
        head.push(byte[0]);
        if head.ends_with(b"\r\n\r\n") {
            let reply = answer(&String::from_utf8_lossy(&head));
            head.clear();
            if stream.write_all(reply.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// A function that takes one call on each connection, and says nothing to it for `None`: it reads
/// the head, answers and closes, whatever follows.
fn one_call_each(answer: impl Fn(&str) -> Option<String> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut head) = (stream.unwrap(), Vec::new());
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                head.push(byte[0]);
            }
            if let Some(reply) = answer(&String::from_utf8_lossy(&head)) {
                let _ = stream.write_all(reply.as_bytes());
            }
        }
    });
    address
}

/// 200 with this body.
fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The first line of a head.
fn line(head: &str) -> &str {
    head.split("\r\n").next().unwrap_or_default()
}

fn body(reply: &str) -> &str {
    reply.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// Waits until `condition` holds; fails with what it says last.
#[track_caller]
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < until, "{what} did not come about");
        std::thread::yield_now();
    }
}
