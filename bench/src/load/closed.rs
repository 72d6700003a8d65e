//! Closed loop: every connection sends its next request when the last one is answered.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

use anyhow::Context;

use super::Outcome;
use super::connection::{Connection, Progress};
use super::request::Mix;
use crate::histogram::Histogram;
use crate::wire::{self, Poll, Watch};

/// Whether a connection carries one request or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    All,
    One,
}

/// Connections in a closed loop.
pub(crate) struct Closed {
    address: SocketAddr,
    mix: Mix,
    reuse: Reuse,
    poll: Poll,
    connections: Vec<Option<Connection>>,
    open: Vec<RawFd>,
    buffer: Vec<u8>,
}

impl Closed {
    /// Opens the connections.
    pub(crate) fn new(
        address: SocketAddr,
        mix: Mix,
        connections: usize,
        reuse: Reuse,
    ) -> anyhow::Result<Self> {
        let mut load = Self {
            address,
            mix,
            reuse,
            poll: Poll::new()?,
            connections: Vec::new(),
            open: Vec::new(),
            buffer: vec![0; BUFFER_BYTES],
        };
        for _ in 0..connections {
            let fd = load.connect()?;
            load.open.push(fd);
        }
        Ok(load)
    }

    /// How many connections there are.
    pub(crate) fn connections(&self) -> usize {
        self.open.len()
    }

    fn connect(&mut self) -> anyhow::Result<RawFd> {
        let connection = Connection::open(&self.address)
            .with_context(|| format!("connecting to {}", self.address))?;
        let fd = connection.socket.as_raw_fd();
        self.poll.add(&connection.socket)?;
        let at = wire::index(fd);
        if self.connections.len() <= at {
            self.connections.resize_with(at + 1, || None);
        }
        self.connections[at] = Some(connection);
        Ok(fd)
    }

    /// Runs for so long, then waits for the last answers. 0: one request on each connection.
    pub(crate) fn run(&mut self, nanos: u64) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome {
            answered: 0,
            failed: 0,
            nanos: 0,
            latency: Histogram::new(),
        };
        let start = wire::nanos();
        let mut now = start;
        let mut busy = self.open.len();
        for at in 0..self.open.len() {
            if !self.next(self.open[at], now) {
                self.renew(self.open[at])?;
                outcome.failed += 1;
                busy -= 1;
            }
        }
        let mut ready = Vec::new();
        while busy > 0 && now < start + nanos + PATIENCE_NANOS {
            self.poll.wait(&mut ready)?;
            now = wire::nanos();
            for &fd in &ready {
                if self.is_idle(fd) {
                    // It has had its last answer, and the other side ended it.
                    self.renew(fd)?;
                    continue;
                }
                let ok = match self.step(fd) {
                    Progress::Waits => continue,
                    Progress::Answered { ok } => ok,
                    Progress::Broken => false,
                };
                now = wire::nanos();
                let began = self.connections[wire::index(fd)].as_ref();
                outcome.latency.add(now - began.map_or(now, |c| c.began));
                outcome.answered += u64::from(ok);
                outcome.failed += u64::from(!ok);
                let mut fd = fd;
                if !ok || self.reuse == Reuse::One {
                    fd = self.renew(fd)?;
                }
                if now >= start + nanos || !self.next(fd, now) {
                    busy -= 1;
                }
            }
        }
        outcome.failed += busy as u64;
        outcome.nanos = wire::nanos() - start;
        Ok(outcome)
    }

    fn is_idle(&self, fd: RawFd) -> bool {
        let connection = self.connections[wire::index(fd)].as_ref();
        connection.is_some_and(|c| c.request.is_none())
    }

    /// Replaces a connection by a new one.
    fn renew(&mut self, fd: RawFd) -> anyhow::Result<RawFd> {
        drop(self.connections[wire::index(fd)].take());
        let new = self.connect()?;
        if let Some(place) = self.open.iter_mut().find(|open| **open == fd) {
            *place = new;
        }
        Ok(new)
    }

    /// Begins a request; `false` when the connection is dead.
    fn next(&mut self, fd: RawFd, now: u64) -> bool {
        let request = self.mix.draw();
        let Some(connection) = self.connections[wire::index(fd)].as_mut() else {
            return false;
        };
        connection.began = now;
        connection.request = Some(request);
        connection.sent = 0;
        self.send(fd).is_some()
    }

    fn send(&mut self, fd: RawFd) -> Option<()> {
        let connection = self.connections[wire::index(fd)].as_mut()?;
        let request = self.mix.request(connection.request?);
        let writes = !connection.send(request)?;
        if writes != connection.writes {
            connection.writes = writes;
            let what = Watch {
                reads: true,
                writes,
            };
            self.poll.watch(&connection.socket, what).ok()?;
        }
        Some(())
    }

    /// One event of a connection.
    fn step(&mut self, fd: RawFd) -> Progress {
        let Some(connection) = self.connections[wire::index(fd)].as_mut() else {
            return Progress::Waits;
        };
        if connection.writes {
            return match self.send(fd) {
                Some(()) => Progress::Waits,
                None => Progress::Broken,
            };
        }
        connection.receive(&mut self.buffer)
    }
}

const BUFFER_BYTES: usize = 256 * 1024;
/// An answer later than this after the end of the load is lost.
const PATIENCE_NANOS: u64 = 10_000_000_000;
