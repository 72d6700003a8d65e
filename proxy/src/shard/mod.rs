//! One thread's world: its listener, connections, buffers, pools, timers and counters.
//!
//! **Invariant:** nothing here is shared with another shard; what other threads may touch is
//! the [`inbox`], the counters (read only) and the published table.

mod accept;
mod alarm;
mod answer;
mod attempt;
mod call;
pub(crate) mod clients;
mod conclusion;
mod conn;
mod cross;
mod exchange;
mod fair;
mod first;
pub(crate) mod inbox;
#[cfg(not(any(test, fuzzing)))]
pub(crate) mod io;
mod lag;
mod look;
mod park;
mod parked;
#[cfg(not(any(test, fuzzing)))]
pub(crate) mod pipe;
mod pipes;
mod plan;
mod pump;
mod reply_head;
#[cfg(not(any(test, fuzzing)))]
pub(crate) mod rt;
mod thrift;
mod timer;
mod tunnel;
mod turn;
mod upstream;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::buf::Pool;
use crate::clock::{Clock, Millis, NEVER};
use crate::config::Config;
use crate::demand::SharedDemand;
use crate::endpoint::{Endpoints, Room};
use crate::metrics::{LogRing, ShardCounters};
use crate::shard::clients::Clients;
use crate::shard::fair::Budget;
use crate::shard::inbox::Inbox;
use crate::shard::lag::Lag;
use crate::shard::look::LOOKS;
use crate::shard::park::Park;
use crate::shard::pipes::Pipes;
use crate::shard::rt::TcpListener;
use crate::shard::thrift::Thrift;
use crate::shard::timer::{TICK_MILLIS, Wheel};
use crate::table::{Address, Held, Publisher, Reader};

#[cfg(any(test, fuzzing))]
pub(crate) use crate::sim::{io, pipe, rt};

/// What a shard is given at start.
pub(crate) struct Setup {
    pub(crate) index: usize,
    pub(crate) config: Arc<Config>,
    pub(crate) publisher: Publisher,
    pub(crate) demand: SharedDemand,
    /// With the origin of all shards.
    pub(crate) clock: Clock,
    pub(crate) counters: &'static ShardCounters,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) log: Option<Arc<LogRing>>,
    pub(crate) connections_max: usize,
    pub(crate) buffer_bytes_max: u64,
    pub(crate) clients: Option<Arc<Clients>>,
    /// Idle upstream connections this shard keeps.
    pub(crate) room: Room,
    /// Steps of a connection before it lets others run.
    pub(crate) inline_budget: u32,
    /// Pipes this shard may use at once.
    pub(crate) pipes_max: usize,
    /// Its sockets wait for themselves, as those of `io_uring` do.
    pub(crate) sockets_wait: bool,
    pub(crate) neighbours: Neighbours,
}

/// Another shard, as much of it as this one may know.
pub(crate) struct Neighbour {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) counters: &'static ShardCounters,
}

/// The other shards of this gateway.
pub(crate) type Neighbours = Arc<[Neighbour]>;

/// Everything one shard's tasks share. Lives until the process ends: operations in flight may
/// outlast the loop.
pub(crate) struct Shard {
    pub(crate) index: usize,
    pub(crate) config: Arc<Config>,
    /// The control plane's socket.
    pub(crate) control: Address,
    pub(crate) clock: Clock,
    pub(crate) wheel: Wheel,
    pub(crate) buffers: Rc<Pool>,
    /// Whether operations on sockets wait in the kernel, as io_uring's do.
    pub(crate) sockets_wait: bool,
    pub(crate) pipes: Pipes,
    pub(crate) reader: RefCell<Reader>,
    pub(crate) endpoints: RefCell<Endpoints>,
    pub(crate) park: Park,
    pub(crate) demand: SharedDemand,
    pub(crate) counters: &'static ShardCounters,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) log: Option<Arc<LogRing>>,
    /// Where a rewritten head is composed before it is copied in front of its body.
    pub(crate) scratch: RefCell<Vec<u8>>,
    pub(crate) connections: Cell<usize>,
    pub(crate) connections_max: usize,
    /// Counts connections per client, where that is limited.
    pub(crate) clients: Option<Arc<Clients>>,
    /// Functions with calls in flight here.
    pub(crate) busy_functions: Cell<u32>,
    pub(crate) draining: Cell<bool>,
    /// For how long a connection may wait for a next request while this shard drains.
    pub(crate) drain_idle: Cell<Duration>,
    pub(crate) neighbours: Neighbours,
    pub(crate) budget: Budget,
    random: Cell<u64>,
    ticker: RefCell<Option<std::task::Waker>>,
    pub(crate) room: RefCell<Option<std::task::Waker>>,
}

