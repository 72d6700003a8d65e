//! A gateway over a hand-written table, without a control plane:
//!
//! ```text
//! cargo run --package ringway-proxy --example static -- 127.0.0.1:8080 hello=127.0.0.1:9000
//! curl http://127.0.0.1:8080/function/hello
//! ```
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to a person"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringway_proxy::{
    AccessLog, Address, Change, Config, DriverChoice, Forward, FunctionId, FunctionSpec, Gateway,
    HalfClose, Name, NoDemand, Publisher, Settings,
};

fn main() {
    let mut words = std::env::args().skip(1);
    let listen = words.next().and_then(|word| word.parse().ok());
    let (Some(listen), functions) = (listen, words.filter_map(|w| row(&w)).collect::<Vec<_>>())
    else {
        eprintln!("usage: static <listen address> [<name>=<function's address> …]");
        return;
    };
    let shards = std::thread::available_parallelism().map_or(1, Into::into);
    let publisher = Publisher::new(shards);
    publisher.publish(functions.into_iter().map(Change::Put));
    match Gateway::start(config(listen), publisher, Arc::new(NoDemand)) {
        Ok(gateway) => {
            let driver = gateway.driver().driver.name();
            println!("listening on http://{} with {driver}", gateway.local_addr());
            loop {
                std::thread::park();
            }
        }
        Err(e) => eprintln!("{e}"),
    }
}

fn row(word: &str) -> Option<FunctionSpec> {
    let (name, address) = word.split_once('=')?;
    Some(FunctionSpec {
        id: FunctionId {
            name: Name::parse(name).ok()?,
            namespace: Name::parse("openfaas-fn").ok()?,
        },
        bare_alias: true,
        authority: address.into(),
        forward: Forward::Trimmed,
        endpoints: vec![Address::Tcp(address.parse().ok()?)],
        settings: Settings::default(),
    })
}

fn config(listen: SocketAddr) -> Config {
    Config {
        listen,
        // Nobody listens there: everything but /function answers 503.
        fallback: std::env::temp_dir().join("no-control-plane.sock"),
        driver: DriverChoice::Auto,
        served_by: concat!("ringway/", env!("CARGO_PKG_VERSION")).to_owned(),
        upstream_timeout: Duration::from_secs(60),
        read_timeout: Some(Duration::from_secs(60)),
        write_timeout: Some(Duration::from_secs(60)),
        idle_timeout: Duration::from_secs(60),
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
