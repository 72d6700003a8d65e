//! The listening sockets: one per shard, on one address.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

/// One listener per shard on the same address. `SO_REUSEPORT` would share the port with another
/// program of the same user without a word, so a socket without it must be able to bind first.
pub(crate) fn bind_all(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    let probe = bind(address, false)?;
    let address = probe.local_addr()?;
    drop(probe);
    (0..count).map(|_| bind(address, true)).collect()
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
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
    // Inherited by accepted sockets: saves a system call per connection.
    socket.set_tcp_nodelay(true)?;
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

/// Connections the kernel completes before they are accepted.
const BACKLOG: i32 = 4096;
