//! The proxies that are compared: how each is started, tuned as its own documents say for a
//! reverse proxy that streams: upstream connections kept, no access log, one worker.

mod child;
mod config;
mod kind;
mod ringway;
mod start;

pub(crate) use child::{Child, end_all};
pub(crate) use kind::Kind;
pub(crate) use ringway::{RingwayForm, by_shard};
pub(crate) use start::{Site, find, start};

use std::net::SocketAddr;

use rustix::process::Pid;

use crate::proc;

/// A proxy that runs.
pub(crate) struct Peer {
    pub(crate) name: String,
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    /// Its first process; `None` for no proxy at all.
    pub(crate) root: Option<Pid>,
    /// The page of metrics, of Ringway only.
    pub(crate) metrics: Option<SocketAddr>,
    /// Kept to be ended; `None` when a user started it.
    pub(crate) _child: Option<Child>,
}

impl Peer {
    /// Its processes now.
    pub(crate) fn pids(&self) -> Vec<Pid> {
        self.root.map(proc::tree).unwrap_or_default()
    }
}
