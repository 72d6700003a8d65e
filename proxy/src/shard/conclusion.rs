//! What a try's end means: for both connections, for the caller, for another try.

use crate::buf::Buf;
use crate::fault::{Failure, RetryRule};
use crate::shard::call::Call;
use crate::shard::conn::{After, Conn};
use crate::shard::plan::Plan;
use crate::shard::reply_head::FinalHead;
use crate::shard::tunnel::Open;
use crate::shard::upstream::Upstream;

/// How a try ended.
pub(crate) enum Outcome<'a> {
    /// The client has its reply, or is gone.
    Ended(After),
    /// Nothing of a reply came, and the request may be sent again.
    Retry(RetryRule),
    /// Nothing was sent to the client yet.
    Failed(Failure),
    /// 101: what follows is not HTTP.
    Tunnel(Open<'a>),
}

/// How the reply's way ended.
pub(crate) enum Down {
    Complete {
        head: FinalHead,
        surplus: bool,
    },
    /// No complete final head; `silent` when not a byte came, `ended` when the endpoint ended its
    /// side in order.
    NoHead {
        silent: bool,
        ended: bool,
    },
    BadHead,
    /// The head needs a larger buffer, and memory is short.
    NoRoom,
    /// The reply was cut after its head was sent.
    Cut {
        close_delimited: bool,
    },
    ClientGone,
    Tunnel(Option<Buf>),
    /// This way has answered the client itself: the request was still on its way.
    Answered,
}

/// Everything the conclusion is drawn from.
pub(crate) struct End {
    pub(crate) down: Down,
    /// The whole request was sent.
    pub(crate) sent: bool,
    /// It was read to its end, whether the function took all of it or not.
    pub(crate) read: bool,
    /// Why there is no reply, if there is none.
    pub(crate) failure: Failure,
    pub(crate) client_gone: bool,
    /// What the client sent behind its request.
    pub(crate) rest: Option<Buf>,
    /// Another try is allowed, and the request is still held whole.
    pub(crate) retry: bool,
}

/// Draws the conclusion: what becomes of both connections.
pub(crate) fn conclude<'a>(
    conn: &'a Conn,
    plan: &Plan,
    upstream: Upstream<'a>,
    call: &Call<'_>,
    end: End,
) -> Outcome<'a> {
    let counters = conn.shard.counters;
    let down = match end.down {
        // A reply that is cut because its client left is the client's doing.
        Down::Cut { .. } if end.client_gone => Down::ClientGone,
        down => down,
    };
    match down {
        Down::Complete { head, surplus } => {
            if surplus {
                counters.pool_poisoned.add(1);
            }
            if end.sent && head.reusable && !surplus {
                upstream.release();
            } else {
                upstream.forgive();
            }
            let over = end.sent || end.read;
            Outcome::Ended(match (over && plan.keep_alive, head.close) {
                (true, false) => After::Keep(end.rest),
                (true, true) => After::Linger,
                (false, _) => After::Close,
            })
        }
        Down::Cut { close_delimited } => {
            counters.upstream_aborts.add(1);
            call.cut.set(true);
            if close_delimited {
                conn.sock.reset_on_close();
            }
            Outcome::Ended(After::Close)
        }
        Down::ClientGone => {
            counters.client_aborts.add(1);
            call.cut.set(true);
            Outcome::Ended(After::Close)
        }
        Down::Answered => Outcome::Ended(After::Close),
        Down::NoHead { .. } | Down::BadHead | Down::NoRoom if end.client_gone => {
            counters.client_aborts.add(1);
            Outcome::Ended(After::Close)
        }
        Down::NoHead { silent, ended } => {
            if end.failure == Failure::Died {
                upstream.blame();
                counters.upstream_aborts.add(1);
            }
            let again = silent && end.retry && end.failure == Failure::Died;
            match (again, plan.is_idempotent()) {
                (true, true) => Outcome::Retry(RetryRule::Idempotent),
                (true, false) if upstream.is_unapplied(ended) => {
                    Outcome::Retry(RetryRule::Unapplied)
                }
                _ => Outcome::Failed(end.failure),
            }
        }
        Down::BadHead => {
            counters.upstream_aborts.add(1);
            Outcome::Failed(Failure::BadReply)
        }
        Down::NoRoom => Outcome::Failed(Failure::OutOfMemory),
        Down::Tunnel(rest) => Outcome::Tunnel(Open { upstream, rest }),
    }
}
