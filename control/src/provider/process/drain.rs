//! Waits until nobody is connected to a replica any more, as the kernel sees it.
//!
//! The shards close idle connections to endpoints that left the table, so what is left are calls
//! in flight. The kernel's list of sockets says when they are over, for any kind of function.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use ringway_proxy::Address;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
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
    // The list of a busy machine is long, and each look costs as much as it is long.
    let _turn = TURNS.acquire().await.ok()?;
    let began = Instant::now();
    let count = counted(address).await;
    time::sleep(began.elapsed() * REST).await;
    count
}

async fn counted(address: &Address) -> Option<usize> {
    match address {
        Address::Tcp(SocketAddr::V4(address)) => {
            let ip = u32::from_ne_bytes(address.ip().octets());
            let remote = format!("{ip:08X}:{:04X}", address.port());
            look("/proc/net/tcp", move |line| is_tcp_client(line, &remote)).await
        }
        Address::Tcp(SocketAddr::V6(_)) => None,
        Address::Unix(path) => {
            let path = path.to_path_buf();
            look("/proc/net/unix", move |line| is_unix_server(line, &path)).await
        }
    }
}

/// Counts the lines of a list of the kernel's, which may be many megabytes: never held whole.
async fn look(
    list: &'static str,
    is_meant: impl Fn(&[u8]) -> bool + Send + 'static,
) -> Option<usize> {
    let looked = spawn_blocking(move || count(BufReader::new(File::open(list)?), is_meant));
    looked.await.ok()?.ok()
}

fn count(mut list: impl BufRead, is_meant: impl Fn(&[u8]) -> bool) -> io::Result<usize> {
    let (mut line, mut sockets) = (Vec::new(), 0);
    while list.read_until(b'\n', &mut line)? > 0 {
        sockets += usize::from(is_meant(line.strip_suffix(b"\n").unwrap_or(&line)));
        line.clear();
    }
    Ok(sockets)
}

/// An established connection whose remote end is `remote`: the shards' side, which is there
/// whatever address the function bound.
fn is_tcp_client(line: &[u8], remote: &str) -> bool {
    let mut fields = fields(line);
    fields.nth(2) == Some(remote.as_bytes()) && fields.next() == Some(b"01")
}

/// A connected socket that carries the listener's path: the function's side.
fn is_unix_server(line: &[u8], path: &Path) -> bool {
    let behind = line.strip_suffix(path.as_os_str().as_bytes());
    fields(line).nth(5) == Some(b"03") && behind.is_some_and(|before| before.ends_with(b" "))
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|b| *b == b' ').filter(|field| !field.is_empty())
}

/// One look at a time, however many replicas end; …
static TURNS: Semaphore = Semaphore::const_new(1);
/// … and so many times as long none, so that looking never takes more than a fifth of a core.
const REST: u32 = 4;
/// Far longer than a shard takes from its choice to its first byte.
const SETTLE: Duration = Duration::from_millis(250);
const LOOK: Duration = Duration::from_millis(50);
const EMPTY_LOOKS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_sockets_are_counted_from_the_client() {
        let list = b"\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n\
   0: 0100007F:4E20 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n\
   1: 0100007F:4E20 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0\n\
   2: 0100007F:D431 0100007F:4E20 01 00000000:00000000 00:00000000 00000000     0\n\
   3: 0100007F:D432 0100007F:4E20 06 00000000:00000000 00:00000000 00000000     0\n\
   4: 0100007F:D433 0100007F:4E21 01 00000000:00000000 00:00000000 00000000     0\n";
        let clients = count(&list[..], |line| is_tcp_client(line, "0100007F:4E20"));
        assert_eq!(clients.unwrap(), 1);
    }

    #[test]
    fn unix_sockets_are_counted_by_path() {
        let list = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 1 /run/a.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 2 /run/a.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 3\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 4 /x/run/a.sock\n";
        let servers = count(&list[..], |line| {
            is_unix_server(line, Path::new("/run/a.sock"))
        });
        assert_eq!(servers.unwrap(), 1);
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
