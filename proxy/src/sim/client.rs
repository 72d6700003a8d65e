//! Clients of the simulated world: they call, read their replies to the byte, and sometimes
//! misbehave.

use std::io;
use std::time::Duration;

use super::http::{Head, Peer, in_chunks};
use super::ledger::{Books, Half, Weather, body};
use super::net::dial;
use super::rt::{sleep, timeout};
use super::world::world;

/// Where the gateway listens.
pub(super) const GATEWAY: &str = "gateway";

/// Longest that anything may take: above every deadline of the gateway together.
const PATIENCE: Duration = Duration::from_secs(300);

/// A client of a few connections, one after another; in a storm it breaks off now and then.
pub(super) async fn run(functions: u64, books: Books) {
    let rude = books.weather.get() == Weather::Storm;
    for _ in 0..=world().below(3) {
        if books.draining.get() {
            break;
        }
        let Ok(end) = dial(GATEWAY).await else { break };
        let mut peer = Peer::new(end);
        for _ in 0..=world().below(5) {
            if !call(&mut peer, functions, rude, &books).await {
                break;
            }
            if world().one_in(4) {
                sleep(Duration::from_micros(world().below(2_500_000))).await;
            }
        }
        if rude && world().one_in(4) {
            peer.end.reset_on_close();
        }
    }
    books.clients.set(books.clients.get() - 1);
}

/// Makes a call, or two at once; `false` when the connection is of no more use.
async fn call(peer: &mut Peer, functions: u64, rude: bool, books: &Books) -> bool {
    let world = world();
    let mut bytes = Vec::new();
    let mut calls = Vec::new();
    let count = if world.one_in(6) { 2 } else { 1 };
    let drained = books.draining.get();
    for _ in 0..count {
        let (id, method) = compose(&mut bytes, functions, count > 1, books);
        calls.push((id, method));
    }
    if rude && world.one_in(8) {
        return break_off(peer, &bytes, &calls, books).await;
    }
    let half_close = world.one_in(25);
    world.tell(|| {
        format!(
            "fd {} calls {calls:?}, half-close {half_close}",
            peer.end.fd()
        )
    });
    let sent = timeout(PATIENCE, peer.write(&bytes)).await;
    if half_close {
        peer.end.shut_write();
        // While it waits for a replica, the gateway takes it for gone.
        calls.iter().for_each(|&(id, _)| books.excuse(id));
    }
    if sent.is_err() {
        books.wrong(format!("the gateway took no more of {calls:?}"));
    }
    let mut over = false;
    for (at, &(id, method)) in calls.iter().enumerate() {
        if over {
            // An earlier reply has ended the connection: this one was not taken.
            books.excuse(id);
            books.failed(id, "the connection ended before");
            continue;
        }
        let Ok(end) = timeout(PATIENCE, receive(peer, method)).await else {
            books.wrong(format!("call {id} got no answer in {PATIENCE:?}"));
            over = true;
            continue;
        };
        // Bytes of a request that an early reply has cut short may still be under way.
        let cut = calls[..at].iter().any(|&(id, _)| books.is_excused(id));
        over |= judge(id, end, cut || drained || books.draining.get(), books);
    }
    if !over && peer.has_surplus() {
        books.wrong(format!("more came behind the replies of {calls:?}"));
    }
    let goes_on = !over && !half_close;
    if goes_on {
        stays(peer, &calls, books).await;
    }
    goes_on
}

/// A connection stays behind a reply that does not end it, long enough for another request.
async fn stays(peer: &Peer, calls: &[(usize, &'static str)], books: &Books) {
    sleep(Duration::from_micros(world().below(3_000))).await;
    let ended = peer.end.has_ended() || peer.end.is_reset();
    if ended && !books.draining.get() {
        books.wrong(format!("the connection ended behind {calls:?} unannounced"));
    }
}

/// Judges what came of a call; `true` when the connection is over.
fn judge(id: usize, end: io::Result<Reply>, may_end: bool, books: &Books) -> bool {
    world().tell(|| match &end {
        Ok(Reply::Whole(head, body)) => format!("call {id}: {}, {} bytes", head.line, body.len()),
        Ok(Reply::None) => format!("call {id}: the end"),
        Err(e) => format!("call {id}: {e}"),
    });
    match end {
        Ok(Reply::Whole(head, bytes)) => {
            match head.id() {
                Some(named) => books.replied(id, named, &bytes),
                None => books.failed(id, &head.line),
            }
            head.closes()
        }
        Ok(Reply::None) => {
            // Between two calls a connection may end, when the gateway drains.
            if may_end {
                books.excuse(id);
            }
            books.failed(id, "the connection ended without a reply");
            true
        }
        Err(e) => {
            books.failed(id, &format!("the reply was cut: {e}"));
            true
        }
    }
}

/// Appends a request of any kind; its id and method. `small`: it fits into any window, for a client
/// that does not read while it writes waits for itself otherwise.
fn compose(
    bytes: &mut Vec<u8>,
    functions: u64,
    small: bool,
    books: &Books,
) -> (usize, &'static str) {
    let world = world();
    let kinds = ["GET", "POST", "PUT", "HEAD", "POST"];
    let method = kinds[usize::try_from(world.below(5)).unwrap_or(0)];
    let most = match world.below(8) {
        _ if small => 300,
        0 if world.one_in(5) => 300_000,
        0 => 30_000,
        1..=4 => 2_000,
        _ => 1,
    };
    let size = match method {
        "GET" | "HEAD" => 0,
        _ => usize::try_from(world.below(most)).unwrap_or(0),
    };
    let id = books.begin(method, size);
    let function = world.below(functions);
    bytes.extend(
        format!("{method} /function/f{function}/x HTTP/1.1\r\nHost: h\r\nX-Sim-Id: {id}\r\n")
            .bytes(),
    );
    let content = body(id, Half::Request, size);
    if size > 0 && world.one_in(3) {
        bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
        bytes.extend(in_chunks(&content));
    } else if size > 0 || method == "POST" {
        bytes.extend(format!("Content-Length: {size}\r\n\r\n").bytes());
        bytes.extend(content);
    } else {
        bytes.extend(b"\r\n");
    }
    (id, method)
}

/// Sends a part of the requests and leaves.
async fn break_off(
    peer: &Peer,
    bytes: &[u8],
    calls: &[(usize, &'static str)],
    books: &Books,
) -> bool {
    let part = usize::try_from(world().below(bytes.len() as u64 + 1)).unwrap_or(0);
    let _ = timeout(PATIENCE, peer.write(&bytes[..part])).await;
    sleep(Duration::from_micros(world().below(400_000))).await;
    if world().one_in(2) {
        peer.end.reset_on_close();
    }
    for &(id, _) in calls {
        books.excuse(id);
        books.failed(id, "its client left");
    }
    false
}

/// What came of one call.
enum Reply {
    Whole(Head, Vec<u8>),
    /// The connection ended before the first byte.
    None,
}

async fn receive(peer: &mut Peer, method: &str) -> io::Result<Reply> {
    loop {
        let Some(head) = peer.head().await? else {
            return Ok(Reply::None);
        };
        let status = head.line.split(' ').nth(1).unwrap_or_default().to_owned();
        if status.starts_with('1') {
            continue;
        }
        let empty = method == "HEAD" || status == "204" || status == "304";
        let body = match (empty, head.is_chunked(), head.length()) {
            (true, ..) => Vec::new(),
            (_, true, _) => peer.chunked().await?,
            (_, _, Some(n)) => peer.exactly(n).await?,
            _ => peer.rest().await?,
        };
        return Ok(Reply::Whole(head, body));
    }
}
