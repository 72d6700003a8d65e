//! A function's callers must not pay for another function's.

use std::io::Write;
use std::net::TcpStream;

use ringway_tests::{Deployment, Gateway, Pace, eventually, raise_descriptor_limit};

use crate::must;

pub(crate) fn hanging_neighbour() -> Result<Vec<String>, String> {
    raise_descriptor_limit();
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("hanging"), 1);
    gateway.deploy_ready(&Deployment::vice("busy"), 1);
    let alone = PACE.run(gateway.address);
    let head = b"GET /function/hanging/hang HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let mut stream = TcpStream::connect(gateway.address).map_err(|e| e.to_string())?;
        stream.write_all(head).map_err(|e| e.to_string())?;
        callers.push(stream);
    }
    let inflight = "gateway_function_invocation_inflight{function_name=\"hanging.openfaas-fn\"}";
    eventually("the callers", std::time::Duration::from_secs(30), || {
        gateway
            .metric(inflight)
            .filter(|n| *n >= f64::from(CALLERS))
    });
    let beside = PACE.run(gateway.address);
    let mut figures = alone.lines("alone ");
    figures.extend(beside.lines("beside"));
    must(beside.errors.is_empty(), "a call failed", &figures)?;
    let (before, after) = (alone.quantile(0.99), beside.quantile(0.99));
    must(after <= 2.0 * before, "p99 more than doubled", &figures)?;
    Ok(figures)
}

const CALLERS: u32 = 2_000;
const PACE: Pace = Pace {
    rate: 1_000,
    calls: 10_000,
    threads: 10,
    body: b"x",
    target: "/function/busy/x",
};