impl Shard {
    pub(crate) fn new(setup: Setup) -> &'static Self {
        let seed = std::collections::hash_map::RandomState::new();
        let seed = std::hash::BuildHasher::hash_one(&seed, setup.index);
        #[cfg(any(test, fuzzing))]
        let seed = crate::sim::random().unwrap_or(seed);
        let write_timeout = setup.config.write_timeout.unwrap_or_default();
        let look_every = (write_timeout / LOOKS).as_millis();
        let look_every = Millis::try_from(look_every).unwrap_or(NEVER).max(1);
        let buffers = Pool::new(setup.buffer_bytes_max, setup.counters);
        Box::leak(Box::new(Self {
            index: setup.index,
            control: Address::Unix(setup.config.fallback.clone()),
            config: setup.config,
            clock: setup.clock,
            wheel: Wheel::new(look_every),
            sockets_wait: setup.sockets_wait,
            pipes: Pipes::new(setup.pipes_max, setup.sockets_wait, Rc::clone(&buffers)),
            buffers,
            reader: RefCell::new(setup.publisher.reader()),
            endpoints: RefCell::new(Endpoints::new(setup.room)),
            park: Park::default(),
            demand: setup.demand,
            counters: setup.counters,
            inbox: setup.inbox,
            log: setup.log,
            scratch: RefCell::new(Vec::with_capacity(4096)),
            connections: Cell::new(0),
            connections_max: setup.connections_max,
            clients: setup.clients,
            busy_functions: Cell::new(0),
            draining: Cell::new(false),
            drain_idle: Cell::new(Duration::ZERO),
            neighbours: setup.neighbours,
            budget: Budget::new(setup.inline_budget),
            random: Cell::new(seed | 1),
            ticker: RefCell::default(),
            room: RefCell::default(),
        }))
    }

    /// Serves until told to stop by the inbox.
    pub(crate) async fn run(
        &'static self,
        listener: TcpListener,
        bell: std::os::unix::net::UnixStream,
    ) {
        rt::spawn(accept::accept_loop(self, listener));
        rt::spawn(async { match self.usher().await {} });
        rt::spawn(self.tick());
        inbox::listen(self, bell).await;
        // What is left is cut now; its descriptors are only closed by the end of the process.
        self.wheel.each(alarm::Alarm::cut);
        // What was to be closed in this turn is only closed in the next.
        rt::sleep(Duration::from_millis(1)).await;
    }

    /// How long a connection may wait for a next request.
    pub(crate) fn idle_timeout(&self) -> Duration {
        let usual = self.config.idle_timeout;
        if self.draining.get() {
            self.drain_idle.get().min(usual)
        } else {
            usual
        }
    }

    /// The newest table.
    pub(crate) fn table(&self) -> Held {
        self.reader.borrow_mut().table().0.clone()
    }

    /// 64 random bits (xorshift64*): for balance and ids, not for secrets.
    pub(crate) fn random(&self) -> u64 {
        let mut x = self.random.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.random.set(x);
        x.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Starts the ticker if it sleeps: a deadline was set after a time without any.
    pub(crate) fn wake_ticker(&self) {
        if let Some(waker) = self.ticker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Moves the coarse clock and fires deadlines every [`TICK_MILLIS`]; sleeps while there is
    /// neither a connection nor an idle upstream.
    async fn tick(&'static self) {
        let mut next_sweep = 0;
        let mut lag = Lag::start(self.clock.read_micros());
        let mut thrift = Thrift::default();
        loop {
            if self.connections.get() == 0 && !self.endpoints.borrow().has_idle() {
                self.wheel.advance(self.clock.now());
                if self.wheel.is_empty() {
                    self.buffers.shrink_unused();
                    self.counters.loop_lag_micros.set(0);
                    self.sleep_until_woken().await;
                    lag = Lag::start(self.clock.read_micros());
                }
            }
            rt::sleep(Duration::from_millis(TICK_MILLIS)).await;
            let micros = self.clock.read_micros();
            self.counters.loop_lag_micros.set(lag.tick(micros));
            let now = self.clock.now();
            self.wheel.advance(now);
            self.park.advance(now);
            if now >= next_sweep {
                next_sweep = now + 1_000;
                self.endpoints.borrow_mut().sweep(now);
                self.buffers.shrink();
                let freed = self.buffers.freed();
                let due = thrift.is_due(now, freed, self.counters.requests.get());
                if let Some(give_back) = self.config.give_back.filter(|_| due) {
                    give_back();
                }
            }
        }
    }

    async fn sleep_until_woken(&self) {
        let mut slept = false;
        std::future::poll_fn(|cx| {
            if slept {
                return std::task::Poll::Ready(());
            }
            slept = true;
            *self.ticker.borrow_mut() = Some(cx.waker().clone());
            std::task::Poll::Pending
        })
        .await;
    }
}
