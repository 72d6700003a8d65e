//! One request from its head to the end of its reply.
//!
//! ```text
//! plan ─► (answered here) ─────────────────────────────────────────────► After
//!   │
//!   ▼
//! wait for an endpoint, and a turn ─► acquire ─► attempt ─► After
//!                  ▲                  │          │
//!                  └── retry when provably unapplied ◄┘
//! ```
//!
//! What is rare (refusals, failures, tunnels) is boxed: each connection's memory is that of the
//! largest future in here.

use crate::buf::Buf;
use crate::fault::{Failure, Reject, RetryRule};
use crate::http::{BodyCursor, Framing, Method, Refusal, Reply, Trailers};
use crate::limits::RETRIES_MAX;
use crate::shard::attempt::attempt;
use crate::shard::call::{CLIENT_GONE, Call, log_local};
use crate::shard::conclusion::Outcome;
use crate::shard::conn::{After, Conn};
use crate::shard::first::{First, first};
use crate::shard::plan::{Local, Plan, Target, plan};
use crate::shard::turn::{Queueing, Turn, turn};
use crate::shard::upstream::{Unreachable, Upstream};
use crate::shard::{answer, tunnel};
use crate::table::Retry;

/// The request as it is sent: kept whole until the reply begins, if it came whole.
pub(crate) struct Request {
    /// Rewritten head and the first piece of the body.
    pub(crate) send: Option<Buf>,
    /// Bytes read beyond it: more of the body, or the client's next request.
    pub(crate) rest: Option<Buf>,
    pub(crate) cursor: BodyCursor,
    /// `send` is all of the request, so it can be sent again.
    pub(crate) whole: bool,
}

/// Runs one exchange. `buf` begins with a complete head of `head_len` bytes.
pub(crate) async fn run(conn: &Conn, mut buf: Buf, head_len: usize) -> After {
    let shard = conn.shard;
    conn.alarm.reset();
    let start_micros = shard.clock.read_micros();
    shard.counters.requests.add(1);
    let planned = plan(
        conn,
        buf.bytes().get(..head_len).unwrap_or_default(),
        start_micros,
    );
    buf.consume(head_len);
    let mut plan = match planned {
        Ok(plan) => plan,
        Err(Local::Refused(refusal)) => {
            Box::pin(answer::refuse(conn, refusal, b"")).await;
            return After::Close;
        }
        Err(local) => return Box::pin(answer_here(conn, buf, local)).await,
    };
    let mut cursor = BodyCursor::new(plan.framing, Trailers::Forward);
    // Apart from the match: the scratch must not be borrowed across an await.
    let framed = first(&shard.scratch.borrow(), buf, &mut cursor);
    let First { send, rest } = match framed {
        Ok(first) => first,
        Err(why) => return Box::pin(refuse_body(conn, &plan, why)).await,
    };
    let mut request = Request {
        send: Some(send),
        rest,
        whole: cursor.is_done() && cursor.tail().is_empty(),
        cursor,
    };
    forward(conn, &mut plan, &mut request).await
}

async fn refuse_body(conn: &Conn, plan: &Plan, why: Reject) -> After {
    let extra = plan.cors_fields(conn.shard);
    answer::refuse(conn, Refusal { status: 400, why }, extra).await;
    After::Close
}

