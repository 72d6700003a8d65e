//! A run: rounds of slices, then what is not a matter of slices.

mod apart;
mod extras;
mod plane;
mod results;
mod rounds;
mod slice;

pub(crate) use results::{Results, Slice};
pub(crate) use rounds::run;

use crate::peer::{Kind, Peer, Site};
use crate::workload::Workload;

/// What a run is to do.
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) slice_nanos: u64,
    pub(crate) workloads: Vec<Workload>,
    /// System calls, allocations, start.
    pub(crate) extras: bool,
    pub(crate) idle_connections: usize,
    pub(crate) idle_wait: std::time::Duration,
    pub(crate) streams: usize,
}

/// What takes part.
pub(crate) struct Field {
    pub(crate) site: Site,
    pub(crate) entrants: Vec<Entrant>,
}

/// One proxy that takes part.
pub(crate) struct Entrant {
    /// `None`: the user's own.
    pub(crate) kind: Option<Kind>,
    pub(crate) peer: Peer,
}
