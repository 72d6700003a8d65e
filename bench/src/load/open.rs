//! Open loop: requests are due at a constant rate whatever becomes of the earlier ones, and
//! latency counts from when a request was due. A stall therefore shows in every request that it
//! delays, not in one.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, bail};
use rustix::event::Timespec;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use super::Outcome;
use super::connection::{Connection, Progress};
use super::request::Request;
use crate::histogram::Histogram;
use crate::wire::{self, Poll};

/// What is run, and how.
pub(crate) struct Rate<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) request: &'a Request,
    pub(crate) connections: usize,
    pub(crate) per_second: f64,
    pub(crate) nanos: u64,
    /// Requests due in the first so many nanoseconds are not counted.
    pub(crate) warm_nanos: u64,
}

struct State<'a> {
    rate: &'a Rate<'a>,
    poll: Poll,
    timer: OwnedFd,
    connections: Vec<Option<Connection>>,
    idle: Vec<usize>,
    /// When requests were due that wait for a connection.
    waiting: VecDeque<u64>,
    outcome: Outcome,
    start: u64,
    /// Requests that were due so far.
    due: u64,
    in_flight: usize,
}

/// Runs at a rate; `between` is called once, when the warm-up is over.
pub(crate) fn open(rate: &Rate<'_>, between: impl FnOnce()) -> anyhow::Result<Outcome> {
    let mut state = State::new(rate)?;
    let mut between = Some(between);
    let mut ready = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let end = state.start + rate.warm_nanos + rate.nanos;
    let all = ((rate.warm_nanos + rate.nanos) as f64 * rate.per_second / 1e9) as u64;
    state.arm()?;
    loop {
        state.poll.wait(&mut ready)?;
        for &fd in &ready {
            if fd != state.timer.as_raw_fd() {
                state.read(wire::index(fd), &mut buffer)?;
            }
        }
        let now = wire::nanos();
        if now >= state.start + rate.warm_nanos
            && let Some(between) = between.take()
        {
            between();
        }
        while state.due < all && state.due_at(state.due) <= now {
            let due = state.due_at(state.due);
            state.due += 1;
            state.begin(due)?;
        }
        if state.due < all {
            state.arm()?;
        } else if state.in_flight == 0 && state.waiting.is_empty() {
            break;
        }
        if now > end + PATIENCE_NANOS {
            state.outcome.failed += (state.in_flight + state.waiting.len()) as u64;
            break;
        }
    }
    state.outcome.nanos = wire::nanos() - state.start - rate.warm_nanos;
    Ok(state.outcome)
}

impl<'a> State<'a> {
    fn new(rate: &'a Rate<'a>) -> anyhow::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let mut state = Self {
            rate,
            poll: Poll::new()?,
            timer: timerfd_create(TimerfdClockId::Monotonic, flags)?,
            connections: Vec::new(),
            idle: Vec::new(),
            waiting: VecDeque::new(),
            outcome: Outcome {
                answered: 0,
                failed: 0,
                nanos: 0,
                latency: Histogram::new(),
            },
            start: 0,
            due: 0,
            in_flight: 0,
        };
        state.poll.add(&state.timer)?;
        for _ in 0..rate.connections {
            state.connect()?;
        }
        state.start = wire::nanos() + 1_000_000;
        Ok(state)
    }

    fn connect(&mut self) -> anyhow::Result<()> {
        let connection = Connection::open(&self.rate.address)
            .with_context(|| format!("connecting to {}", self.rate.address))?;
        self.poll.add(&connection.socket)?;
        let at = wire::index(connection.socket.as_raw_fd());
        if self.connections.len() <= at {
            self.connections.resize_with(at + 1, || None);
        }
        self.connections[at] = Some(connection);
        self.idle.push(at);
        Ok(())
    }

    fn due_at(&self, number: u64) -> u64 {
        self.start + (number as f64 * 1e9 / self.rate.per_second) as u64
    }

    /// Wakes at the next due time. A timer descriptor, unlike a timeout, has no slack.
    fn arm(&self) -> anyhow::Result<()> {
        let at = self.due_at(self.due);
        let timer = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: i64::try_from(at / 1_000_000_000)?,
                tv_nsec: i64::try_from(at % 1_000_000_000)?,
            },
        };
        // Setting it also takes back that it fired.
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &timer)?;
        Ok(())
    }

    /// A request is due: on an idle connection, the one used last, or later.
    fn begin(&mut self, due: u64) -> anyhow::Result<()> {
        let Some(at) = self.idle.pop() else {
            self.waiting.push_back(due);
            return Ok(());
        };
        let Some(connection) = self.connections[at].as_mut() else {
            bail!("an idle connection that is none");
        };
        connection.began = due;
        connection.request = Some(0);
        connection.sent = 0;
        if connection.send(self.rate.request) == Some(true) {
            self.in_flight += 1;
            return Ok(());
        }
        // Requests of open loops are small: one that does not fit met a dead connection.
        self.outcome.failed += 1;
        self.connections[at] = None;
        self.connect()
    }

    fn read(&mut self, at: usize, buffer: &mut [u8]) -> anyhow::Result<()> {
        let Some(connection) = self.connections[at].as_mut() else {
            return Ok(());
        };
        let was_idle = connection.request.is_none();
        let ok = match connection.receive(buffer) {
            Progress::Waits => return Ok(()),
            Progress::Answered { ok } => ok,
            Progress::Broken => false,
        };
        let due = connection.began;
        if !was_idle {
            self.in_flight -= 1;
            if due >= self.start + self.rate.warm_nanos {
                self.outcome.latency.add(wire::nanos() - due);
                self.outcome.answered += u64::from(ok);
            }
            self.outcome.failed += u64::from(!ok);
        }
        if ok {
            self.idle.push(at);
        } else {
            self.idle.retain(|idle| *idle != at);
            self.connections[at] = None;
            self.connect()?;
        }
        if let Some(due) = self.waiting.pop_front() {
            self.begin(due)?;
        }
        Ok(())
    }
}

/// An answer later than this after the end of the load is lost.
const PATIENCE_NANOS: u64 = 5_000_000_000;
