//! After 101: bytes both ways until both ends are done. A half-close is passed on.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use crate::buf::{Buf, Class};
use crate::http::{BodyCursor, Framing, Trailers};
use crate::shard::alarm::Slot;
use crate::shard::conn::Conn;
use crate::shard::io::{Side, Sock};
use crate::shard::pump::{Pump, Way};
use crate::shard::upstream::Upstream;

/// A tunnel's other end, and what it sent right behind its head.
pub(crate) struct Open<'a> {
    pub(crate) upstream: Upstream<'a>,
    pub(crate) rest: Option<Buf>,
}

/// Runs the tunnel. `early` is what the client sent right behind its head.
pub(crate) async fn run(conn: &Conn, open: Open<'_>, early: Option<Buf>) {
    let function = &open.upstream.sock;
    conn.alarm.reset();
    let mut up = pin!(one_way(conn, Way::Up, &conn.sock, function, early));
    let mut down = pin!(one_way(conn, Way::Down, function, &conn.sock, open.rest));
    let (mut up_done, mut down_done) = (false, false);
    poll_fn(|cx| {
        down_done = down_done || down.as_mut().poll(cx).is_ready();
        up_done = up_done || up.as_mut().poll(cx).is_ready();
        if up_done && down_done {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

async fn one_way(conn: &Conn, way: Way, from: &Sock, to: &Sock, early: Option<Buf>) {
    let never = Cell::new(false);
    let pump = Pump {
        conn,
        from,
        to,
        way,
        read_timeout: None,
        discard: &never,
        renew: conn
            .shard
            .config
            .stream_idle
            .map(|after| (Slot::Watch, after)),
        ends: None,
        piped: Cell::new(false),
    };
    let mut cursor = BodyCursor::new(Framing::UntilClose, Trailers::Drop);
    let buf = early.unwrap_or_else(|| conn.shard.buffers.take(Class::Head));
    match pump.run(buf, &mut cursor).await {
        (Ok(()), _) => to.shutdown(Side::Write),
        // One end is gone: the other way must end too.
        (Err(_), _) => {
            from.shutdown(Side::Both);
            to.shutdown(Side::Both);
        }
    }
}
