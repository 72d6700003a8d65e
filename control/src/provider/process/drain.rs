//! Waits until nobody is connected to a replica any more, as the kernel sees it.
//!
//! The shards close idle connections to endpoints that left the table, so what is left are calls
//! in flight. The kernel's list of sockets says when they are over, for any kind of function.

use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use ringway_proxy::Address;
use tokio::fs;
use tokio::time::{self, Instant};

/// Returns when the last connection to `address` is gone, or at the bound.
pub(super) async fn drained(address: &Address, bound: Duration) {
    let deadline = Instant::now() + bound;
    // A shard may have chosen this endpoint just before it left the table, and not dialled yet.
    time::sleep(SETTLE.min(bound)).await;
    // The kernel's list is read in pieces, and sockets that come and go between two pieces can
    // hide one that stays: only several empty looks in a row are believed.
    let mut empty = 0;
    while Instant::now() < deadline {
        empty = match connections(address).await {
            Some(0) => empty + 1,
            _ => 0,
        };
        if empty == EMPTY_LOOKS {
            return;
        }
        time::sleep(LOOK).await;
    }
}

/// How many connections there are; `None` where the kernel does not tell.
async fn connections(address: &Address) -> Option<usize> {
    match address {
        Address::Tcp(SocketAddr::V4(address)) => {
            let list = fs::read_to_string("/proc/net/tcp").await.ok()?;
            let ip = u32::from_ne_bytes(address.ip().octets());
            Some(tcp_clients(
                &list,
                &format!("{ip:08X}:{:04X}", address.port()),
            ))
        }
        Address::Tcp(SocketAddr::V6(_)) => None,
        Address::Unix(path) => {
            let list = fs::read("/proc/net/unix").await.ok()?;
            Some(unix_servers(&list, path))
        }
    }
}

/// Established connections whose remote end is `remote`: the shards' side, which is there
/// whatever address the function bound.
fn tcp_clients(list: &str, remote: &str) -> usize {
    let sockets = list.lines().skip(1).filter(|line| {
        let mut fields = line.split_ascii_whitespace();
        fields.nth(2) == Some(remote) && fields.next() == Some("01")
    });
    sockets.count()
}

/// Connected sockets that carry the listener's path: the function's side.
fn unix_servers(list: &[u8], path: &Path) -> usize {
    let path = path.as_os_str().as_bytes();
    let sockets = list.split(|b| *b == b'\n').filter(|line| {
        let connected = line.split(|b| *b == b' ').filter(|f| !f.is_empty()).nth(5);
        let behind = line.strip_suffix(path);
        connected == Some(b"03") && behind.is_some_and(|before| before.ends_with(b" "))
    });
    sockets.count()
}

/// Far longer than a shard takes from its choice to its first byte.
const SETTLE: Duration = Duration::from_millis(250);
const LOOK: Duration = Duration::from_millis(50);
const EMPTY_LOOKS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_sockets_are_counted_from_the_client() {
        let list = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n\
   0: 0100007F:4E20 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n\
   1: 0100007F:4E20 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0\n\
   2: 0100007F:D431 0100007F:4E20 01 00000000:00000000 00:00000000 00000000     0\n\
   3: 0100007F:D432 0100007F:4E20 06 00000000:00000000 00:00000000 00000000     0\n\
   4: 0100007F:D433 0100007F:4E21 01 00000000:00000000 00:00000000 00000000     0\n";
        assert_eq!(tcp_clients(list, "0100007F:4E20"), 1);
    }

    #[test]
    fn unix_sockets_are_counted_by_path() {
        let list = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 1 /run/a.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 2 /run/a.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 3\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 4 /x/run/a.sock\n";
        assert_eq!(unix_servers(list, Path::new("/run/a.sock")), 1);
    }

    #[tokio::test]
    async fn a_live_connection_holds_the_drain() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let client = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
        let client = client.await.unwrap();
        let bound = Duration::from_secs(1);
        let began = Instant::now();
        drained(&address, bound).await;
        assert!(
            began.elapsed() >= bound,
            "it waits while a client is connected"
        );
        drop(client);
        let bound = Duration::from_secs(30);
        let began = Instant::now();
        drained(&address, bound).await;
        assert!(began.elapsed() < bound, "it ends when the client has left");
    }
}
