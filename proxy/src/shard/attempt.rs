//! One try at an endpoint: the request goes up, the reply comes down, both at once.
//!
//! **Invariant:** both ways are futures of one task, and neither is dropped before it is done:
//! whatever goes wrong shuts a socket down, and the operations end by themselves.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use crate::buf::{Buf, Class, Full};
use crate::config::HalfClose;
use crate::fault::{Failure, Reject};
use crate::http::{CONTINUE, HeadEnd, Method, Refusal, Reply, Version};
use crate::limits::{ABORT_WATCH_AFTER, CONTINUE_TIMEOUT, INTERIM_REPLIES_MAX, LINGER_TIMEOUT};
use crate::shard::alarm::{Act, Slot};
use crate::shard::answer;
use crate::shard::call::Call;
use crate::shard::conclusion::{Down, End, Outcome, conclude};
use crate::shard::conn::Conn;
use crate::shard::exchange::Request;
use crate::shard::first::first;
use crate::shard::io::{Peek, Side};
use crate::shard::plan::{Plan, Target};
use crate::shard::pump::{Fault, Pump, Way};
use crate::shard::reply_head::{FinalHead, ReplyHead, Told, understand};
use crate::shard::upstream::Upstream;

/// What both ways of one try share.
struct Try<'t> {
    conn: &'t Conn,
    plan: &'t Plan,
    upstream: &'t Upstream<'t>,
    call: &'t Call<'t>,
    /// The whole request has been sent.
    sent: Cell<bool>,
    /// A send to the function failed, and has taken the socket's error with it.
    send_failed: Cell<bool>,
    /// The client's side of the body failed.
    body_failure: Cell<Option<Failure>>,
    client_gone: Cell<bool>,
    head_seen: Cell<bool>,
    told_continue: Cell<bool>,
    half_closed: Cell<bool>,
    /// The reply is over: what the client still sends is dropped.
    discard: Cell<bool>,
    never: Cell<bool>,
}

/// Sends the request to `upstream` and its reply to the client.
pub(crate) async fn attempt<'a>(
    conn: &'a Conn,
    plan: &Plan,
    request: &mut Request,
    upstream: Upstream<'a>,
    call: &Call<'_>,
    may_retry: bool,
) -> Outcome<'a> {
    let whole = request.whole;
    let this = Try {
        conn,
        plan,
        upstream: &upstream,
        call,
        sent: Cell::new(false),
        send_failed: Cell::new(false),
        body_failure: Cell::new(None),
        client_gone: Cell::new(false),
        head_seen: Cell::new(false),
        told_continue: Cell::new(false),
        half_closed: Cell::new(false),
        discard: Cell::new(false),
        never: Cell::new(false),
    };
    let down = RefCell::new(Down::Answered);
    if whole {
        this.send_whole(request).await;
        let reply = pin!(async { *down.borrow_mut() = this.down().await });
        this.both(pin!(async {}), reply).await;
    } else {
        let up = this.up(request);
        let reply = pin!(async { *down.borrow_mut() = this.down_beside_up().await });
        this.both(pin!(up), reply).await;
    }
    let sent = this.sent.get();
    let read = request.cursor.is_done();
    let failure = this.failure();
    let client_gone = this.client_gone.get();
    let down = down.into_inner();
    let rest = if matches!(down, Down::Complete { .. }) {
        request.rest.take()
    } else {
        None
    };
    conclude(
        conn,
        plan,
        upstream,
        call,
        End {
            down,
            sent,
            read,
            failure,
            client_gone,
            rest,
            retry: may_retry && whole,
        },
    )
}

