//! What other threads may tell or give a shard, and the doorbell that wakes it.
//!
//! The doorbell is a byte on a socket pair: monoio's wakers must not cross threads (its `sync`
//! feature stays off), and a socket works on both drivers.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::buf::Class;
use crate::listen::Backlog;
use crate::shard::Shard;
use crate::shard::io::Sock;
use crate::shard::turn::ask_for_endpoint;
use crate::table::Doorbell;

/// One shard's inbox. Flags announce what is read where it lives; only connections are carried.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// Client connections that another shard accepted. At most that shard's backlog at a time.
    handed: Mutex<Vec<(TcpStream, SocketAddr)>>,
    /// How many of them are not served yet: they count as the shard's when others look for the
    /// least loaded one. A burst would be given away whole otherwise, and back.
    coming: AtomicU64,
    /// A byte is on its way; no need for another.
    rung: AtomicBool,
    drain: AtomicBool,
    /// Another gateway accepts from the same listeners.
    leaves_backlog: AtomicBool,
    /// For how long connections may wait for a next request in the drain, in milliseconds.
    drain_idle: AtomicU64,
    stop: AtomicBool,
    /// Nothing is accepted any more.
    closed: AtomicBool,
    /// How often the bell was answered.
    answers: AtomicU64,
    bell: Mutex<UnixStream>,
}

impl Inbox {
    /// The inbox and the end of the bell that the shard listens at.
    pub(crate) fn new() -> std::io::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let inbox = Self {
            handed: Mutex::default(),
            coming: AtomicU64::new(0),
            rung: AtomicBool::new(false),
            drain: AtomicBool::new(false),
            leaves_backlog: AtomicBool::new(false),
            drain_idle: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            answers: AtomicU64::new(0),
            bell: Mutex::new(ours),
        };
        Ok((inbox, theirs))
    }

    /// Asks the shard to stop accepting, and to end each connection after its next reply or, when
    /// no request comes, after `idle`.
    pub(crate) fn drain(&self, idle: Duration, backlog: Backlog) {
        let leaves = backlog == Backlog::Leave;
        self.leaves_backlog.store(leaves, Ordering::Relaxed);
        let millis = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        self.drain_idle.store(millis, Ordering::Relaxed);
        self.drain.store(true, Ordering::Release);
        self.ring();
    }

    /// Asks the shard's loop to end, once it accepts nothing any more.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.drain.store(true, Ordering::Release);
        self.ring();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Whether those who have connected, and are not accepted, are another gateway's.
    pub(crate) fn leaves_backlog(&self) -> bool {
        self.leaves_backlog.load(Ordering::Relaxed)
    }

    /// Says that nothing is accepted any more: whoever had connected is served.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.ring();
    }

    /// Whether the shard has said so.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Gives the shard a client connection to serve.
    pub(crate) fn hand(&self, stream: TcpStream, peer: SocketAddr) {
        self.coming.fetch_add(1, Ordering::Relaxed);
        self.handed.lock().push((stream, peer));
        self.ring();
    }

    /// Connections that were given to the shard and are not served yet.
    pub(crate) fn coming(&self) -> u64 {
        self.coming.load(Ordering::Acquire)
    }

    /// How often the shard has answered its bell: it moves after a ring while the shard lives.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.drain.load(Ordering::Acquire)
    }
}

impl Doorbell for Inbox {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // A full socket has bytes the shard will read; a closed one has no shard.
            let _ = self.bell.lock().write(&[1]);
        }
    }
}

/// Answers the bell until told to stop.
pub(crate) async fn listen(shard: &'static Shard, bell: UnixStream) {
    let Ok(bell) = Sock::from_unix(bell) else {
        return;
    };
    let mut buf = shard.buffers.take(Class::Head);
    loop {
        buf.clear();
        let (result, back) = bell.recv(buf).await;
        buf = back;
        match result {
            Ok(0) => return,
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
        // Cleared before looking: what is announced after this rings again.
        shard.inbox.rung.store(false, Ordering::Release);
        shard.inbox.answers.fetch_add(1, Ordering::Relaxed);
        let handed = std::mem::take(&mut *shard.inbox.handed.lock());
        for (stream, peer) in handed {
            super::accept::take_over(shard, stream, peer);
            shard.inbox.coming.fetch_sub(1, Ordering::Release);
        }
        let table = shard.table();
        shard.endpoints.borrow_mut().retain(&table);
        shard.park.table_moved(shard.clock.now(), |id| {
            let function = table.function(id)?;
            ask_for_endpoint(shard, function);
            Some(function.open_endpoints())
        });
        if shard.inbox.is_draining() && !shard.draining.get() {
            let idle = shard.inbox.drain_idle.load(Ordering::Relaxed);
            shard.drain_idle.set(Duration::from_millis(idle));
            shard.draining.set(true);
            super::accept::begin_drain(shard);
        }
        // An accept in flight outlives this thread, and takes the wake-ups of a gateway that took
        // over and waits at the same socket.
        if shard.inbox.is_stopping() && shard.inbox.is_closed() {
            return;
        }
    }
}
