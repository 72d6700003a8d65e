//! Deterministic simulation: the shard's own code between simulated clients and functions.
//!
//! `rt.rs`, `io.rs` and `pipe.rs` stand in for the runtime, the sockets and the pipes in this crate's
//! unit tests and in fuzzing; all else is what the gateway runs. One seed chooses everything: who
//! runs next, how bytes are cut and delayed, who misbehaves and when tables move. The same seed is
//! the same run.
//!
//! `RINGWAY_SIM_SEED` runs one seed, loudly; `RINGWAY_SIM_SEEDS` says how many, from
//! `RINGWAY_SIM_FIRST` on (`scripts/simulate.sh`).

mod client;
mod fleet;
mod function;
mod http;
pub(crate) mod io;
mod ledger;
mod net;
pub(crate) mod pipe;
pub(crate) mod rt;
mod world;

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::{AccessLog, Config, DriverChoice, HalfClose};
use crate::endpoint::Room;
use crate::metrics::ShardCounters;
use crate::shard::inbox::Inbox;
use crate::shard::{Setup, Shard};
use crate::table::Publisher;

use fleet::{Fleet, Wanted};
use ledger::{Books, Ledger, Weather};
use world::{World, current};

/// The simulated time in microseconds, in a simulated world.
pub(crate) fn now() -> Option<u64> {
    current().map(|world| world.now())
}

/// A number that the seed chooses, in a simulated world.
pub(crate) fn random() -> Option<u64> {
    current().map(|world| world.random())
}

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    calls: usize,
    /// Equal for equal runs.
    trace: u64,
    wrong: Vec<String>,
}

/// A shard in its world.
struct Scene {
    world: Rc<World>,
    shard: &'static Shard,
    inbox: Arc<Inbox>,
    books: Books,
}

impl Scene {
    fn start(seed: u64, chosen: &[u8], weather: Weather) -> Self {
        let world = World::begin(seed, chosen);
        let books = Books::new(Ledger::default());
        books.weather.set(weather);
        let publisher = Publisher::new(1);
        let wanted = Arc::new(Wanted::default());
        let (inbox, bell) = Inbox::new().expect("a socket pair");
        let inbox = Arc::new(inbox);
        publisher.subscribe(Arc::clone(&inbox) as _);
        let counters: &'static ShardCounters = Box::leak(Box::default());
        let shard = Shard::new(Setup {
            index: 0,
            config: Arc::new(config()),
            publisher: publisher.clone(),
            demand: Arc::clone(&wanted) as _,
            clock: Clock::new(),
            counters,
            inbox: Arc::clone(&inbox),
            log: None,
            connections_max: if world.one_in(4) { 4 } else { 1_000 },
            buffer_bytes_max: 64 << 20,
            clients: None,
            room: Room {
                per_endpoint: 4,
                in_all: 6,
            },
            inline_budget: u32::try_from(world.below(16)).unwrap_or(0),
            pipes_max: usize::try_from(world.below(4)).unwrap_or(0),
            sockets_wait: false,
            neighbours: Arc::new([]),
        });
        let listener = net::listen(client::GATEWAY.to_owned());
        world.spawn_in_gateway(shard.run(listener, bell));
        let functions = 1 + world.below(3);
        let fleet = Fleet::start(functions, publisher, wanted, Rc::clone(&books));
        world.spawn(fleet.run());
        let clients = 1 + world.below(12);
        books.clients.set(usize::try_from(clients).unwrap_or(1));
        for _ in 0..clients {
            let books = Rc::clone(&books);
            let later = Duration::from_micros(world.below(2_000_000));
            world.spawn(async move {
                rt::sleep(later).await;
                client::run(functions, books).await;
            });
        }
        Self {
            world,
            shard,
            inbox,
            books,
        }
    }

