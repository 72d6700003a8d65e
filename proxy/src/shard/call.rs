//! The books of one request: counted when it begins, and once, however it ends.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use crate::buf::Class;
use crate::config::AccessLog;
use crate::fault::Failure;
use crate::metrics::{Counter, FunctionShard, PATH_BYTES, Record};
use crate::shard::Shard;
use crate::shard::conn::Conn;
use crate::shard::plan::{Plan, Stamp};
use crate::shard::turn::has_queue;
use crate::table::FunctionRef;

/// Counted as the status of a call whose client left before an answer (nginx's 499).
pub(crate) const CLIENT_GONE: u16 = 499;

/// One forwarded request's books. Dropping it closes them.
pub(crate) struct Call<'a> {
    conn: &'a Conn,
    /// A copy: the plan's own may move to a newer table between tries.
    function: Option<FunctionRef>,
    limited: bool,
    /// What the access log says besides the outcome; kept only when it is on.
    line: Cell<Option<Box<Record>>>,
    /// The status that was sent, or would have been.
    pub(crate) status: Cell<u16>,
    /// The function was called, or would have been: the call's end lets those who wait go on.
    has_turn: Cell<bool>,
    /// The reply's first buffer is counted as in use, and not taken yet: were it not, a crowd that
    /// is let in at once would take more than there is.
    reply_room: Cell<bool>,
    /// The reply was cut short.
    pub(crate) cut: Cell<bool>,
    /// The function's books are closed.
    done: Cell<bool>,
    /// When the function had the call: a wait for its first replica is not the function's time.
    sent_micros: Cell<u64>,
}

impl<'a> Call<'a> {
    /// Opens the books, unless the function's in-flight limit or the memory's is reached. The
    /// control plane is reached even then.
    pub(crate) fn begin(conn: &'a Conn, plan: &Plan) -> Result<Self, Failure> {
        let shard = conn.shard;
        let function = plan.function().cloned();
        let mut limited = false;
        if let Some(function) = &function {
            let counters = function.shared.counters.shard(shard.index);
            if shard.buffers.is_exhausted()
                || (shard.buffers.is_short() && has_its_share(shard, counters))
            {
                counters.started.add(1);
                counters.ended(503, 0);
                return Err(Failure::OutOfMemory);
            }
            if let Some(max) = function.settings.inflight_max {
                limited = true;
                let before = function.shared.inflight.fetch_add(1, Ordering::Relaxed);
                if before >= max {
                    function.shared.inflight.fetch_sub(1, Ordering::Relaxed);
                    counters.started.add(1);
                    counters.ended(429, 0);
                    return Err(Failure::TooManyInflight);
                }
            }
            counters.started.add(1);
            if counters.inflight.get() == 0 {
                shard.busy_functions.set(shard.busy_functions.get() + 1);
            }
            counters.inflight.add(1);
        } else {
            shard.counters.control_requests.add(1);
        }
        shard.counters.inflight.add(1);
        Ok(Self {
            conn,
            function,
            limited,
            line: Cell::new(shard.log.as_ref().map(|_| Box::new(record(&plan.stamp)))),
            status: Cell::new(CLIENT_GONE),
            has_turn: Cell::new(false),
            reply_room: Cell::new(false),
            cut: Cell::new(false),
            done: Cell::new(false),
            sent_micros: Cell::new(plan.stamp.start_micros),
        })
    }
}

impl Call<'_> {
    /// The wait for a replica is over.
    pub(crate) fn begin_again(&self) {
        self.sent_micros.set(self.conn.shard.clock.read_micros());
    }
}

impl Call<'_> {
    /// The request is sent now.
    pub(crate) fn goes(&self) {
        self.has_turn.set(true);
        if !self.reply_room.replace(true) {
            self.conn.shard.buffers.reserve(REPLY_BYTES);
        }
    }

    /// The reply's first buffer is taken now, or never.
    pub(crate) fn use_reply_room(&self) {
        if self.reply_room.replace(false) {
            self.conn.shard.buffers.release(REPLY_BYTES);
        }
    }

    /// The function has nothing more to do with this call: its place is free and its books are
    /// closed before the client can have read the last of the reply, so that whoever has it may
    /// call again, and finds it counted.
    pub(crate) fn function_done(&self) {
        let shard = self.conn.shard;
        let Some(function) = self.function.as_ref().filter(|_| !self.done.replace(true)) else {
            return;
        };
        let micros = shard
            .clock
            .read_micros()
            .saturating_sub(self.sent_micros.get());
        let counters = function.shared.counters.shard(shard.index);
        counters.inflight.sub(1);
        if counters.inflight.get() == 0 {
            let others = shard.busy_functions.get().saturating_sub(1);
            shard.busy_functions.set(others);
        }
        counters.ended(self.status.get(), micros);
        if self.limited {
            function.shared.inflight.fetch_sub(1, Ordering::Relaxed);
        }
        if self.has_turn.get() && has_queue(shard, function) {
            shard.park.call_ended(&function.id);
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let shard = self.conn.shard;
        shard.counters.inflight.sub(1);
        self.use_reply_room();
        self.function_done();
        let Some(mut record) = self.line.take() else {
            return;
        };
        let (status, cut) = (self.status.get(), self.cut.get());
        if shard.config.access_log == AccessLog::All || status >= 500 || cut {
            let now = shard.clock.read_micros();
            record.status = status;
            record.cut = cut;
            record.micros = now.saturating_sub(record.micros);
            write(shard, *record);
        }
    }
}

const REPLY_BYTES: u64 = Class::Head.bytes() as u64;

/// Whether a function has as many calls of this shard as is fair while memory is short: the rest is
/// for the others, one call at least of each. Who waits for a replica holds next to nothing and does
/// not count.
fn has_its_share(shard: &Shard, function: &FunctionShard) -> bool {
    let running =
        |inflight: &Counter, parked: &Counter| inflight.get().saturating_sub(parked.get());
    let own = running(&function.inflight, &function.parked);
    let all = running(&shard.counters.inflight, &shard.counters.parked);
    let functions = u64::from(shard.busy_functions.get());
    own > 0 && own.saturating_add(1).saturating_mul(functions) > all
}

/// The stamp's part of a record; the outcome is filled in later, and `micros` is when it began
/// until then.
fn record(stamp: &Stamp) -> Record {
    let id = stamp.call_id();
    let mut call_id = [0; 64];
    call_id[..id.len()].copy_from_slice(id);
    let line = stamp.line.as_deref();
    Record {
        start_unix_nanos: stamp.start_nanos,
        micros: stamp.start_micros,
        status: 0,
        cut: false,
        method: line.map_or([0; 8], |l| l.method),
        path: line.map_or([0; PATH_BYTES], |l| l.path),
        path_len: line.map_or(0, |l| l.path_len),
        call_id,
        call_id_len: id.len() as u8,
    }
}

fn write(shard: &Shard, record: Record) {
    if shard.log.as_ref().is_some_and(|log| !log.push(record)) {
        shard.counters.log_dropped.add(1);
    }
}

/// Logs an answer of the gateway itself that never became a call.
pub(crate) fn log_local(conn: &Conn, stamp: &Stamp, status: u16) {
    let shard = conn.shard;
    if shard.log.is_none() || (shard.config.access_log == AccessLog::Errors && status < 500) {
        return;
    }
    let now = shard.clock.read_micros();
    let mut record = record(stamp);
    record.micros = now.saturating_sub(record.micros);
    record.status = status;
    write(shard, record);
}
