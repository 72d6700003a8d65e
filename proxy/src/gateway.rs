//! Start and stop: threads, listeners, handles. The only place that spawns threads.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::config::{AccessLog, Config};
use crate::demand::Demand;
use crate::endpoint::Room;
use crate::limits;
use crate::listen::{Backlog, address_of, bind_all};
use crate::metrics::{
    FunctionSnapshot, LogRing, LogWriter, ShardCounters, ShardSnapshot, Snapshot,
};
use crate::runtime::{self, Choice};
use crate::shard::clients::Clients;
use crate::shard::inbox::Inbox;
use crate::shard::pipe::Pipe;
use crate::shard::{Neighbour, Neighbours, Setup, Shard};
use crate::table::{Doorbell, Publisher};

/// How often the access log is written.
const LOG_EVERY: Duration = Duration::from_millis(50);
/// How often a stopping gateway looks whether its connections are gone.
const DRAIN_LOOK_EVERY: Duration = Duration::from_millis(10);

/// A running data plane.
pub struct Gateway {
    publisher: Publisher,
    address: SocketAddr,
    driver: DriverReport,
    connections_max: usize,
    /// What the shards listen on. Not held beyond the drain: connections that nobody accepts
    /// would wait there.
    listeners: Mutex<Vec<TcpListener>>,
    shards: Vec<Handle>,
    log: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

struct Handle {
    inbox: Arc<Inbox>,
    counters: &'static ShardCounters,
    thread: JoinHandle<()>,
}

/// Which driver the shards run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// `io_uring`.
    IoUring,
    /// epoll.
    Epoll,
}

/// The driver in use and, after a fallback, why.
#[derive(Clone, Debug)]
pub struct DriverReport {
    /// In use on every shard.
    pub driver: Driver,
    /// Ring set-up flags in use, empty with epoll.
    pub flags: &'static str,
    /// Why `io_uring`, or its better flags, are not used although allowed by the configuration.
    pub fallback: Option<String>,
}

/// A shard's signs of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Moves after every [`Gateway::knock`], soon.
    pub answers: u64,
    /// Its thread is over, which nobody asked for while the gateway is not stopped.
    pub ended: bool,
}

/// Why the data plane did not start; the text names the cure.
#[derive(Debug)]
pub enum StartError {
    /// The public address cannot be bound.
    Listen(SocketAddr, io::Error),
    /// `io_uring` was demanded and is refused.
    Driver(String),
    /// A thread or a socket pair could not be made.
    Resources(io::Error),
}

impl Driver {
    /// The name in logs, metrics and settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::IoUring => "io_uring",
            Self::Epoll => "epoll",
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, e) if e.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "cannot listen on {address}: another program listens there; stop it, or choose \
                 another address"
            ),
            Self::Listen(address, e) if e.kind() == io::ErrorKind::PermissionDenied => write!(
                f,
                "cannot listen on {address}: not permitted; choose a port of 1024 or above, or \
                 grant CAP_NET_BIND_SERVICE"
            ),
            Self::Listen(address, e) => write!(f, "cannot listen on {address}: {e}"),
            Self::Driver(why) => f.write_str(why),
            Self::Resources(e) => write!(f, "cannot start the shards: {e}"),
        }
    }
}

impl std::error::Error for StartError {}

impl Gateway {
    /// Binds, starts the shards of `publisher` and returns once all of them accept. What was
    /// published before is served from the first request on.
    ///
    /// # Errors
    /// The address is taken or not ours, `io_uring` was demanded and is refused, or threads
    /// cannot be made.
    pub fn start(
        config: Config,
        publisher: Publisher,
        demand: Arc<dyn Demand>,
    ) -> Result<Self, StartError> {
        let count = publisher.shards();
        let listeners =
            bind_all(config.listen, count).map_err(|e| StartError::Listen(config.listen, e))?;
        Self::start_on(listeners, config, publisher, demand)
    }