    /// Everything a run of this scene shows.
    fn play(self) -> Run {
        let Self {
            world,
            shard,
            inbox,
            books,
        } = self;
        if world.one_in(3) {
            let (inbox, books) = (Arc::clone(&inbox), Rc::clone(&books));
            let at = world.below(6_000_000);
            world.at(at, Box::new(move || drain(&inbox, &books)));
        }
        let limit = 3_600_000_000;
        let counters = shard.counters;
        let over = || books.clients.get() == 0;
        if let Err(why) = world.run(limit, over) {
            books.wrong(format!("a client waits for ever: {why}"));
        }
        drain(&inbox, &books);
        let gone = || counters.connections.get() == 0;
        if let Err(why) = world.run(limit, gone) {
            let left = counters.connections.get();
            books.wrong(format!("{left} connections do not end in a drain: {why}"));
        }
        // What is idle is given up in time.
        let swept = || counters.upstream_connections.get() == 0 && shard.wheel.is_empty();
        if let Err(why) = world.run(limit, swept) {
            books.wrong(format!("idle connections or deadlines are left: {why}"));
        }
        for (what, left) in [
            ("requests in flight", counters.inflight.get()),
            ("parked", counters.parked.get()),
            ("waiting for a turn", shard.park.waiting() as u64),
            ("panics", counters.panics.get()),
            // The inbox reads into one.
            ("buffers in use", shard.buffers.used() / 4096 - 1),
            ("busy endpoints", shard.endpoints.borrow().inflight()),
        ] {
            if left != 0 {
                books.wrong(format!("{what} at the end: {left}"));
            }
        }
        let run = Run {
            calls: books.calls(),
            trace: world.trace(),
            wrong: books.close(),
        };
        world.end();
        run
    }
}

fn drain(inbox: &Inbox, books: &Books) {
    world::world().tell(|| "drain".to_owned());
    books.draining.set(true);
    inbox.drain(Duration::from_secs(1), crate::listen::Backlog::Serve);
    world::world().rung.set(true);
}

fn config() -> Config {
    Config {
        listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
        fallback: PathBuf::from("/control"),
        driver: DriverChoice::Epoll,
        served_by: "sim".into(),
        upstream_timeout: Duration::from_secs(5),
        read_timeout: Some(Duration::from_secs(10)),
        write_timeout: Some(Duration::from_secs(60)),
        idle_timeout: Duration::from_secs(60),
        stream_idle: Some(Duration::from_secs(10)),
        limits: crate::limits::Limits::default(),
        trusted_proxies: Vec::new(),
        access_log: AccessLog::Off,
        half_close: HalfClose::Wait,
        connections_max: None,
        connections_per_client_max: None,
        own: crate::own::OwnPorts::default(),
        memory: 64 << 20,
        give_back: None,
        idle_max: 6,
        idle_per_endpoint_max: 4,
        cors: None,
    }
}

fn run(seed: u64) -> Run {
    Scene::start(seed, b"", weather(seed)).play()
}

fn weather(number: u64) -> Weather {
    match number % 3 {
        0 => Weather::Calm,
        1 => Weather::Flaky,
        _ => Weather::Storm,
    }
}

/// The fuzz target `exchange`: the first byte is the weather, the others choose what happens, for as
/// long as there are any.
///
/// # Panics
/// A promise is broken.
pub(crate) fn chosen(bytes: &[u8]) {
    let Some((first, chosen)) = bytes.split_first() else {
        return;
    };
    let number = u64::from(*first);
    let run = Scene::start(number, chosen, weather(number)).play();
    assert!(run.wrong.is_empty(), "{}", run.wrong.join("; "));
}

/// What fuzzing found worth keeping.
#[test]
fn no_stored_choices_break_a_promise() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/corpus/exchange");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).expect("stored inputs") {
        let path = entry.expect("a file").path();
        let bytes = std::fs::read(&path).expect("a readable file");
        let held = std::panic::catch_unwind(|| chosen(&bytes));
        assert!(held.is_ok(), "{}", path.display());
        count += 1;
    }
    assert!(count >= 5, "{count} inputs");
}

/// A number from the environment.
#[expect(clippy::disallowed_methods, reason = "a test's own settings")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_seed_breaks_a_promise() {
    let seeds = match setting("RINGWAY_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = setting("RINGWAY_SIM_FIRST").unwrap_or(0);
            first..first + setting("RINGWAY_SIM_SEEDS").unwrap_or(120)
        }
    };
    let mut calls = 0;
    let mut failed = Vec::new();
    for seed in seeds.clone() {
        let run = run(seed);
        calls += run.calls;
        if !run.wrong.is_empty() {
            failed.push(format!("seed {seed}: {}", run.wrong.join("; ")));
        }
    }
    assert!(calls > 0);
    assert!(
        failed.is_empty(),
        "{} of {} seeds, first ones:\n{}",
        failed.len(),
        seeds.end - seeds.start,
        failed[..failed.len().min(8)].join("\n")
    );
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in 0..6 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
