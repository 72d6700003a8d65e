//! What is asked of the proxies in slices: W1 to W6, W8 to W11 and W14. The rest (W7, W12, W13) is
//! not a matter of slices and stands in `run/`.

use std::str::FromStr;

use crate::load::{Mix, Request};
use crate::peer::Kind;

/// One workload of `docs/BENCHMARKS.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Workload {
    W1,
    W2,
    W3,
    W4,
    W5,
    W6,
    W7,
    W8,
    W9Low,
    W9High,
    W10,
    W11,
    W12,
    W13,
    W14Up,
    W14Down,
}

/// How a slice loads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Loop {
    /// So many connections, each as fast as it is answered.
    Closed { connections: usize },
    /// A new connection for each request, so many at once.
    Fresh { connections: usize },
    /// So many per second.
    Open { per_second: f64 },
    /// A share of what nginx can do.
    OpenShare { of_nginx: f64 },
    /// Not by slices.
    Apart,
}

impl Workload {
    pub(crate) const ALL: [Self; 16] = [
        Self::W1,
        Self::W2,
        Self::W3,
        Self::W4,
        Self::W5,
        Self::W6,
        Self::W7,
        Self::W8,
        Self::W9Low,
        Self::W9High,
        Self::W10,
        Self::W11,
        Self::W12,
        Self::W13,
        Self::W14Up,
        Self::W14Down,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::W1 => "W1",
            Self::W2 => "W2",
            Self::W3 => "W3",
            Self::W4 => "W4",
            Self::W5 => "W5",
            Self::W6 => "W6",
            Self::W7 => "W7",
            Self::W8 => "W8",
            Self::W9Low => "W9-30",
            Self::W9High => "W9-80",
            Self::W10 => "W10",
            Self::W11 => "W11",
            Self::W12 => "W12",
            Self::W13 => "W13",
            Self::W14Up => "W14-up",
            Self::W14Down => "W14-down",
        }
    }

    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::W1 => "GET, 2 bytes back, 64 connections",
            Self::W2 => "POST of 1 KiB, echoed, 64 connections",
            Self::W3 => "POST of 64 KiB, 2 bytes back, 64 connections",
            Self::W4 => "GET of 1 MiB, 16 connections",
            Self::W5 => "POST of 100 MiB, one connection",
            Self::W6 => "GET, open loop at 3,000 per second",
            Self::W7 => "memory of an idle connection",
            Self::W8 => "GET, a new connection for each, 64 at once",
            Self::W9Low => "GET, open loop at 30 % of what nginx can do",
            Self::W9High => "GET, open loop at 80 % of what nginx can do",
            Self::W10 => "GET, one connection, everything on one core",
            Self::W11 => "GET of 1,000 functions, zipfian, 64 connections",
            Self::W12 => "two shards, 1,000 connections: how evenly they share",
            Self::W13 => "1,000 event streams of 10 events per second",
            Self::W14Up => "W3 with the body in chunks of 16 KiB",
            Self::W14Down => "W4 with the reply in chunks of 64 KiB",
        }
    }

    pub(crate) const fn load(self) -> Loop {
        match self {
            Self::W1 | Self::W2 | Self::W3 | Self::W11 | Self::W14Up => {
                Loop::Closed { connections: 64 }
            }
            Self::W4 | Self::W14Down => Loop::Closed { connections: 16 },
            Self::W5 | Self::W10 => Loop::Closed { connections: 1 },
            Self::W6 => Loop::Open {
                per_second: 3_000.0,
            },
            Self::W8 => Loop::Fresh { connections: 64 },
            Self::W9Low => Loop::OpenShare { of_nginx: 0.3 },
            Self::W9High => Loop::OpenShare { of_nginx: 0.8 },
            Self::W7 | Self::W12 | Self::W13 => Loop::Apart,
        }
    }

    /// Whether the proxy shares the load generator's core.
    pub(crate) fn is_on_one_core(self) -> bool {
        self == Self::W10
    }

    /// Whether latency, not cost, is what it is about.
    pub(crate) fn is_about_latency(self) -> bool {
        matches!(self, Self::W6 | Self::W9Low | Self::W9High | Self::W10)
    }

    /// Whether a proxy takes part.
    pub(crate) fn concerns(self, kind: Option<Kind>) -> bool {
        match kind {
            Some(Kind::RingwayThousand) => self == Self::W11,
            _ if self == Self::W11 => false,
            Some(Kind::Direct) => self.is_about_latency(),
            // A raw relay dials for each connection: it has no such workload.
            Some(Kind::Relay) => self != Self::W8,
            // Its function is one process that both cores would have to share.
            Some(Kind::RingwayUnix) => matches!(self, Self::W1 | Self::W2 | Self::W10),
            _ => true,
        }
    }

    /// The requests.
    pub(crate) fn mix(self) -> Mix {
        let path = |what: &str| format!("/function/f0/{what}");
        match self {
            Self::W2 => Mix::one(Request::post(&path("echo"), 1_024)),
            Self::W3 => Mix::one(Request::post(&path("tiny"), 64 * 1_024)),
            Self::W4 => Mix::one(Request::get(&path("big"))),
            Self::W5 => Mix::one(Request::post(&path("tiny"), UPLOAD_BYTES)),
            Self::W8 => Mix::one(Request::get_once(&path("tiny"))),
            Self::W11 => {
                let paths = (0..FUNCTIONS).map(|i| format!("/function/f{i}/tiny"));
                Mix::zipfian(paths.map(|path| Request::get(&path)).collect())
            }
            Self::W14Up => Mix::one(Request::post_chunked(&path("tiny"), 4, 16 * 1_024)),
            Self::W14Down => Mix::one(Request::get(&path("chunked"))),
            _ => Mix::one(Request::get(&path("tiny"))),
        }
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL
            .into_iter()
            .find(|w| w.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no workload {name}; there are {names}")
        })
    }
}

/// Functions of W11.
pub(crate) const FUNCTIONS: usize = 1_000;
const UPLOAD_BYTES: usize = 100 * 1_024 * 1_024;
