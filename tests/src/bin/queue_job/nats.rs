//! What survives `kill -9` when the queue is in NATS: of nats-server, and of a worker.

use std::time::Duration;

use ringway_tests::{Nats, QueueWorker};

use crate::clients::Clients;
use crate::kills::{CALLS, CLIENTS, IN_FLIGHT, KILLS, Random, verdict};
use crate::scene::Scene;

/// Five kills of nats-server at moments of chance, while the gateway runs the calls.
pub(crate) fn server() -> Result<Vec<String>, String> {
    let mut nats = Nats::start();
    let scene = scene(&nats, &[]);
    let mut random = Random::new();
    let clients = clients(&scene);
    let mut figures = vec![format!("seed {}", random.seed())];
    for kill in 1..=KILLS {
        // A moment of chance in this kill's fifth of the calls.
        let moment = (CALLS / KILLS) * (kill - 1) + random.below(CALLS / KILLS);
        while clients.accepted() < moment {
            std::thread::sleep(Duration::from_millis(1));
        }
        let before = scene.executed().len();
        nats.restart();
        figures.push(format!(
            "kill {kill}: {} accepted, {before} executed",
            clients.accepted()
        ));
    }
    figures.extend(end(&scene, clients, KILLS * IN_FLIGHT)?);
    Ok(figures)
}

/// Two workers beside a gateway that runs nothing itself; one of them is killed.
pub(crate) fn worker() -> Result<Vec<String>, String> {
    let nats = Nats::start();
    let scene = scene(&nats, &[("RINGWAY_ASYNC_WORKER", "false")]);
    let start = || QueueWorker::start(&nats, &scene.gateway, &SETTINGS);
    let (mut first, second) = (start(), start());
    let clients = clients(&scene);
    while clients.accepted() < CALLS / 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let before = scene.executed().len();
    first.kill();
    let mut figures = vec![format!(
        "one of two killed: {} accepted, {before} executed",
        clients.accepted()
    )];
    figures.extend(end(&scene, clients, IN_FLIGHT)?);
    drop(second);
    Ok(figures)
}

fn scene(nats: &Nats, settings: &[(&str, &str)]) -> Scene {
    let place = nats.settings();
    let place = place.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    let settings: Vec<(&str, &str)> = place
        .chain(SETTINGS)
        .chain(settings.iter().copied())
        .collect();
    let scene = Scene::new(&settings, 1_000);
    scene.gateway.await_metric("ringway_async_available", 1.0);
    scene
}

fn clients(scene: &Scene) -> Clients {
    let address = scene.gateway.address;
    Clients::start(address, "/async-function/tally", CLIENTS, CALLS)
}

fn end(scene: &Scene, clients: Clients, in_flight: usize) -> Result<Vec<String>, String> {
    let (ids, times) = clients.end();
    let drained = scene.drained(PATIENCE)?;
    // The numbers of the queue are looked up every two seconds.
    std::thread::sleep(Duration::from_secs(3));
    scene.drained(PATIENCE)?;
    let dead = scene.gateway.metric("ringway_async_dead");
    let executed = scene.executed();
    let mut figures = verdict(&ids, &executed, dead.unwrap_or(f64::NAN), in_flight)?;
    let seconds: f64 = times.iter().map(Duration::as_secs_f64).sum();
    figures.push(format!(
        "time to a 202          {:>7.2} ms on average; drained {:.1} s after the last",
        seconds / times.len().max(1) as f64 * 1_000.0,
        drained.as_secs_f64()
    ));
    Ok(figures)
}

const SETTINGS: [(&str, &str); 2] = [
    ("RINGWAY_RETRY_MIN_WAIT", "200ms"),
    ("RINGWAY_NATS_ACK_WAIT", "2s"),
];
const PATIENCE: Duration = Duration::from_secs(180);