    /// As [`Gateway::start`], on sockets that listen already: one per shard of `publisher`.
    ///
    /// # Errors
    /// As [`Gateway::start`]; another number of listeners than of shards.
    pub fn start_on(
        listeners: Vec<TcpListener>,
        config: Config,
        publisher: Publisher,
        demand: Arc<dyn Demand>,
    ) -> Result<Self, StartError> {
        let choice = runtime::choose(config.driver).map_err(StartError::Driver)?;
        let count = publisher.shards();
        let address = address_of(&listeners, count).map_err(StartError::Resources)?;
        let clones: io::Result<Vec<_>> = listeners.iter().map(TcpListener::try_clone).collect();
        let clones = clones.map_err(StartError::Resources)?;
        let descriptors = rlimit_nofile();
        // More would leave functions and the control plane without descriptors.
        let possible = limits::connections_max(descriptors);
        let wanted = config.connections_max.unwrap_or(possible);
        let connections_max = wanted.min(possible).max(count);
        let pipes = if Pipe::works() {
            limits::pipes_max(config.limits.pipes_max, descriptors)
        } else {
            0
        };
        let clients = config.connections_per_client_max.map(Clients::new);
        let config = Arc::new(config);
        let clock = Clock::new();
        let (ready, started) = mpsc::channel();
        let mut shards = Vec::with_capacity(count);
        let mut rings = Vec::new();
        let (desks, bells) = desks(&publisher, count).map_err(StartError::Resources)?;
        for (index, (listener, bell)) in listeners.into_iter().zip(bells).enumerate() {
            let (inbox, counters) = desks[index].clone();
            let log = (config.access_log != AccessLog::Off).then(LogRing::new);
            rings.extend(log.clone());
            let start = ShardStart {
                setup: Setup {
                    index,
                    config: Arc::clone(&config),
                    publisher: publisher.clone(),
                    demand: Arc::clone(&demand),
                    clock: clock.clone(),
                    counters,
                    inbox: Arc::clone(&inbox),
                    log,
                    connections_max: limits::part(connections_max, count, index),
                    buffer_bytes_max: limits::buffer_bytes_max(config.memory, count),
                    clients: clients.clone(),
                    room: Room {
                        per_endpoint: config.idle_per_endpoint_max.div_ceil(count),
                        in_all: config.idle_max.div_ceil(count),
                    },
                    neighbours: neighbours(&desks, index),
                    inline_budget: limits::STEPS_MAX,
                    pipes_max: limits::part(pipes, count, index),
                    sockets_wait: choice.report.driver == Driver::IoUring,
                },
                listener,
                bell,
                choice: choice.clone(),
                ready: ready.clone(),
            };
            let thread = start.spawn()?;
            shards.push(Handle {
                inbox,
                counters,
                thread,
            });
        }
        drop(ready);
        all_accept(&started, count)?;
        Ok(Self {
            publisher,
            address,
            driver: choice.report,
            connections_max,
            listeners: Mutex::new(clones),
            shards,
            log: start_log(rings)?,
        })
    }

    /// The listening sockets, one per shard, for a gateway that takes this one's place; none once
    /// this one drains.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn listeners(&self) -> io::Result<Vec<TcpListener>> {
        self.listeners
            .lock()
            .iter()
            .map(TcpListener::try_clone)
            .collect()
    }

    /// The address clients connect to (with the port the kernel chose for port 0).
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The driver in use.
    #[must_use]
    pub fn driver(&self) -> DriverReport {
        self.driver.clone()
    }

    /// Most client connections at once, over all shards.
    #[must_use]
    pub const fn connections_max(&self) -> usize {
        self.connections_max
    }

    /// Where tables are published.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        self.publisher.clone()
    }

    /// What the shards have counted so far.
    #[must_use]
    pub fn metrics(&self) -> Snapshot {
        Snapshot {
            functions: self
                .publisher
                .functions()
                .iter()
                .map(|f| FunctionSnapshot::of(f))
                .collect(),
            unknown: self.publisher.unknown().map(|f| FunctionSnapshot::of(&f)),
            shards: self
                .shards
                .iter()
                .map(|s| ShardSnapshot::of(s.counters))
                .collect(),
        }
    }

    /// Rings every shard; each that lives answers ([`Gateway::pulses`]).
    pub fn knock(&self) {
        for shard in &self.shards {
            shard.inbox.ring();
        }
    }

    /// Signs of life, one per shard.
    #[must_use]
    pub fn pulses(&self) -> Vec<Pulse> {
        let shards = self.shards.iter();
        shards
            .map(|shard| Pulse {
                answers: shard.inbox.answers(),
                ended: shard.thread.is_finished(),
            })
            .collect()
    }

    /// Begins to drain: no new connections, `Connection: close` on replies; connections on which
    /// no request comes for `idle` are closed. Who has connected and is not accepted is served or
    /// left; with [`Backlog::Serve`] the sockets listen no more, wherever else they are open.
    pub fn drain(&self, idle: Duration, backlog: Backlog) {
        self.listeners.lock().clear();
        for shard in &self.shards {
            shard.inbox.drain(idle, backlog);
        }
    }

    /// Waits until every connection is gone or `deadline` has passed, then stops the shards.
    /// Returns the number of connections that were cut. Call [`Gateway::drain`] before.
    #[must_use]
    pub fn stop(self, deadline: Duration) -> usize {
        let until = Instant::now() + deadline;
        while !self.is_drained() && Instant::now() < until {
            pause(DRAIN_LOOK_EVERY);
        }
        let cut = self.open_connections();
        for shard in &self.shards {
            shard.inbox.stop();
        }
        for shard in self.shards {
            // A shard that panicked outside its connections has ended already.
            let _ = shard.thread.join();
        }
        if let Some((stop, thread)) = self.log {
            stop.store(true, Ordering::Release);
            let _ = thread.join();
        }
        cut
    }

    /// Whether nothing is accepted any more, after [`Gateway::drain`], and no connection is left.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        // Nobody closes what a shard has that ended by itself.
        let live = || self.shards.iter().filter(|s| !s.thread.is_finished());
        // In this order: before a shard closes, it may hand connections to another.
        live().all(|s| s.inbox.is_closed())
            && live().all(|s| s.inbox.coming() == 0)
            && live().all(|s| s.counters.connections.get() == 0)
    }

    fn open_connections(&self) -> usize {
        let open = self.shards.iter().map(|s| s.counters.connections.get());
        usize::try_from(open.sum::<u64>()).unwrap_or(usize::MAX)
    }
}

