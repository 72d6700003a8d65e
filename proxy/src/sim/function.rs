//! Functions of the simulated world: replicas that answer, and replicas that misbehave.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::http::{Head, Peer, in_chunks};
use super::ledger::{Books, Half, Weather, body};
use super::net::{close_port, listen};
use super::rt::{Canceller, sleep, timeout};
use super::world::world;

/// How a replica treats a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vice {
    /// None.
    Plain,
    /// Interim replies come first.
    Interim,
    /// The reply comes without waiting for the body, and the connection ends.
    Early,
    /// The connection is reset once the head was read, or the body too.
    ResetEarly,
    ResetLate,
    /// The connection ends without a reply.
    Close,
    /// The reply is cut in its body.
    Cut,
    /// The reply comes after the deadline.
    Late,
    /// Bytes follow the reply that nobody asked for.
    Surplus,
    Garbage,
    /// The connection ends after the reply without a word.
    CloseAfter,
}

const VICES: [Vice; 10] = [
    Vice::Interim,
    Vice::Early,
    Vice::ResetEarly,
    Vice::ResetLate,
    Vice::Close,
    Vice::Cut,
    Vice::Late,
    Vice::Surplus,
    Vice::Garbage,
    Vice::CloseAfter,
];

/// Starts a replica that listens at `place` until the port is closed.
pub(super) fn start(place: String, books: Books) {
    let listener = listen(place);
    world().spawn(async move {
        loop {
            let canceller = Canceller::new();
            let Ok((stream, _)) = listener.accept(canceller.handle()).await else {
                return;
            };
            let books = Rc::clone(&books);
            world().spawn(async move {
                // How it ended is the client's to judge.
                let _ = serve(Peer::new(stream.0), books).await;
            });
        }
    });
}

/// Closes a replica's port; its connections live on.
pub(super) fn stop(place: &str) {
    close_port(place);
}

async fn serve(mut peer: Peer, books: Books) -> io::Result<()> {
    let vicious = books.weather.get() == Weather::Storm;
    let mut displaces = false;
    loop {
        let patience = match books.weather.get() {
            // Longer than the gateway keeps a connection.
            Weather::Calm => Duration::from_secs(60),
            Weather::Flaky | Weather::Storm => {
                Duration::from_micros(1_000 + world().below(400_000))
            }
        };
        let head = match timeout(patience, peer.head()).await {
            Ok(head) => head?,
            Err(_) if peer.has_surplus() => continue,
            Err(_) => {
                if vicious && world().one_in(3) {
                    peer.end.reset_on_close();
                }
                return Ok(());
            }
        };
        let Some(head) = head else { return Ok(()) };
        let Some(id) = head.id() else {
            books.wrong(format!("a head came without an id: {}", head.line));
            return Ok(());
        };
        books.taken(id);
        if displaces {
            books.displace(id);
        }
        let vice = if vicious && world().one_in(3) {
            VICES[usize::try_from(world().below(VICES.len() as u64)).unwrap_or(0)]
        } else {
            Vice::Plain
        };
        world().tell(|| format!("fd {} takes call {id}: {vice:?}", peer.end.fd()));
        displaces |= vice == Vice::Surplus;
        if !answer(&mut peer, &head, id, vice, &books).await? {
            return Ok(());
        }
    }
}

/// Answers one call; `false` when the connection is over.
async fn answer(
    peer: &mut Peer,
    head: &Head,
    id: usize,
    vice: Vice,
    books: &Books,
) -> io::Result<bool> {
    if !matches!(
        vice,
        Vice::Plain | Vice::Interim | Vice::Surplus | Vice::CloseAfter
    ) {
        books.excuse(id);
    }
    if vice == Vice::ResetEarly {
        peer.end.reset_on_close();
        return Ok(false);
    }
    if vice == Vice::Early {
        reply(peer, head, id, vice).await?;
        return Ok(false);
    }
    if vice == Vice::Interim {
        peer.write(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
            .await?;
    }
    let bytes = match (head.is_chunked(), head.length()) {
        (true, _) => peer.chunked().await?,
        (false, Some(n)) => peer.exactly(n).await?,
        (false, None) => Vec::new(),
    };
    books.read(id, &bytes);
    if world().one_in(4) {
        sleep(Duration::from_micros(world().below(300_000))).await;
    }
    match vice {
        Vice::ResetLate => {
            peer.end.reset_on_close();
            return Ok(false);
        }
        Vice::Close => return Ok(false),
        Vice::Late => sleep(Duration::from_secs(1 + world().below(8))).await,
        Vice::Garbage => {
            peer.write(b"\x00\xffHTTP/1.1 nothing\r\n\r\n").await?;
            return Ok(false);
        }
        _ => {}
    }
    reply(peer, head, id, vice).await
}

/// Sends a reply; `false` when the connection ends with it.
async fn reply(peer: &Peer, head: &Head, id: usize, vice: Vice) -> io::Result<bool> {
    let world = world();
    let most = match world.below(30) {
        0 => 300_000,
        1..=5 => 30_000,
        _ => 2_000,
    };
    let bytes = body(
        id,
        Half::Reply,
        usize::try_from(world.below(most)).unwrap_or(0),
    );
    let is_head = head.line.starts_with("HEAD ");
    let status = if bytes.is_empty() && world.one_in(2) {
        204
    } else {
        200
    };
    let mut out = format!("HTTP/1.1 {status} X\r\nx-sim-id: {id}\r\n");
    let until_close = vice == Vice::Plain && status == 200 && world.one_in(12);
    let closes = until_close || vice == Vice::Early || world.one_in(20);
    if closes {
        out += "connection: close\r\n";
    }
    let chunked = status == 200 && !until_close && world.one_in(3);
    if chunked {
        out += "transfer-encoding: chunked\r\n";
    } else if status == 200 && !until_close {
        out += &format!("content-length: {}\r\n", bytes.len());
    }
    out += "\r\n";
    let mut out = out.into_bytes();
    let head_bytes = out.len();
    if !is_head && status == 200 {
        out.extend(if chunked { in_chunks(&bytes) } else { bytes });
    }
    if vice == Vice::Cut && out.len() > head_bytes {
        let kept = world.below((out.len() - head_bytes) as u64);
        out.truncate(head_bytes + usize::try_from(kept).unwrap_or(0));
        if world.one_in(2) {
            peer.end.reset_on_close();
        }
        peer.write(&out).await?;
        return Ok(false);
    }
    if vice == Vice::Surplus {
        // Nobody's: what comes after the connection was given to the next call is that call's reply.
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
    peer.write(&out).await?;
    Ok(!closes && vice != Vice::CloseAfter)
}
