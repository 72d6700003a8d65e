//! One request from its head to the end of its reply.
//!
//! ```text
//! plan ─► (answered here) ─────────────────────────────────────────────► After
//!   │
//!   ▼
//! turn ─► acquire ─► attempt ─► After
//!  ▲ │       │          │
//!  │ │       └──────────┴─► retry when provably unapplied ─► turn
//!  │ ▼
//!  parked: no endpoint, or others wait; outside of this future
//! ```
//!
//! What is rare (refusals, failures, tunnels) is boxed: each connection's memory is that of the
//! largest future in here.

use crate::buf::Buf;
use crate::endpoint::Key;
use crate::fault::{Failure, Reject, RetryRule};
use crate::http::{BodyCursor, Framing, Method, Refusal, Reply, Trailers};
use crate::shard::attempt::attempt;
use crate::shard::call::{CLIENT_GONE, Call, log_local};
use crate::shard::conclusion::Outcome;
use crate::shard::conn::{After, Conn};
use crate::shard::first::{First, first};
use crate::shard::parked::{Parked, Resumed};
use crate::shard::plan::{Local, Plan, Target, plan};
use crate::shard::turn::{Place, Queueing, Turn, turn};
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

/// A request under way.
pub(crate) struct Forwarding<'c> {
    pub(crate) plan: Plan,
    pub(crate) request: Request,
    call: Call<'c>,
    tries: u32,
    /// The endpoint that failed.
    avoid: Option<Key>,
}

/// What an exchange begins with.
pub(crate) enum Start<'c> {
    /// A buffer that begins with a complete head of that many bytes.
    Head(Buf, usize),
    /// What was parked.
    Resumed(Resumed<'c>),
}

/// How far an exchange came.
pub(crate) enum Step<'c> {
    Done(After),
    /// The request has to wait for its turn.
    Parked(Box<Parked<'c>>),
}

/// Runs one exchange, or as much of it as there is before or behind a wait.
pub(crate) async fn run<'c>(conn: &'c Conn, start: Start<'c>) -> Step<'c> {
    let (mut forwarding, waited) = match start {
        Start::Head(buf, head_len) => match begin(conn, buf, head_len) {
            Ok(forwarding) => (forwarding, None),
            Err(ending) => return Step::Done(Box::pin(end(conn, ending)).await),
        },
        Start::Resumed(resumed) => {
            let (forwarding, waited) = resumed.unpack();
            (forwarding, Some(waited))
        }
    };
    match forward(conn, &mut forwarding, waited).await {
        Forwarded::Done(after) => Step::Done(after),
        Forwarded::Later(place) => Step::Parked(Parked::new(forwarding, place)),
    }
}

/// Why a request goes nowhere.
enum Ending {
    Refused(Refusal, Method),
    /// Answered here; the buffer holds what follows the head.
    Local(Buf, Local),
    BadBody(Plan, Reject),
    Failed(Plan, Request, Failure),
}

/// Understands a request, and opens its books.
fn begin<'c>(conn: &'c Conn, mut buf: Buf, head_len: usize) -> Result<Forwarding<'c>, Box<Ending>> {
    let shard = conn.shard;
    conn.alarm.reset();
    let start_micros = shard.clock.read_micros();
    shard.counters.requests.add(1);
    let head = buf.bytes().get(..head_len).unwrap_or_default();
    let plan = match plan(conn, head, start_micros) {
        Ok(plan) => plan,
        Err(Local::Refused(refusal)) => {
            let method = method_of(head);
            return Err(Box::new(Ending::Refused(refusal, method)));
        }
        Err(local) => {
            buf.consume(head_len);
            return Err(Box::new(Ending::Local(buf, local)));
        }
    };
    buf.consume(head_len);
    let mut cursor = BodyCursor::new(plan.framing, Trailers::Forward);
    let (send, rest) = match first(&shard.scratch.borrow(), buf, &mut cursor) {
        Ok(First { send, rest }) => (send, rest),
        Err(why) => return Err(Box::new(Ending::BadBody(plan, why))),
    };
    let request = Request {
        send: Some(send),
        rest,
        whole: cursor.is_done() && cursor.tail().is_empty(),
        cursor,
    };
    match Call::begin(conn, &plan) {
        Ok(call) => Ok(Forwarding {
            plan,
            request,
            call,
            tries: 0,
            avoid: None,
        }),
        Err(failure) => Err(Box::new(Ending::Failed(plan, request, failure))),
    }
}

