//! Access log: fixed-size records in a bounded ring per shard, written in batches elsewhere.
//!
//! A shard never formats, never waits for the disk: a full ring drops the record and counts it.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;

use parking_lot::Mutex;

/// Records one shard may have waiting. At 100,000 requests per second and a write every 50 ms,
/// 5,000 wait.
const RECORDS_MAX: usize = 16_384;
/// Bytes of the path that are kept.
pub(crate) const PATH_BYTES: usize = 96;

/// One ended exchange.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    /// Unix time at the request's head, in nanoseconds.
    pub(crate) start_unix_nanos: u64,
    pub(crate) micros: u64,
    pub(crate) status: u16,
    /// The reply was cut short.
    pub(crate) cut: bool,
    pub(crate) method: [u8; 8],
    pub(crate) path: [u8; PATH_BYTES],
    pub(crate) path_len: u16,
    pub(crate) call_id: [u8; 64],
    pub(crate) call_id_len: u8,
}

/// The waiting records of one shard. The lock is held for one push or one swap.
pub(crate) struct LogRing {
    waiting: Mutex<Vec<Record>>,
}

impl LogRing {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::new(Vec::with_capacity(RECORDS_MAX)),
        })
    }

    /// Queues a record; `false` when the ring is full and the record was dropped.
    pub(crate) fn push(&self, record: Record) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= RECORDS_MAX {
            return false;
        }
        waiting.push(record);
        true
    }
}

/// Drains the rings of all shards into one output.
pub(crate) struct LogWriter<W> {
    rings: Vec<Arc<LogRing>>,
    batch: Vec<Record>,
    text: String,
    output: W,
}

impl<W: Write> LogWriter<W> {
    pub(crate) fn new(rings: Vec<Arc<LogRing>>, output: W) -> Self {
        Self {
            rings,
            batch: Vec::with_capacity(RECORDS_MAX),
            text: String::new(),
            output,
        }
    }

    /// Writes what waits now. Write errors are dropped with their lines: there is nobody to tell.
    pub(crate) fn write_waiting(&mut self) {
        for ring in &self.rings {
            std::mem::swap(&mut *ring.waiting.lock(), &mut self.batch);
            for record in self.batch.drain(..) {
                line(&record, &mut self.text);
            }
        }
        if !self.text.is_empty() {
            let _ = self.output.write_all(self.text.as_bytes());
            let _ = self.output.flush();
            self.text.clear();
        }
    }
}

fn line(record: &Record, out: &mut String) {
    let seconds = record.start_unix_nanos / 1_000_000_000;
    let millis = record.start_unix_nanos / 1_000_000 % 1_000;
    let _ = write!(out, "time={seconds}.{millis:03} method=");
    let method_len = record.method.iter().position(|b| *b == 0);
    let method_len = method_len.unwrap_or(record.method.len());
    escape(&record.method[..method_len], out);
    out.push_str(" path=\"");
    escape(&record.path[..usize::from(record.path_len)], out);
    let _ = write!(
        out,
        "\" status={} duration_ms={}.{:03} cut={} call_id=",
        record.status,
        record.micros / 1_000,
        record.micros % 1_000,
        record.cut,
    );
    escape(&record.call_id[..usize::from(record.call_id_len)], out);
    out.push('\n');
}

/// Bytes as text: anything that could end a field or a line is written as `\xNN`.
pub fn escape(bytes: &[u8], out: &mut String) {
    for &byte in bytes {
        match byte {
            b'"' | b'\\' | 0..=0x1f | 0x7f.. => {
                let _ = write!(out, "\\x{byte:02x}");
            }
            _ => out.push(char::from(byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(path: &[u8]) -> Record {
        let mut r = Record {
            start_unix_nanos: 1_700_000_000_123_456_789,
            micros: 1_234,
            status: 200,
            cut: false,
            method: *b"GET\0\0\0\0\0",
            path: [0; PATH_BYTES],
            path_len: u16::try_from(path.len()).unwrap(),
            call_id: [0; 64],
            call_id_len: 0,
        };
        r.path[..path.len()].copy_from_slice(path);
        r
    }

    #[test]
    fn lines_cannot_be_injected() {
        let ring = LogRing::new();
        assert!(ring.push(record(b"/a\"b\nstatus=500\xff")));
        let mut writer = LogWriter::new(vec![ring], Vec::new());
        writer.write_waiting();
        let text = String::from_utf8(writer.output).unwrap();
        assert_eq!(
            text,
            "time=1700000000.123 method=GET path=\"/a\\x22b\\x0astatus=500\\xff\" status=200 \
             duration_ms=1.234 cut=false call_id=\n"
        );
    }

    #[test]
    fn a_full_ring_drops() {
        let ring = LogRing::new();
        for _ in 0..RECORDS_MAX {
            assert!(ring.push(record(b"/")));
        }
        assert!(!ring.push(record(b"/")));
    }
}
