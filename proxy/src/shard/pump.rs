//! Moves one body one way, as its [`BodyCursor`] says: read, look, send, with one buffer.
//!
//! Backpressure is the loop itself: nothing is read while a send is under way.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use crate::buf::{Buf, Class};
use crate::fault::Reject;
use crate::http::BodyCursor;
use crate::limits::{SHORTAGE_PAUSE, SPLICE_BYTES_MIN};
use crate::shard::alarm::{Act, Slot};
use crate::shard::call::Call;
use crate::shard::conn::Conn;
use crate::shard::io::Sock;
use crate::shard::look::LOOKS;
use crate::shard::pipes::HeldPipe;
use crate::shard::rt;

/// Full reads in a row after which the next larger buffer is used.
const FULL_READS: u32 = 2;

/// With so few calls under way a send is a system call of its own: by the ring it would wait for the
/// shard's next turn, which nothing else is there to share.
const ALONE_MAX: u64 = 1;

/// One direction of an exchange.
pub(crate) struct Pump<'a> {
    pub(crate) conn: &'a Conn,
    pub(crate) from: &'a Sock,
    pub(crate) to: &'a Sock,
    pub(crate) way: Way,
    /// How long a read may wait; `None` is for ever.
    pub(crate) read_timeout: Option<Duration>,
    /// Once set, what is read is dropped instead of sent.
    pub(crate) discard: &'a Cell<bool>,
    /// Moved on by every progress of either way: the idle limit of a tunnel.
    pub(crate) renew: Option<(Slot, Duration)>,
    /// The call whose function is done when all of the body was read.
    pub(crate) ends: Option<&'a Call<'a>>,
    /// What came last went through a pipe: what lies between that and the next is short, and goes
    /// at once.
    pub(crate) piped: Cell<bool>,
}

/// Which way a pump carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Client to function.
    Up,
    /// Function to client.
    Down,
}

/// Why a body did not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The sender ended before the body did.
    Truncated,
    /// The sender's connection failed.
    ReadFailed,
    /// The receiver's connection failed.
    WriteFailed,
    /// The sender's framing is broken.
    Framing(Reject),
}

