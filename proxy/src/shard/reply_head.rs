//! A function's reply head understood: what the client is sent, and how both bodies are framed.
//!
//! Synchronous and without allocation, like [`plan`](super::plan) for requests.

use std::sync::atomic::Ordering;

use crate::fault::Reject;
use crate::http::forward::{self, ToClient};
use crate::http::{
    BodyCursor, Framing, Refusal, ResponseHead, Trailers, Version, parse_response, response_slots,
};
use crate::shard::Shard;
use crate::shard::plan::Plan;
use crate::table::{Forward, FunctionRef};

/// What a reply head led to; its rewritten form is in the shard's scratch.
pub(crate) enum ReplyHead {
    /// 1xx: forwarded to the client or dropped, and another head follows.
    Interim {
        status: u16,
        forward: bool,
    },
    Final(FinalHead),
}

/// What a client with `Expect: 100-continue` was told so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It did not ask, or has sent its body all the same.
    Unasked,
    /// It waits, and may never send its body.
    Nothing,
    /// 100.
    Continue,
}

pub(crate) struct FinalHead {
    pub(crate) status: u16,
    pub(crate) cursor: BodyCursor,
    /// The function allows another request on its connection after this reply.
    pub(crate) reusable: bool,
    /// The client's connection ends with this reply.
    pub(crate) close: bool,
    /// The client knows the body's end only by the connection's end.
    pub(crate) close_delimited: bool,
    /// 101: both directions are a tunnel now.
    pub(crate) tunnel: bool,
}

/// Parses a complete reply head and leaves the head for the client in the scratch.
///
/// # Errors
/// The reply cannot be trusted.
pub(crate) fn understand(
    shard: &Shard,
    plan: &Plan,
    told: Told,
    bytes: &[u8],
) -> Result<ReplyHead, Refusal> {
    let mut slots = response_slots();
    let head = parse_response(bytes, &mut slots, plan.method)?;
    if head.status == 503 {
        look_for_unready(shard, plan, &head);
    }
    let mut scratch = shard.scratch.borrow_mut();
    scratch.clear();
    let http11 = plan.version == Version::Http11;
    if head.status < 200 && head.status != 101 {
        // Only what was asked for: a proxy in front that takes 103 for the reply itself (nginx
        // before 1.29 does) would give the real one to the next request of its connection.
        let asked_for = head.status == 100 && plan.expect_continue && told != Told::Continue;
        let forward = http11 && asked_for;
        if forward {
            forward::interim(&head, &mut scratch);
        }
        return Ok(ReplyHead::Interim {
            status: head.status,
            forward,
        });
    }
    let tunnel = head.status == 101;
    if tunnel && !(plan.websocket && head.websocket) {
        return Err(Refusal {
            status: 502,
            why: Reject::Switch,
        });
    }
    let (framing, cursor) = reframe(head.framing, plan);
    let close_delimited = framing == Framing::UntilClose;
    // Whether a body follows that nobody asked for, only the client knows (RFC 9110 §10.1.1).
    let ends = close_delimited || !plan.keep_alive || told == Told::Nothing;
    let close = !tunnel && (ends || shard.draining.get());
    let to = ToClient {
        version: plan.version,
        framing,
        close,
        trailers: plan.wants_trailers && framing == Framing::Chunked,
        ids: Some(plan.stamp.ids(shard)),
        cors: plan.cors_fields(shard),
    };
    forward::response(&head, &to, &mut scratch);
    Ok(ReplyHead::Final(FinalHead {
        status: head.status,
        cursor,
        reusable: head.keep_alive && head.framing != Framing::UntilClose && !tunnel,
        close,
        close_delimited,
        tunnel,
    }))
}

/// Tells the control plane when a provider says that it has no replica of the function; until it
/// has found out, callers wait for what it finds.
#[cold]
fn look_for_unready(shard: &Shard, plan: &Plan, head: &ResponseHead<'_, '_>) {
    let through_a_provider =
        |f: &&FunctionRef| !f.is_catch_all() && matches!(f.forward, Forward::Kept { .. });
    let Some(function) = plan.function().filter(through_a_provider) else {
        return;
    };
    if head.is_internal() && function.shared.tells_unready(shard.clock.now()) {
        let found_out = shard.demand.unready(&function.id);
        function.doubted.store(found_out, Ordering::Relaxed);
    }
}

/// The framing the client is given, and how the body is turned into it.
fn reframe(from: Framing, plan: &Plan) -> (Framing, BodyCursor) {
    match (from, plan.version) {
        (Framing::UntilClose, Version::Http11) => (Framing::Chunked, BodyCursor::rechunk()),
        (Framing::Chunked, Version::Http10) => (Framing::UntilClose, BodyCursor::dechunk()),
        (Framing::Chunked, Version::Http11) => {
            let trailers = if plan.wants_trailers {
                Trailers::Forward
            } else {
                Trailers::Drop
            };
            (from, BodyCursor::new(from, trailers))
        }
        _ => (from, BodyCursor::new(from, Trailers::Drop)),
    }
}
