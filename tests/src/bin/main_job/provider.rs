//! A provider with many functions, and one that misbehaves while its functions are called.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ringway_tests::provider::{Kind, Provider, Readiness};
use ringway_tests::server::{Answer, Vice};
use ringway_tests::{Client, Gateway, eventually};

use crate::{memory_kib, must};

const FUNCTIONS: usize = 10_000;
const RESIDENT_KIB_MAX: u64 = 64 * 1024;

/// The resident memory with 10,000 functions, after lists, calls and polls.
pub(crate) fn crowd() -> Result<String, String> {
    let mut figures = Vec::new();
    for kind in [Kind::Netes, Kind::Faasd] {
        let provider = Provider::start(kind);
        provider.add_many(FUNCTIONS);
        let gateway = Gateway::behind(&provider, &[]);
        for i in 0..20 {
            let reply = gateway.admin("GET", "/system/functions", b"");
            must(reply.status == 200, || {
                format!("list {i}: {}", reply.status)
            })?;
        }
        for i in (0..FUNCTIONS).step_by(10) {
            let reply = gateway.call("GET", &format!("/function/fn-{i}/x"), b"");
            must(reply.status == 200, || format!("fn-{i}: {}", reply.status))?;
        }
        polled(&provider, 2);
        let resident = memory_kib(gateway.pid(), "VmRSS");
        let peak = memory_kib(gateway.pid(), "VmHWM");
        let figure = format!("{kind:?} {} MiB, at most {}", resident / 1024, peak / 1024);
        must(resident <= RESIDENT_KIB_MAX, || figure.clone())?;
        figures.push(figure);
    }
    Ok(figures.join("; "))
}

/// Calls of a function go on while `/system` of its provider is broken in every way.
pub(crate) fn broken_system() -> Result<String, String> {
    let provider = Provider::start(Kind::Netes);
    provider.add("one", Readiness::AtOnce);
    let gateway = Gateway::behind(&provider, &[("upstream_timeout", "2")]);
    let (stop, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    let address = gateway.address;
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::connect(address).map_err(|e| e.to_string())?;
                    while !stop.load(Ordering::Relaxed) {
                        let reply = client.request("POST", "/function/one/x", &[], b"body");
                        let reply = reply.map_err(|e| e.to_string())?;
                        must(reply.status == 200, || reply.text())?;
                        calls.fetch_add(1, Ordering::Relaxed);
                        // Leaves the processor to the provider, which is of this process.
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    Ok(())
                })
            })
            .collect();
        for vice in [
            Vice::Close,
            Vice::Bytes(b"garbage\r\n\r\n".to_vec()),
            Vice::Answer(Answer::raw_json("[{")),
            Vice::Answer(Answer::status(500)),
            Vice::Hold,
        ] {
            provider.script("/system", vice);
            polled(&provider, 1);
            provider.behave();
        }
        stop.store(true, Ordering::Relaxed);
        callers.into_iter().try_for_each(|caller| {
            let ended = caller.join().map_err(|_| "a caller panicked".to_owned())?;
            ended.map_err(|why: String| format!("a call failed: {why}"))
        })
    })?;
    let calls = calls.load(Ordering::Relaxed);
    Ok(format!("{calls} calls, none failed"))
}

/// Waits for so many more looks at the provider's functions.
fn polled(provider: &Provider, more: usize) {
    let polls = || provider.count("GET /system/");
    let before = polls();
    eventually("polls of the provider", Duration::from_secs(30), || {
        (polls() > before + more).then_some(())
    });
}
