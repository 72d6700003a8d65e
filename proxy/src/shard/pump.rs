//! Moves one body one way, as its [`BodyCursor`] says: read, look, send, with one buffer.
//!
//! Backpressure is the loop itself: nothing is read while a send is under way.

use std::cell::Cell;
use std::time::Duration;

use crate::buf::{Buf, Class};
use crate::fault::Reject;
use crate::http::BodyCursor;
use crate::shard::alarm::{Act, Slot};
use crate::shard::call::Call;
use crate::shard::conn::Conn;
use crate::shard::io::Sock;
use crate::shard::look::LOOKS;

/// Full reads in a row after which the next larger buffer is used.
const FULL_READS: u32 = 2;

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
    /// what was read behind the body's end.
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
                Err(fault) => return (Err(fault), None),
                Ok(()) if cursor.is_done() => {
                    let rest = (!buf.is_empty()).then_some(buf);
                    return (self.finish(cursor).await, rest);
                }
                Ok(()) => {}
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
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return (Err(Fault::ReadFailed), None),
            }
            full_reads = if buf.free() == 0 { full_reads + 1 } else { 0 };
            self.conn.shard.be_fair().await;
        }
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
                    return (Err(Fault::WriteFailed), buf);
                }
                // Behind the last piece nothing may come between: the other way must find it sent.
                if !cursor.is_done() {
                    self.conn.shard.be_fair().await;
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
    pub(crate) async fn send(&self, buf: Buf) -> (std::io::Result<()>, Buf) {
        let shard = self.conn.shard;
        let (slot, act) = match self.way {
            Way::Up => (Slot::Up, Act::LookAtUpstream),
            Way::Down => (Slot::Down, Act::LookAtClient),
        };
        let first_look = shard.config.write_timeout.map(|time| time / LOOKS);
        self.conn.deadline(slot, first_look, act);
        if self.way == Way::Down {
            shard.counters.bytes_out.add(buf.len() as u64);
        }
        let result = self.to.send(buf).await;
        self.conn.alarm.clear(slot);
        self.progressed();
        result
    }

    async fn read(&self, buf: Buf) -> (std::io::Result<usize>, Buf) {
        let (slot, act) = match self.way {
            Way::Up => (Slot::Up, Act::EndClientRead),
            Way::Down => (Slot::Down, Act::EndUpstream),
        };
        if !self.discard.get() {
            self.conn.deadline(slot, self.read_timeout, act);
        }
        let (result, buf) = self.from.recv(buf).await;
        if !self.discard.get() {
            self.conn.alarm.clear(slot);
        }
        if self.way == Way::Up {
            let n = *result.as_ref().unwrap_or(&0);
            self.conn.shard.counters.bytes_in.add(n as u64);
        }
        self.progressed();
        (result, buf)
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
        if class == buf.class() {
            return buf;
        }
        drop(buf);
        self.conn.shard.buffers.take(class)
    }
}
