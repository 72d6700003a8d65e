//! A head and the body bytes that came with it, in one send.

use crate::buf::{Buf, Class};
use crate::fault::Reject;
use crate::http::BodyCursor;

/// The first bytes to send of a message, and what was read beyond them.
pub(crate) struct First {
    /// Head and first piece of the body, contiguous.
    pub(crate) send: Buf,
    /// The next unread bytes: more of the body, or the next message when the body is done.
    pub(crate) rest: Option<Buf>,
}

/// Puts `head` in front of the first piece of the body that waits in `body`.
///
/// The body is not copied when the head fits into the headroom in front of it.
///
/// # Errors
/// The body's framing is broken.
pub(crate) fn first(head: &[u8], mut body: Buf, cursor: &mut BodyCursor) -> Result<First, Reject> {
    let rest = if cursor.is_done() {
        body.split_off(0)
    } else {
        let step = cursor.step(body.bytes())?;
        body.consume(step.skip);
        let rest = body.split_off(step.forward);
        body.prepend(step.prefix.as_bytes());
        if step.crlf && step.forward > 0 {
            body.append(b"\r\n");
        }
        rest
    };
    Ok(First {
        send: in_front(head, body),
        rest,
    })
}

fn in_front(head: &[u8], mut body: Buf) -> Buf {
    if body.prepend(head) {
        return body;
    }
    let wanted = (head.len() + body.len()) as u64;
    let mut class = Class::for_bytes(wanted).max(body.class());
    loop {
        let mut both = body.sibling(class);
        let fits = both.append(head) && both.append(body.bytes());
        match class.larger() {
            Some(larger) if !fits => class = larger,
            _ => return both,
        }
    }
}