impl Pump<'_> {
    /// Sends what `buf` holds of the body, then reads and sends until the body ends. Returns
    /// what was read behind the body's end; when the receiver takes no more, what was read behind
    /// the last piece.
    pub(crate) async fn run(
        &self,
        mut buf: Buf,
        cursor: &mut BodyCursor,
    ) -> (Result<(), Fault>, Option<Buf>) {
        let mut full_reads = 0;
        loop {
            let (result, back) = self.flush(buf, cursor).await;
            buf = back;
            match result {
                Err(fault) => return (Err(fault), (!buf.is_empty()).then_some(buf)),
                Ok(()) if cursor.is_done() => {
                    let rest = (!buf.is_empty()).then_some(buf);
                    return (self.finish(cursor).await, rest);
                }
                Ok(()) => {}
            }
            let before = cursor.verbatim();
            match self.splice(cursor).await {
                Err(fault) => return (Err(fault), None),
                Ok(()) if cursor.is_done() => return (self.finish(cursor).await, None),
                Ok(()) => self.piped.set(cursor.verbatim() < before),
            }
            buf = self.sized(buf, cursor, &mut full_reads);
            let (result, back) = self.read(buf).await;
            buf = back;
            match result {
                Ok(0) => {
                    let result = match cursor.end_of_stream() {
                        Ok(()) => self.finish(cursor).await,
                        Err(_) => Err(Fault::Truncated),
                    };
                    return (result, None);
                }
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return (Err(Fault::ReadFailed), None),
            }
            // What arrives behind `shutdown` is still read: who goes on sending is not waited for.
            if self.discard.get() && self.conn.alarm.has_expired(Slot::Up) {
                return (Err(Fault::ReadFailed), None);
            }
            full_reads = if buf.free() == 0 { full_reads + 1 } else { 0 };
            self.conn.shard.be_fair().await;
        }
    }

    /// Passes on what the cursor knows to come next, if that is much, through a pipe: the kernel hands
    /// it from socket to socket without copying it.
    async fn splice(&self, cursor: &mut BodyCursor) -> Result<(), Fault> {
        if cursor.verbatim() < SPLICE_BYTES_MIN {
            return Ok(());
        }
        let shard = self.conn.shard;
        let mut waited = false;
        while cursor.verbatim() > 0 && !self.discard.get() {
            let Some(mut pipe) = shard.pipes.take() else {
                return Ok(());
            };
            match pipe.fill(self.from, cursor.verbatim()) {
                // The end, or TCP's urgent data before it: a read tells.
                Ok(0) => return Ok(()),
                Ok(n) => {
                    waited = false;
                    cursor.passed(n as u64);
                    self.count(n);
                    if cursor.is_done() && cursor.tail().is_empty() {
                        self.function_done();
                    }
                    self.drain(&mut pipe).await?;
                    drop(pipe);
                    // As in `flush`.
                    if !cursor.is_done() {
                        shard.be_fair_after(n).await;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // There is something, and splice does not take it: it never gets past urgent data.
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && waited => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    // Its turn comes later: nobody waits with an empty pipe.
                    drop(pipe);
                    waited = true;
                    self.wait_to_read().await.map_err(|_| Fault::ReadFailed)?;
                }
                Err(_) => return Err(Fault::ReadFailed),
            }
        }
        Ok(())
    }

    /// Sends all that is in a pipe, under the write deadline.
    async fn drain(&self, pipe: &mut HeldPipe<'_>) -> Result<(), Fault> {
        let mut slot = None;
        let drained = loop {
            let progress = match pipe.drain(self.to) {
                Ok(true) => break Ok(()),
                Ok(false) => true,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => false,
                Err(_) => break Err(Fault::WriteFailed),
            };
            if slot.is_none() || progress {
                slot = Some(self.write_deadline());
            } else {
                // There is room, and nothing is taken: the kernel is short of memory.
                rt::sleep(SHORTAGE_PAUSE).await;
            }
            if self.to.writable().await.is_err() {
                break Err(Fault::WriteFailed);
            }
        };
        if let Some(slot) = slot {
            self.conn.alarm.clear(slot);
        }
        self.progressed();
        drained
    }

    /// Counts bytes that go through a pipe.
    fn count(&self, n: usize) {
        let counters = self.conn.shard.counters;
        match self.way {
            Way::Up => counters.bytes_in.add(n as u64),
            Way::Down => counters.bytes_out.add(n as u64),
        }
    }

    /// Waits until there is something to read, under the read deadline.
    async fn wait_to_read(&self) -> io::Result<()> {
        let slot = self.read_deadline();
        let ready = self.from.readable().await;
        if !self.discard.get() {
            self.conn.alarm.clear(slot);
        }
        ready
    }

    /// Sends what the cursor makes of the buffer's bytes; leaves what is behind the body.
    async fn flush(&self, mut buf: Buf, cursor: &mut BodyCursor) -> (Result<(), Fault>, Buf) {
        while !buf.is_empty() && !cursor.is_done() {
            let step = match cursor.step(buf.bytes()) {
                Ok(step) => step,
                Err(why) => return (Err(Fault::Framing(why)), buf),
            };
            if step.skip == 0 && step.forward == 0 {
                break;
            }
            buf.consume(step.skip);
            if self.discard.get() {
                buf.consume(step.forward);
                continue;
            }
            let (start, end) = buf.position();
            let piece_end = start + step.forward;
            buf.truncate(step.forward);
            // Always fits: a prefix is at most 24 bytes longer than what was skipped for it.
            buf.prepend(step.prefix.as_bytes());
            if step.crlf {
                // Only re-chunking asks for it, and then the piece is the whole window.
                buf.append(b"\r\n");
            }
            if cursor.is_done() && cursor.tail().is_empty() {
                self.function_done();
            }
            if !buf.is_empty() {
                let (result, back) = self.send(buf).await;
                buf = back;
                if result.is_err() {
                    buf.rewind_to(piece_end, end);
                    return (Err(Fault::WriteFailed), buf);
                }
                // Behind the last piece nothing may come between: the other way must find it sent.
                if !cursor.is_done() {
                    self.conn.shard.be_fair_after(step.forward).await;
                }
            }
            buf.rewind_to(piece_end, end);
        }
        (Ok(()), buf)
    }

    /// Sends what ends the body: a composed last chunk, mostly nothing.
    async fn finish(&self, cursor: &BodyCursor) -> Result<(), Fault> {
        if cursor.tail().is_empty() || self.discard.get() {
            return Ok(());
        }
        self.function_done();
        let tail = super::answer::holding(self.conn.shard, cursor.tail());
        let (result, _) = self.send(tail).await;
        result.map_err(|_| Fault::WriteFailed)
    }

    /// Sends a buffer's whole window, under the write deadline.
    pub(crate) async fn send(&self, buf: Buf) -> (io::Result<()>, Buf) {
        let slot = self.write_deadline();
        let counters = self.conn.shard.counters;
        if self.way == Way::Down {
            counters.bytes_out.add(buf.len() as u64);
        }
        let running = counters
            .inflight
            .get()
            .saturating_sub(counters.parked.get());
        let at_once = running <= ALONE_MAX || self.piped.get();
        let result = self.to.send(buf, at_once).await;
        self.conn.alarm.clear(slot);
        self.progressed();
        result
    }

    async fn read(&self, buf: Buf) -> (io::Result<usize>, Buf) {
        let slot = if self.discard.get() {
            None
        } else {
            Some(self.read_deadline())
        };
        let at_once = buf.class() >= Class::Medium || self.piped.get() || self.discard.get();
        let (result, buf) = if at_once {
            self.from.recv_bulk(buf).await
        } else {
            self.from.recv(buf).await
        };
        if let Some(slot) = slot.filter(|_| !self.discard.get()) {
            self.conn.alarm.clear(slot);
        }
        if self.way == Way::Up {
            let n = *result.as_ref().unwrap_or(&0);
            self.conn.shard.counters.bytes_in.add(n as u64);
        }
        self.progressed();
        (result, buf)
    }

    /// Sets the deadline of a read.
    fn read_deadline(&self) -> Slot {
        let (slot, act) = match self.way {
            Way::Up => (Slot::Up, Act::EndClientRead),
            Way::Down => (Slot::Down, Act::EndUpstream),
        };
        self.conn.deadline(slot, self.read_timeout, act);
        slot
    }

    /// Sets the first look of a send.
    fn write_deadline(&self) -> Slot {
        let (slot, act) = match self.way {
            Way::Up => (Slot::Up, Act::LookAtUpstream),
            Way::Down => (Slot::Down, Act::LookAtClient),
        };
        let write_timeout = self.conn.shard.config.write_timeout;
        let first_look = write_timeout.map(|time| time / LOOKS);
        self.conn.deadline(slot, first_look, act);
        slot
    }

    fn function_done(&self) {
        if let Some(call) = self.ends {
            call.function_done();
        }
    }

    fn progressed(&self) {
        if let Some((slot, after)) = self.renew {
            self.conn.deadline(slot, Some(after), Act::EndUpstream);
        }
    }

    /// An empty buffer of the size the body now needs.
    fn sized(&self, mut buf: Buf, cursor: &BodyCursor, full_reads: &mut u32) -> Buf {
        buf.clear();
        let class = match cursor.remaining() {
            // A chunk's head and a little of its data: what a larger one would take is copied.
            _ if self.piped.get() => {
                *full_reads = 0;
                Class::Head
            }
            Some(bytes) => Class::for_bytes(bytes).max(Class::Small),
            None if *full_reads >= FULL_READS
                || (*full_reads > 0 && buf.class() == Class::Head) =>
            {
                *full_reads = 0;
                buf.class().larger().unwrap_or(Class::Bulk)
            }
            None => buf.class(),
        };
        // Who sends large chunks sends more than one.
        let of_chunk = cursor.remaining_of_chunk().saturating_mul(2);
        let class = class.max(Class::for_bytes(of_chunk));
        // What is left while memory is short is for those who have nothing yet.
        if class == buf.class() || (class > buf.class() && self.conn.shard.buffers.is_short()) {
            return buf;
        }
        drop(buf);
        self.conn.shard.buffers.take(class)
    }
}