/// Sends the request until it is answered, or until sending it again would be unsafe.
async fn forward(conn: &Conn, plan: &mut Plan, request: &mut Request) -> After {
    let shard = conn.shard;
    let call = match Call::begin(conn, plan) {
        Ok(call) => call,
        Err(failure) => return Box::pin(fail(conn, plan, request, failure)).await,
    };
    let mut avoid = None;
    let mut tries = 0;
    loop {
        let queueing = if tries == 0 {
            Queueing::Behind
        } else {
            Queueing::Past
        };
        match turn(conn, plan, queueing).await {
            Ok(Turn::AtOnce) => {}
            Ok(Turn::Waited) => call.begin_again(),
            Err(None) => return After::Close,
            Err(Some(failure)) => {
                call.status.set(failure.said().status);
                return Box::pin(fail(conn, plan, request, failure)).await;
            }
        }
        call.has_turn.set(true);
        let may_retry = tries < RETRIES_MAX && retries_allowed(plan);
        tries += 1;
        let (failure, key) = match Upstream::acquire(conn, plan, request.whole, avoid).await {
            // The row lost its last endpoint since it was looked at: wait for the next.
            Err(Unreachable::NoEndpoint) => continue,
            Err(Unreachable::Shortage) => (Failure::Shortage, None),
            Err(Unreachable::Refused(key)) if may_retry => {
                shard.counters.retry(RetryRule::Connect);
                (Failure::Unreachable, Some(key))
            }
            Err(Unreachable::Refused(_)) => (Failure::Unreachable, None),
            Ok(upstream) => {
                let key = upstream.key();
                match attempt(conn, plan, request, upstream, &call, may_retry).await {
                    Outcome::Ended(after) => return after,
                    Outcome::Tunnel(open) => {
                        Box::pin(tunnel::run(conn, open, request.rest.take())).await;
                        return After::Close;
                    }
                    Outcome::Failed(failure) => (failure, None),
                    Outcome::Retry(rule) => {
                        shard.counters.retry(rule);
                        (Failure::Died, Some(key))
                    }
                }
            }
        };
        if let Some(key) = key {
            avoid = Some(key);
            // The replica that failed may have left the table meanwhile.
            plan.refresh(shard);
            continue;
        }
        let failure = match (&plan.target, failure) {
            (Target::Control, Failure::Unreachable | Failure::Died) => Failure::ControlDown,
            (_, failure) => failure,
        };
        call.status.set(failure.said().status);
        return Box::pin(fail(conn, plan, request, failure)).await;
    }
}

fn retries_allowed(plan: &Plan) -> bool {
    plan.function()
        .is_none_or(|f| f.settings.retry == Retry::Safe)
}

/// Answers a failed request; the connection lives on when the request was read to its end.
async fn fail(conn: &Conn, plan: &Plan, request: &mut Request, failure: Failure) -> After {
    if failure == Failure::OutOfMemory {
        conn.shard.counters.reject(Reject::Memory);
    }
    if failure == Failure::TooManyInflight {
        conn.shard.counters.reject(Reject::Inflight);
    }
    conn.alarm.reset();
    let said = failure.said();
    let read_to_end = request.cursor.is_done();
    let close = !read_to_end || !plan.keep_alive || conn.shard.draining.get();
    let reply = Reply {
        retry_after: said.retry_after,
        close,
        head_only: plan.method == Method::Head,
        extra: plan.cors_fields(conn.shard),
        ids: Some(plan.stamp.ids(conn.shard)),
        ..answer::plain(said.status, said.text)
    };
    after(
        answer::send(conn, &reply).await,
        close,
        !read_to_end || plan.keep_alive,
        request.rest.take(),
    )
}

/// What follows an answer of the gateway's own. `more`: the client may be sending.
fn after(sent: bool, close: bool, more: bool, rest: Option<Buf>) -> After {
    match (sent, close) {
        (true, false) => After::Keep(rest),
        (true, true) if more => After::Linger,
        _ => After::Close,
    }
}

/// Answers a request that goes nowhere.
async fn answer_here(conn: &Conn, mut buf: Buf, local: Local) -> After {
    let Local::Answer {
        status,
        text,
        location,
        extra,
        method,
        framing,
        keep_alive,
        stamp,
    } = local
    else {
        return After::Close;
    };
    // A body that is already here in full is passed over; any other ends the connection.
    let read_to_end = match framing {
        Framing::None => true,
        Framing::Length(n) => usize::try_from(n).is_ok_and(|n| n <= buf.len()),
        Framing::Chunked | Framing::UntilClose => false,
    };
    if let (true, Framing::Length(n)) = (read_to_end, framing) {
        buf.consume(usize::try_from(n).unwrap_or(usize::MAX));
    }
    let close = !read_to_end || !keep_alive || conn.shard.draining.get();
    let reply = Reply {
        location: location.as_deref(),
        extra: &extra,
        close,
        head_only: method == Method::Head,
        ids: Some(stamp.ids(conn.shard)),
        ..answer::plain(status, text)
    };
    let sent = answer::send(conn, &reply).await;
    log_local(conn, &stamp, if sent { status } else { CLIENT_GONE });
    let rest = (!buf.is_empty()).then_some(buf);
    after(sent, close, !read_to_end || keep_alive, rest)
}