/// The method of a request that was refused, as far as its answer depends on it.
fn method_of(head: &[u8]) -> Method {
    if head
        .strip_prefix(b"\r\n")
        .unwrap_or(head)
        .starts_with(b"HEAD ")
    {
        Method::Head
    } else {
        Method::Other
    }
}

/// Answers a request that goes nowhere.
async fn end(conn: &Conn, ending: Box<Ending>) -> After {
    match *ending {
        Ending::Local(buf, local) => answer_here(conn, buf, local).await,
        Ending::Failed(plan, mut request, failure) => {
            fail(conn, &plan, &mut request, failure).await
        }
        Ending::Refused(refusal, method) => {
            answer::refuse(conn, refusal, method, b"").await;
            After::Close
        }
        Ending::BadBody(plan, why) => {
            let extra = plan.cors_fields(conn.shard);
            let refusal = Refusal { status: 400, why };
            answer::refuse(conn, refusal, plan.method, extra).await;
            After::Close
        }
    }
}

/// What became of a request.
enum Forwarded<'c> {
    Done(After),
    /// It has to wait there.
    Later(Place<'c>),
}

/// Sends the request until it is answered, until it has to wait, or until sending it again would
/// be unsafe. `waited`: how its wait ended, after one.
async fn forward<'c>(
    conn: &'c Conn,
    forwarding: &mut Forwarding<'c>,
    mut waited: Option<Result<(), Option<Failure>>>,
) -> Forwarded<'c> {
    let shard = conn.shard;
    let Forwarding {
        plan,
        request,
        call,
        tries,
        avoid,
    } = forwarding;
    loop {
        let turn = match waited.take() {
            Some(waited) => waited.map(|()| {
                call.begin_again();
                Turn::Now
            }),
            None => turn(conn, plan, Queueing::after(*tries)).map_err(Some),
        };
        match turn {
            Ok(Turn::Now) => {}
            Ok(Turn::Later(place)) => return Forwarded::Later(place),
            Err(None) => return Forwarded::Done(After::Close),
            Err(Some(failure)) => {
                call.status.set(failure.said().status);
                return Forwarded::Done(Box::pin(fail(conn, plan, request, failure)).await);
            }
        }
        call.goes();
        let may_retry = *tries < shard.config.limits.retries_max && retries_allowed(plan);
        *tries += 1;
        let (failure, key) = match Upstream::acquire(conn, plan, request.whole, *avoid).await {
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
                match attempt(conn, plan, request, upstream, call, may_retry).await {
                    Outcome::Ended(after) => return Forwarded::Done(after),
                    Outcome::Tunnel(open) => {
                        Box::pin(tunnel::run(conn, open, request.rest.take())).await;
                        return Forwarded::Done(After::Close);
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
            *avoid = Some(key);
            // The replica that failed may have left the table meanwhile.
            plan.refresh(shard);
            continue;
        }
        let failure = match (&plan.target, failure) {
            (Target::Control, Failure::Unreachable | Failure::Died) => Failure::ControlDown,
            (_, failure) => failure,
        };
        call.status.set(failure.said().status);
        return Forwarded::Done(Box::pin(fail(conn, plan, request, failure)).await);
    }
}

fn retries_allowed(plan: &Plan) -> bool {
    plan.function()
        .is_none_or(|f| f.settings.retry == Retry::Safe)
}

/// Answers a failed request; the connection lives on when the request was read to its end.
async fn fail(conn: &Conn, plan: &Plan, request: &mut Request, failure: Failure) -> After {
    conn.shard.counters.failed(failure);
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
