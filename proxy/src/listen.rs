//! The listening sockets: one per shard, on one address.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

/// What becomes of those who have connected, and are not accepted yet, when a gateway drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backlog {
    /// They are served.
    Serve,
    /// Another gateway has the same listeners, and serves them.
    Leave,
}

/// One listener per shard on the same address. `SO_REUSEPORT` would share the port with another
/// program of the same user without a word, so a socket without it must be able to bind first.
pub(crate) fn bind_all(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    let probe = bind(address, false)?;
    let address = probe.local_addr()?;
    drop(probe);
    (0..count).map(|_| bind(address, true)).collect()
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        let any = address.ip() == IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);
        socket.set_only_v6(!any)?;
    }
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    // Inherited by accepted sockets: saves system calls per connection.
    socket.set_tcp_nodelay(true)?;
    // A client that has closed is told from one that has only ended its sending side by what its
    // kernel says to a probe; one that has vanished says nothing.
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_IDLE)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Where the listeners of that many shards listen.
pub(crate) fn address_of(listeners: &[TcpListener], count: usize) -> io::Result<SocketAddr> {
    match listeners.first() {
        Some(first) if listeners.len() == count => first.local_addr(),
        _ => {
            let text = format!("{} listeners for {count} shards", listeners.len());
            Err(io::Error::other(text))
        }
    }
}

/// Silence of a client's kernel after which it is asked whether it is there (Go's default).
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
/// Questions without an answer after which the connection is over.
const KEEPALIVE_PROBES: u32 = 4;
/// Connections the kernel completes before they are accepted.
pub(crate) const BACKLOG: i32 = 4096;
