//! What the data plane is told at start: already-meaningful settings, no text to parse.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::cors::Cors;
use crate::limits::Limits;
use crate::own::OwnPorts;

/// Settings of a [`Gateway`](crate::Gateway).
#[derive(Clone, Debug)]
pub struct Config {
    /// Public address; port 0 asks the kernel for a free one. An IPv6 wildcard is dual stack.
    pub listen: SocketAddr,
    /// Unix socket of the control plane: every request that is not `/function/<name>…` goes there.
    pub fallback: PathBuf,
    /// Which I/O driver to use.
    pub driver: DriverChoice,
    /// Value of `X-Served-By` on replies.
    pub served_by: String,
    /// How long a function may take to begin its reply (504 after it).
    pub upstream_timeout: Duration,
    /// How long a request body may make no progress; `None` is unlimited.
    pub read_timeout: Option<Duration>,
    /// How long one write may be blocked, to a client or to a function; `None` is unlimited.
    pub write_timeout: Option<Duration>,
    /// How long a client connection may stay idle between requests.
    pub idle_timeout: Duration,
    /// How long a reply may be silent once it has begun; `None` never cuts a silent stream.
    pub stream_idle: Option<Duration>,
    /// Limits that an operator may set.
    pub limits: Limits,
    /// Peers whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<Cidr>,
    /// Which requests are written to the access log.
    pub access_log: AccessLog,
    /// What the end of a client's sending side means while its call is running.
    pub half_close: HalfClose,
    /// Most client connections at once over all shards; `None` derives it from the
    /// descriptor limit, which is also the most there can be ([`limits::connections_max`](crate::limits::connections_max)).
    pub connections_max: Option<usize>,
    /// Most connections of one client address (of one /64 with IPv6) at once; peers in
    /// `trusted_proxies` and `own` connections are not counted. `None` has no limit.
    pub connections_per_client_max: Option<usize>,
    /// Ports that this process calls itself from.
    pub own: OwnPorts,
    /// Bytes of I/O buffers over all shards. From four fifths of it on bodies get small buffers;
    /// above it nothing is accepted, and new calls of functions are answered with 503.
    pub memory: u64,
    /// Called on a shard's thread, now and then, when it has freed much and has little to do: an
    /// allocator that keeps freed memory per thread can give it back.
    pub give_back: Option<fn()>,
    /// Most idle upstream connections kept, over all endpoints and shards.
    pub idle_max: usize,
    /// Most idle upstream connections kept per endpoint, over all shards.
    pub idle_per_endpoint_max: usize,
    /// Which pages of other origins may call functions; `None` leaves CORS to the functions.
    pub cors: Option<Cors>,
}

impl Config {
    /// Whether a peer is this process itself.
    pub(crate) fn is_own(&self, peer: SocketAddr) -> bool {
        self.own.has(peer, self.listen.ip())
    }
}

/// Which I/O driver the shards use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverChoice {
    /// `io_uring` where the kernel allows it, else epoll.
    Auto,
    /// `io_uring` or a start-up error.
    IoUring,
    /// epoll.
    Epoll,
}

/// Which requests are written to the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// None.
    Off,
    /// Those answered with a status of 500 or more, and those cut short.
    Errors,
    /// All.
    All,
}

/// What the end of a client's sending side means while its call is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfClose {
    /// The client still waits for its answer.
    Wait,
    /// The client is gone, and its call ends.
    Abort,
}

/// An address block such as `10.0.0.0/8` or `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    /// `0 <= prefix <= 32` for IPv4, `<= 128` for IPv6.
    prefix: u8,
}

impl Cidr {
    /// A block of `prefix` leading bits; `None` when the prefix is longer than the address.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= longest).then_some(Self { address, prefix })
    }

    /// Parses `address/prefix`, or a single address.
    ///
    /// # Errors
    /// A sentence that names what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| format!("{address:?} is not an IP address"))?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) => digits
                .parse::<u8>()
                .ok()
                .filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))
                .ok_or_else(|| format!("{digits:?} is not a prefix length"))?,
        };
        Self::new(address, prefix)
            .ok_or_else(|| format!("the prefix length {prefix} is over {longest}"))
    }

    /// Whether `ip` lies in the block. An IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(block), IpAddr::V4(ip)) => {
                same_prefix(block.to_bits().into(), ip.to_bits().into(), 32, self.prefix)
            }
            (IpAddr::V6(block), IpAddr::V6(ip)) => {
                same_prefix(block.to_bits(), ip.to_bits(), 128, self.prefix)
            }
            _ => false,
        }
    }
}

/// Whether the `prefix` leading bits of two `width`-bit numbers are equal.
fn same_prefix(a: u128, b: u128, width: u32, prefix: u8) -> bool {
    let host_bits = width.saturating_sub(u32::from(prefix));
    (a ^ b).checked_shr(host_bits).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(block: &str, ip: &str) -> bool {
        Cidr::parse(block).unwrap().contains(ip.parse().unwrap())
    }

    #[test]
    fn blocks_contain_their_addresses() {
        assert!(inside("10.0.0.0/8", "10.255.1.2"));
        assert!(!inside("10.0.0.0/8", "11.0.0.0"));
        assert!(inside("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(inside("fd00::/8", "fdff::1"));
        assert!(!inside("fd00::/8", "fe00::1"));
        assert!(inside("0.0.0.0/0", "255.255.255.255"));
        assert!(inside("::/0", "fe80::1"));
        assert!(!inside("0.0.0.0/0", "fe80::1"));
        assert!(inside("127.0.0.1", "127.0.0.1"));
        assert!(!inside("127.0.0.1", "127.0.0.2"));
    }

    #[test]
    fn bad_blocks_are_named() {
        assert!(Cidr::parse("10.0.0/8").unwrap_err().contains("10.0.0"));
        assert!(Cidr::parse("10.0.0.0/33").unwrap_err().contains("33"));
        assert!(Cidr::parse("10.0.0.0/+8").unwrap_err().contains("+8"));
        assert!(Cidr::parse("").is_err());
    }
}
