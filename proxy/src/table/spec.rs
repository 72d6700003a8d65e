//! What the control plane says of a function: plain data, the input of a table.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::name::Name;

/// Where a replica listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix stream socket.
    Unix(PathBuf),
}

/// A function's identity: its name in its namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId {
    /// The name without the namespace.
    pub name: Name,
    /// The namespace.
    pub namespace: Name,
}

/// One function as the control plane wants the shards to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionSpec {
    /// Name and namespace. `name.namespace` always routes here.
    pub id: FunctionId,
    /// Whether the bare name routes here too (the function lies in the default namespace).
    pub bare_alias: bool,
    /// `Host` of the requests sent to it (`authority`, RFC 9110 §7.2): visible ASCII. Counted,
    /// so that the functions of one provider share one text.
    pub authority: Arc<str>,
    /// Which path the requests sent to it have.
    pub forward: Forward,
    /// Replicas that are ready for traffic; empty parks the callers.
    pub endpoints: Vec<Address>,
    /// Limits and policies.
    pub settings: Settings,
}

/// Which path a function's endpoints are sent. The bytes are the client's own either way, the
/// query too: nothing is decoded, nothing is cleaned.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Forward {
    /// The path behind the name, `/` when there is none: for replicas that are reached directly.
    #[default]
    Trimmed,
    /// The whole path, `/function/<name>…`: for a provider that routes by it.
    Kept {
        /// Put in front of the path: the provider's base path without its last slash, often
        /// empty. Counted, as [`FunctionSpec::authority`] is.
        prefix: Arc<str>,
    },
}

/// Limits and policies of one function.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Settings {
    /// Time until the reply's head must have begun; `None` is the gateway's `upstream_timeout`.
    pub deadline: Option<Duration>,
    /// Most requests in flight in this gateway (429 beyond); `None` is unbounded.
    pub inflight_max: Option<u32>,
    /// Most callers parked per shard (503 beyond); `None` is the data plane's default.
    pub parked_max: Option<u32>,
    /// Shed order under overload: higher is kept longer.
    pub priority: u8,
    /// What may be sent again.
    pub retry: Retry,
}

/// What may be sent again after a failure that is provably unapplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Retry {
    /// Connection failures for every method, other failures for idempotent methods.
    #[default]
    Safe,
    /// Never.
    Never,
}
