//! One thread's simulated world: tasks run one at a time in an order that the seed chooses. A step
//! of a task takes no time, or as much as until the next event; while the gateway's takes time, the
//! others go on beside it. When every task waits, time jumps to the next event.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use parking_lot::Mutex;

use super::net::End;

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Longest time a task's step takes, in microseconds.
const STEP: u64 = 200;

/// Something that happens at its time.
pub(super) type Event = Box<dyn FnOnce()>;

/// The world of one run.
pub(super) struct World {
    /// Microseconds since the run began.
    now: Cell<u64>,
    random: Cell<u64>,
    /// Choices that are not left to chance: the next come first.
    chosen: RefCell<VecDeque<u16>>,
    tasks: RefCell<Vec<Option<Task>>>,
    /// Ids of the gateway's tasks: it is one thread.
    gateways: RefCell<BTreeSet<usize>>,
    /// Ids of tasks that may run. Shared, for wakers must be `Send`.
    ready: Arc<Mutex<Vec<usize>>>,
    /// By time, then by order of making.
    events: RefCell<BTreeMap<(u64, u64), Event>>,
    made: Cell<u64>,
    /// Every end of a connection, by its descriptor.
    pub(super) ends: RefCell<BTreeMap<RawFd, Weak<End>>>,
    /// Who listens where.
    pub(super) ports: RefCell<BTreeMap<String, Rc<super::rt::Backlog>>>,
    /// Real sockets somebody waits at: the doorbells, which other threads would ring.
    pub(super) bells: RefCell<Vec<Waker>>,
    /// Somebody may have rung.
    pub(super) rung: Cell<bool>,
    /// Moves on with every choice and every event: two runs of one seed end with the same.
    trace: Cell<u64>,
    /// Whether the run tells what happens.
    loud: bool,
}

struct Waking {
    id: usize,
    ready: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Waking {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock();
        if !ready.contains(&self.id) {
            ready.push(self.id);
        }
    }
}

/// This thread's world.
///
/// # Panics
/// There is none.
pub(super) fn world() -> Rc<World> {
    current().expect("a simulated world on this thread")
}

pub(super) fn current() -> Option<Rc<World>> {
    WORLD.with_borrow(Option::clone)
}

impl World {
    /// A new world on this thread, in place of an earlier one. Two bytes of `chosen` decide about
    /// each thing; behind them chance does.
    pub(super) fn begin(seed: u64, chosen: &[u8]) -> Rc<Self> {
        let pairs = chosen.chunks_exact(2);
        let chosen = pairs.map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let world = Rc::new(Self {
            now: Cell::new(0),
            random: Cell::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            chosen: RefCell::new(chosen.collect()),
            tasks: RefCell::default(),
            gateways: RefCell::default(),
            ready: Arc::default(),
            events: RefCell::default(),
            made: Cell::new(0),
            ends: RefCell::default(),
            ports: RefCell::default(),
            bells: RefCell::default(),
            rung: Cell::new(true),
            trace: Cell::new(seed),
            loud: super::setting("RINGWAY_SIM_SEED").is_some(),
        });
        WORLD.set(Some(Rc::clone(&world)));
        world
    }

    /// Ends the world: what is left of its tasks is dropped while it still stands.
    pub(super) fn end(self: Rc<Self>) {
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        drop(tasks);
        let events = std::mem::take(&mut *self.events.borrow_mut());
        drop(events);
        WORLD.set(None);
    }

    pub(super) fn now(&self) -> u64 {
        self.now.get()
    }

    /// 56 random bits (xorshift64*).
    pub(super) fn random(&self) -> u64 {
        if let Some(chosen) = self.chosen.borrow_mut().pop_front() {
            // Small numbers stay what they are, for what is small; large ones reach everywhere.
            let high = u64::from(chosen >> 8).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
            return (high << 8) | u64::from(chosen & 0xff);
        }
        let mut x = self.random.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.random.set(x);
        x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 8
    }

