//! One exchange's connection to a replica or to the control plane: from the pool, or dialled.

use std::io;

use crate::endpoint::{Checkout, Key, pick};
use crate::shard::conn::Conn;
use crate::shard::io::Sock;
use crate::shard::plan::{Plan, Target};
use crate::shard::rt;
use crate::table::Address;

/// A connection that one exchange holds. Dropping it closes the connection.
pub(crate) struct Upstream<'a> {
    /// Dropped before the socket: no alarm may act on a descriptor that was closed.
    busy: Busy<'a>,
    pub(crate) sock: Box<Sock>,
    /// [`Sock::sent`] before this exchange.
    sent_before: u64,
}

/// One request in flight at an endpoint.
struct Busy<'a> {
    conn: &'a Conn,
    key: Key,
}

/// Why no connection could be had.
#[derive(Debug)]
pub(crate) enum Unreachable {
    /// The function has no endpoint.
    NoEndpoint,
    /// The endpoint refused, or did not answer in time.
    Refused(Key),
    /// This process has no descriptor left.
    Shortage,
}

impl<'a> Upstream<'a> {
    /// Picks an endpoint (not `avoid`, when there is another) and gets a connection to it.
    /// `repeatable`: the request is held whole, so that it survives a connection found dead.
    pub(crate) async fn acquire(
        conn: &'a Conn,
        plan: &Plan,
        repeatable: bool,
        avoid: Option<Key>,
    ) -> Result<Self, Unreachable> {
        let shard = conn.shard;
        let how = Checkout {
            now: shard.clock.now(),
            idempotent: plan.is_idempotent(),
            repeatable,
        };
        let (key, address) = match &plan.target {
            Target::Control => (Key::Control, &shard.control),
            Target::Function(function) => {
                let endpoints = &function.endpoints;
                let states = shard.endpoints.borrow();
                let load = |i: usize| {
                    let endpoint = &endpoints[i];
                    let avoided = endpoints.len() > 1 && avoid == Some(Key::from(endpoint));
                    if avoided {
                        None
                    } else {
                        states.load(endpoint, how.now)
                    }
                };
                let picked = pick(endpoints.len(), || shard.random(), load);
                let endpoint = &endpoints[picked.ok_or(Unreachable::NoEndpoint)?];
                (Key::from(endpoint), &*endpoint.address)
            }
        };
        let pooled = {
            let mut states = shard.endpoints.borrow_mut();
            states.begin(key);
            // A second try goes to a fresh connection: what broke one may have broken all.
            if avoid.is_some() {
                None
            } else {
                states.take(key, how, shard.counters)
            }
        };
        let busy = Busy { conn, key };
        let sock = match pooled {
            Some(sock) => {
                shard.counters.pool_hits.add(1);
                sock
            }
            None => {
                shard.counters.pool_misses.add(1);
                // Boxed, as what follows rarely dials: a dial with its timer is large.
                Box::new(Box::pin(busy.dial(address)).await?)
            }
        };
        conn.alarm.watch_upstream(sock.fd());
        Ok(Self {
            sent_before: sock.sent(),
            busy,
            sock,
        })
    }

    /// The endpoint, to avoid it at the next try.
    pub(crate) fn key(&self) -> Key {
        self.busy.key
    }

    /// The endpoint cut the connection before it answered: others are preferred for a while.
    pub(crate) fn blame(&self) {
        self.busy.set_aside();
    }

    /// The endpoint answered; its connection is not kept.
    pub(crate) fn forgive(&self) {
        let shard = self.busy.conn.shard;
        shard.endpoints.borrow_mut().forgive(self.busy.key);
    }

    /// Whether it is proven that the endpoint has taken nothing of this exchange: no byte was
    /// sent, or it `ended` its side, and the end acknowledged nothing. A reset proves nothing:
    /// it may come before the acknowledgement of what was read, which Linux delays by up to
    /// 200 ms, and its own is not counted.
    pub(crate) fn is_unapplied(&self, ended: bool) -> bool {
        self.sock.sent() == self.sent_before
            || (ended && self.sock.nothing_acked_since(self.sent_before))
    }

    /// Gives the connection back for the next request.
    pub(crate) fn release(self) {
        let Self { busy, sock, .. } = self;
        let (shard, key) = (busy.conn.shard, busy.key);
        drop(busy);
        // No room in the pool hands the socket back, and it is closed here.
        drop(
            shard
                .endpoints
                .borrow_mut()
                .put(key, sock, shard.clock.now()),
        );
    }
}

impl Busy<'_> {
    /// Has others preferred for a while.
    fn set_aside(&self) {
        let shard = self.conn.shard;
        shard.counters.ejections.add(1);
        let now = shard.clock.now();
        shard.endpoints.borrow_mut().failed(self.key, now);
    }

    async fn dial(&self, address: &Address) -> Result<Sock, Unreachable> {
        let shard = self.conn.shard;
        let gauge = &shard.counters.upstream_connections;
        let patience = shard.config.limits.connect_timeout;
        for _ in 0..2 {
            let dialling = Sock::connect(address, gauge);
            // Dropping a dial that has sent nothing loses nothing.
            let error = match rt::timeout(patience, dialling).await {
                Ok(Ok(sock)) => return Ok(sock),
                Ok(Err(error)) => error,
                Err(_) => io::ErrorKind::TimedOut.into(),
            };
            shard.counters.connect_errors.add(1);
            if !matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) {
                self.set_aside();
                return Err(Unreachable::Refused(self.key));
            }
            if !shard.endpoints.borrow_mut().close_one() {
                break;
            }
        }
        Err(Unreachable::Shortage)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.conn.alarm.forget_upstream();
        self.conn.shard.endpoints.borrow_mut().end(self.key);
    }
}