impl Try<'_> {
    fn pump(&self, way: Way) -> Pump<'_> {
        let config = &self.conn.shard.config;
        let (client, function) = (&self.conn.sock, &*self.upstream.sock);
        let (from, to, read_timeout, discard) = match way {
            Way::Up => (client, function, config.read_timeout, &self.discard),
            Way::Down => (function, client, config.stream_idle, &self.never),
        };
        Pump {
            conn: self.conn,
            from,
            to,
            way,
            read_timeout,
            discard,
            renew: None,
            ends: (way == Way::Down).then_some(self.call),
            piped: Cell::new(false),
        }
    }

    /// Sends a request that is all in one buffer, and keeps the buffer for another try.
    async fn send_whole(&self, request: &mut Request) {
        let Some(buf) = request.send.take() else {
            return;
        };
        // A failed send still leaves a reply to be read: the function may have answered first.
        let (result, buf) = self.pump(Way::Up).send(buf).await;
        self.send_failed.set(result.is_err());
        request.send = Some(buf);
        self.request_sent();
    }

    /// From here on the function has the word, and the client may lose patience.
    fn request_sent(&self) {
        self.sent.set(true);
        if !self.head_seen.get() {
            let function = self.plan.function();
            let deadline = function.and_then(|f| f.settings.deadline);
            let deadline = deadline.unwrap_or(self.conn.shard.config.upstream_timeout);
            self.conn
                .deadline(Slot::Down, Some(deadline), Act::EndUpstream);
        }
        self.conn
            .deadline(Slot::Watch, Some(ABORT_WATCH_AFTER), Act::Wake);
    }

    /// The request's way, for a request that is still coming in.
    async fn up(&self, request: &mut Request) {
        let pump = self.pump(Way::Up);
        let Some(head) = request.send.take() else {
            return;
        };
        let (result, mut buf) = pump.send(head).await;
        if result.is_err() {
            return self.drop_body(request).await;
        }
        if self.plan.expect_continue
            && request.rest.is_none()
            && self.plan.version == Version::Http11
        {
            self.conn
                .deadline(Slot::Continue, Some(CONTINUE_TIMEOUT), Act::Wake);
        }
        buf.clear();
        let buf = request.rest.take().unwrap_or(buf);
        let (result, rest) = pump.run(buf, &mut request.cursor).await;
        request.rest = rest;
        match result {
            Err(Fault::WriteFailed) => self.drop_body(request).await,
            _ if self.discard.get() => {}
            Ok(()) => self.request_sent(),
            Err(fault) => {
                let expired = self.conn.alarm.has_expired(Slot::Up);
                let refused = match fault {
                    _ if expired => Some((Reject::BodyTimeout, Failure::BodyTimeout)),
                    Fault::Truncated => Some((Reject::Truncated, Failure::BodyTruncated)),
                    Fault::Framing(why) => Some((why, Failure::BodyMalformed)),
                    _ => None,
                };
                match refused {
                    Some((why, failure)) => {
                        self.conn.shard.counters.reject(why);
                        self.body_failure.set(Some(failure));
                    }
                    None => self.client_gone.set(true),
                }
                // The function must not take half a body for a whole one.
                self.upstream.sock.shutdown(Side::Both);
            }
        }
    }

    /// The function takes no more of the request, and has perhaps answered: the rest of the body is
    /// read and dropped, for a while, so that the client's next request can be found behind it.
    async fn drop_body(&self, request: &mut Request) {
        let stalled = self.conn.alarm.has_expired(Slot::Up) && !self.discard.get();
        if stalled || request.cursor.is_done() {
            return;
        }
        self.discard.set(true);
        self.conn
            .deadline(Slot::Up, Some(LINGER_TIMEOUT), Act::EndClientRead);
        let buffers = &self.conn.shard.buffers;
        let buf = request.rest.take();
        let buf = buf.unwrap_or_else(|| buffers.take(Class::Head));
        let (_, rest) = self.pump(Way::Up).run(buf, &mut request.cursor).await;
        request.rest = rest;
    }

    /// The reply's way beside an unfinished request: whatever happens, the client is answered
    /// from here, and the request's way is told to end.
    async fn down_beside_up(&self) -> Down {
        let down = self.down().await;
        if self.sent.get() || matches!(down, Down::Tunnel(_)) {
            return down;
        }
        self.upstream.sock.shutdown(Side::Both);
        let down = match down {
            Down::NoHead { .. } | Down::BadHead | Down::NoRoom if !self.client_gone.get() => {
                let failure = match down {
                    Down::BadHead => Failure::BadReply,
                    Down::NoRoom => Failure::OutOfMemory,
                    _ => self.failure(),
                };
                self.answer(failure).await;
                Down::Answered
            }
            down => down,
        };
        // The client may still be sending: drop its bytes for a while. A reply that did not say that
        // the connection ends promises that it goes on behind the body.
        self.discard.set(true);
        let alive = matches!(down, Down::Complete { .. } | Down::Answered);
        if alive && !self.conn.alarm.has_expired(Slot::Up) {
            if !matches!(&down, Down::Complete { head, .. } if !head.close) {
                self.conn.sock.shutdown(Side::Write);
            }
            self.conn
                .deadline(Slot::Up, Some(LINGER_TIMEOUT), Act::EndClientRead);
        } else {
            self.conn.sock.shutdown(Side::Read);
        }
        down
    }

    async fn answer(&self, failure: Failure) {
        self.conn.shard.counters.failed(failure);
        let said = failure.said();
        self.call.status.set(said.status);
        let reply = Reply {
            retry_after: said.retry_after,
            close: true,
            head_only: self.plan.method == Method::Head,
            extra: self.plan.cors_fields(self.conn.shard),
            ids: Some(self.plan.stamp.ids(self.conn.shard)),
            ..answer::plain(said.status, said.text)
        };
        answer::send(self.conn, &reply).await;
    }

    /// Why there is no reply.
    fn failure(&self) -> Failure {
        let alarm = &self.conn.alarm;
        if let Some(failure) = self.body_failure.get() {
            failure
        } else if alarm.has_expired(Slot::Down) {
            Failure::Deadline
        } else if alarm.has_expired(Slot::Up) {
            Failure::Stalled
        } else {
            Failure::Died
        }
    }

    /// The reply's way.
    async fn down(&self) -> Down {
        self.call.use_reply_room();
        let mut buf = self.conn.shard.buffers.take(Class::Head);
        let mut interims = 0;
        let (mut head, len) = loop {
            let len;
            (len, buf) = match self.read_head(buf, interims > 0).await {
                Ok(found) => found,
                Err(down) => return down,
            };
            match self.understood(buf.bytes().get(..len).unwrap_or_default()) {
                Err(refusal) => return self.distrust(refusal.why),
                Ok(ReplyHead::Final(head)) => break (head, len),
                Ok(ReplyHead::Interim { status, forward }) => {
                    interims += 1;
                    if interims > INTERIM_REPLIES_MAX {
                        return self.distrust(Reject::Interims);
                    }
                    if forward && !self.send_interim(status).await {
                        return Down::ClientGone;
                    }
                    buf.consume(len);
                }
            }
        };
        self.head_came(&head);
        buf.consume(len);
        let framed = first(&self.conn.shard.scratch.borrow(), buf, &mut head.cursor);
        let framed = match framed {
            Ok(framed) => framed,
            Err(why) => return self.distrust(why),
        };
        self.call.status.set(head.status);
        let whole = head.cursor.is_done() && head.cursor.tail().is_empty();
        if whole && !head.tunnel {
            self.call.function_done();
        }
        let pump = self.pump(Way::Down);
        let (result, mut spare) = pump.send(framed.send).await;
        if result.is_err() {
            return Down::ClientGone;
        }
        if head.tunnel {
            return Down::Tunnel(framed.rest);
        }
        if whole {
            let surplus = framed.rest.is_some();
            return Down::Complete { head, surplus };
        }
        spare.clear();
        let buf = framed.rest.unwrap_or(spare);
        match pump.run(buf, &mut head.cursor).await {
            (Ok(()), surplus) => Down::Complete {
                head,
                surplus: surplus.is_some(),
            },
            (Err(Fault::WriteFailed), _) => Down::ClientGone,
            (Err(fault), _) => {
                if let Fault::Framing(why) = fault {
                    self.conn.shard.counters.reject_reply(why);
                }
                Down::Cut {
                    close_delimited: head.close_delimited,
                }
            }
        }
    }

    fn head_came(&self, head: &FinalHead) {
        self.head_seen.set(true);
        let alarm = &self.conn.alarm;
        alarm.clear(Slot::Down);
        alarm.clear(Slot::Continue);
        alarm.set_until_close(head.close_delimited);
    }

    fn understood(&self, head: &[u8]) -> Result<ReplyHead, Refusal> {
        let told = if self.told_continue.get() {
            Told::Continue
        } else if self.plan.expect_continue && !self.sent.get() {
            Told::Nothing
        } else {
            Told::Unasked
        };
        understand(self.conn.shard, self.plan, told, head)
    }

    fn distrust(&self, why: Reject) -> Down {
        self.conn.shard.counters.reject_reply(why);
        Down::BadHead
    }

    async fn read_head(&self, mut buf: Buf, begun: bool) -> Result<(usize, Buf), Down> {
        let mut end = HeadEnd::response();
        loop {
            match end.find(buf.bytes()) {
                Ok(Some(len)) => return Ok((len, buf)),
                Ok(None) => {}
                Err(refusal) => return Err(self.distrust(refusal.why)),
            }
            buf = match buf.with_room() {
                Ok(buf) => buf,
                Err(Full::Buffer) => return Err(self.distrust(Reject::HeadTooLarge)),
                Err(Full::Memory) => return Err(Down::NoRoom),
            };
            let (result, back) = self.upstream.sock.recv(buf).await;
            buf = back;
            match result {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(n) if n > 0 && !self.conn.alarm.has_expired(Slot::Down) => {}
                end => {
                    let silent = buf.is_empty() && !begun;
                    // A reset whose error the send has taken reads like an end.
                    let ended = matches!(end, Ok(0)) && !self.send_failed.get();
                    return Err(Down::NoHead { silent, ended });
                }
            }
        }
    }

    /// Sends the interim reply that lies in the scratch.
    async fn send_interim(&self, status: u16) -> bool {
        if status == 100 {
            self.told_continue.set(true);
            self.conn.alarm.clear(Slot::Continue);
        }
        let buf = {
            let scratch = self.conn.shard.scratch.borrow();
            answer::holding(self.conn.shard, &scratch)
        };
        // Sent without the pump: the head's deadline in `Slot::Down` must go on.
        self.conn.sock.send(buf, false).await.0.is_ok()
    }

    /// Polls both ways until both are done, and watches the client meanwhile.
    async fn both(
        &self,
        mut up: Pin<&mut impl Future<Output = ()>>,
        mut down: Pin<&mut impl Future<Output = ()>>,
    ) {
        let (mut up_done, mut down_done) = (false, false);
        let mut readable = pin!(None);
        poll_fn(|cx| {
            self.conn.alarm.register(cx);
            // Up first: when the last of the request and the end of the reply complete in one
            // batch, the reply's way must find the request sent.
            up_done = up_done || up.as_mut().poll(cx).is_ready();
            down_done = down_done || down.as_mut().poll(cx).is_ready();
            if down_done && up_done {
                self.conn.alarm.clear(Slot::Watch);
                return Poll::Ready(());
            }
            if self.conn.alarm.take_expired(Slot::Continue) {
                self.tell_continue();
            }
            if self.conn.alarm.take_expired(Slot::Watch) && self.sent.get() {
                // An old exchange: from now on the kernel tells when the client stirs. This
                // future may be dropped at any time, it takes nothing from the socket.
                if self.half_closed.get() {
                    self.look_at_client();
                } else {
                    readable.set(Some(self.conn.sock.readable()));
                }
            }
            let stirs = readable.as_mut().as_pin_mut();
            if stirs.is_some_and(|stirs| stirs.poll(cx).is_ready()) {
                readable.set(None);
                self.look_at_client();
            }
            Poll::Pending
        })
        .await;
    }

    /// Whether the end of the client's sending side says that it has left. Who asks the control
    /// plane does not half-close, and a followed log may be silent for hours.
    fn heeds_end(&self) -> bool {
        self.conn.shard.config.half_close == HalfClose::Abort
            || matches!(self.plan.target, Target::Control)
    }

    fn look_at_client(&self) {
        let gone = match self.conn.sock.peek() {
            Peek::Failed => true,
            // The next request, pipelined: the client is there.
            Peek::Data => return,
            Peek::Quiet => false,
            // A half-closed client may wait for its answer; only a reset says that it is gone.
            Peek::Ended => {
                self.half_closed.set(true);
                self.heeds_end() || self.conn.sock.is_dead()
            }
        };
        if gone {
            self.client_gone.set(true);
            self.upstream.sock.shutdown(Side::Both);
        } else {
            self.conn
                .deadline(Slot::Watch, Some(ABORT_WATCH_AFTER), Act::Wake);
        }
    }

    /// The function is silent: let the client begin its body (RFC 9110 §10.1.1).
    fn tell_continue(&self) {
        if !self.told_continue.replace(true) && !self.head_seen.get() {
            // 25 bytes into an empty socket: it goes at once, or the client is beyond help.
            self.conn.sock.send_now(CONTINUE);
        }
    }
}