    /// A number below `n`, which is not 0.
    pub(super) fn below(&self, n: u64) -> u64 {
        self.random() % n
    }

    /// True once in `n` times.
    pub(super) fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Tells what happens, when one seed is looked at.
    #[expect(clippy::print_stderr, reason = "asked for")]
    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if self.loud {
            eprintln!("{:>12} us  {}", self.now(), what());
        }
    }

    pub(super) fn trace(&self) -> u64 {
        self.trace.get()
    }

    fn mark(&self, what: u64) {
        let mixed = (self.trace.get() ^ what).wrapping_mul(0x0100_0000_01B3);
        self.trace.set(mixed.rotate_left(23));
    }

    /// Does something `after` microseconds.
    pub(super) fn at(&self, after: u64, event: Event) {
        let made = self.made.get();
        self.made.set(made + 1);
        let key = (self.now.get().saturating_add(after), made);
        self.events.borrow_mut().insert(key, event);
    }

    /// Starts a task of somebody around the gateway; its id.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + 'static) -> usize {
        let mut tasks = self.tasks.borrow_mut();
        let id = tasks.len();
        tasks.push(Some(Box::pin(task)));
        self.ready.lock().push(id);
        id
    }

    /// Starts a task of the gateway.
    pub(super) fn spawn_in_gateway(&self, task: impl Future<Output = ()> + 'static) {
        let id = self.spawn(task);
        self.gateways.borrow_mut().insert(id);
    }

    /// Called within a step of the gateway: now and then the others go on beside it.
    pub(super) fn meanwhile(&self) {
        if !self.one_in(8) {
            return;
        }
        let until = self.now() + self.below(10 * STEP);
        loop {
            while self.step(|id| !self.gateways.borrow().contains(&id)) {}
            if !self.happen(until) {
                return;
            }
        }
    }

    /// Lets the next event happen, if it is due until then.
    fn happen(&self, until: u64) -> bool {
        let (time, event) = {
            let mut events = self.events.borrow_mut();
            let Some(entry) = events.first_entry() else {
                return false;
            };
            let (time, made) = *entry.key();
            if time > until {
                return false;
            }
            self.mark(time ^ made.rotate_left(32));
            (time, entry.remove())
        };
        self.now.set(time);
        event();
        true
    }

    /// Runs until `done`, or until the time is `until`.
    ///
    /// # Errors
    /// The time is over, or nothing can happen any more.
    pub(super) fn run(&self, until: u64, done: impl Fn() -> bool) -> Result<(), String> {
        loop {
            while self.step(|_| true) {
                // A step takes its time: what comes meanwhile is there for the next.
                self.happen(self.now() + self.below(STEP));
            }
            if done() {
                return Ok(());
            }
            // What came by a real socket came at once.
            if self.rung.take() {
                let bells = std::mem::take(&mut *self.bells.borrow_mut());
                bells.into_iter().for_each(Waker::wake);
                continue;
            }
            if !self.happen(until) {
                let now = self.now();
                return Err(format!("it is not done at {now} us, nor at {until} us"));
            }
        }
    }

    /// Polls one of the tasks that may run, of those in question; `false` when there is none.
    fn step(&self, in_question: impl Fn(usize) -> bool) -> bool {
        let id = {
            let mut ready = self.ready.lock();
            let places = (0..ready.len()).filter(|&at| in_question(ready[at]));
            let places: Vec<usize> = places.collect();
            if places.is_empty() {
                return false;
            }
            let chosen = usize::try_from(self.below(places.len() as u64)).unwrap_or(0);
            ready.swap_remove(places[chosen])
        };
        self.mark(id as u64);
        let Some(mut task) = self.tasks.borrow_mut()[id].take() else {
            return true;
        };
        let ready = Arc::clone(&self.ready);
        let waker = Waker::from(Arc::new(Waking { id, ready }));
        let mut context = Context::from_waker(&waker);
        if task.as_mut().poll(&mut context).is_pending() {
            self.tasks.borrow_mut()[id] = Some(task);
        }
        true
    }
}