/// Waits until every shard accepts.
fn all_accept(started: &mpsc::Receiver<io::Result<()>>, count: usize) -> Result<(), StartError> {
    for _ in 0..count {
        match started.recv() {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return Err(StartError::Resources(e)),
            Err(_) => return Err(StartError::Resources(io::ErrorKind::Other.into())),
        }
    }
    Ok(())
}

/// What other threads know of a shard.
type Desk = (Arc<Inbox>, &'static ShardCounters);

/// Inboxes and counters of all shards, and the ends of the bells the shards listen at.
fn desks(
    publisher: &Publisher,
    count: usize,
) -> io::Result<(Vec<Desk>, Vec<std::os::unix::net::UnixStream>)> {
    let (mut desks, mut bells): (Vec<Desk>, Vec<_>) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (inbox, bell) = Inbox::new()?;
        let inbox = Arc::new(inbox);
        publisher.subscribe(Arc::clone(&inbox) as _);
        desks.push((inbox, Box::leak(Box::default())));
        bells.push(bell);
    }
    Ok((desks, bells))
}

/// All shards but the one at `index`.
fn neighbours(desks: &[Desk], index: usize) -> Neighbours {
    let others = desks.iter().enumerate().filter(|(i, _)| *i != index);
    others
        .map(|(_, (inbox, counters))| Neighbour {
            inbox: Arc::clone(inbox),
            counters,
        })
        .collect()
}

/// Everything a shard's thread takes with it.
struct ShardStart {
    setup: Setup,
    listener: TcpListener,
    bell: std::os::unix::net::UnixStream,
    choice: Choice,
    ready: mpsc::Sender<io::Result<()>>,
}

impl ShardStart {
    fn spawn(self) -> Result<JoinHandle<()>, StartError> {
        let thread = std::thread::Builder::new().name(format!("shard-{}", self.setup.index));
        let spawned = thread.spawn(move || self.run());
        spawned.map_err(StartError::Resources)
    }

    fn run(self) {
        let Self {
            setup,
            listener,
            bell,
            choice,
            ready,
        } = self;
        // io_uring operations wait in the kernel; epoll needs descriptors that do not.
        let nonblocking = choice.report.driver == Driver::Epoll;
        let prepared = listener
            .set_nonblocking(nonblocking)
            .and_then(|()| bell.set_nonblocking(nonblocking));
        if let Err(e) = prepared {
            let _ = ready.send(Err(e));
            return;
        }
        let failed = ready.clone();
        let result = runtime::block_on(&choice, async move {
            let shard = Shard::new(setup);
            match crate::shard::rt::TcpListener::from_std(listener) {
                Ok(listener) => {
                    let _ = ready.send(Ok(()));
                    drop(ready);
                    shard.run(listener, bell).await;
                }
                Err(e) => {
                    let _ = ready.send(Err(e));
                }
            }
        });
        if let Err(e) = result {
            let _ = failed.send(Err(e));
        }
    }
}

type LogThread = Option<(Arc<AtomicBool>, JoinHandle<()>)>;

fn start_log(rings: Vec<Arc<LogRing>>) -> Result<LogThread, StartError> {
    if rings.is_empty() {
        return Ok(None);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = std::thread::Builder::new()
        .name("access-log".into())
        .spawn(move || {
            let mut writer = LogWriter::new(rings, io::stdout());
            while !stopped.load(Ordering::Acquire) {
                pause(LOG_EVERY);
                writer.write_waiting();
            }
            writer.write_waiting();
        })
        .map_err(StartError::Resources)?;
    Ok(Some((stop, thread)))
}

#[expect(clippy::disallowed_methods, reason = "not a shard's thread")]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// The soft limit of descriptors, raised to the hard one.
#[expect(
    unsafe_code,
    reason = "getrlimit and setrlimit have no safe wrapper among our crates"
)]
fn rlimit_nofile() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to one live struct of the right type, in all three calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return 1024;
        }
        let raised = libc::rlimit {
            rlim_cur: limit.rlim_max,
            rlim_max: limit.rlim_max,
        };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) == 0 {
            return limit.rlim_max;
        }
    }
    limit.rlim_cur
}
