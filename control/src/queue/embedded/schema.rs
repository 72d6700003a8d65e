//! The database: its tables, and how a connection to it is opened.
//!
//! `calls` has a row per call, `parts` the bytes of its request and of its reply in pieces, so
//! that a list never reads a body, and a body is never held whole. `arriving` names the calls
//! whose body is still on its way: what is left of them after a crash is removed.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// Opens the one connection that writes, making the database if needed.
///
/// # Errors
/// The file cannot be used, or was written by another version.
pub(super) fn open_writer(path: &Path) -> Result<Connection, String> {
    let failed = |error: rusqlite::Error| format!("{}: {error}", path.display());
    let connection = Connection::open(path).map_err(failed)?;
    prepare(&connection, WRITER_CACHE_KIB).map_err(failed)?;
    let version: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(failed)?;
    match version {
        0 => connection.execute_batch(TABLES).map_err(failed)?,
        VERSION => {}
        other => {
            return Err(format!(
                "{} has the queue of version {other}, and this gateway reads {VERSION}",
                path.display()
            ));
        }
    }
    Ok(connection)
}

/// Opens a connection that reads.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection, READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn prepare(connection: &Connection, cache_kib: i64) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(64);
    // Takes effect in a new file only.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let mode: String = connection.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))?;
    debug_assert_eq!(mode, "wal");
    // FULL: a commit is on the disk when it returns.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES_MAX)?;
    Ok(())
}

/// Where a call's parts lie: its number, whose bytes they are, which piece.
pub(super) const fn place(seq: i64, whose: Whose, part: i64) -> i64 {
    (seq << 13) | ((whose as i64) << 12) | part
}

/// First and last place of all parts of a call.
pub(super) const fn places(seq: i64) -> (i64, i64) {
    (seq << 13, (seq << 13) | 0x1fff)
}

/// Whose bytes a part has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The request's.
    Request = 0,
    /// The reply's.
    Reply = 1,
}

/// Bytes of a part: what an arriving body holds in memory, and one row of SQLite's.
pub(in crate::queue) const PART_BYTES: usize = 256 * 1024;
/// Parts of one body; [`place`] has twelve bits for their numbers.
pub(in crate::queue) const PARTS_MAX: i64 = 1 << 12;

const VERSION: i64 = 1;

/// The pages a commit of many calls touches, with room for the indices' inner ones.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
const READER_CACHE_KIB: i64 = 2 * 1024;
/// 16 MiB of log: a checkpoint writes each page once, however often it changed meanwhile.
const CHECKPOINT_PAGES: i64 = 4_096;
const JOURNAL_BYTES_MAX: i64 = 64 * 1024 * 1024;

const TABLES: &str = "
BEGIN;
CREATE TABLE calls (
  seq INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  state INTEGER NOT NULL,
  function TEXT NOT NULL,
  due INTEGER NOT NULL,
  queued_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  status INTEGER,
  error TEXT,
  started_at INTEGER,
  took_micros INTEGER,
  name TEXT NOT NULL,
  call_id TEXT NOT NULL,
  target TEXT NOT NULL,
  headers BLOB NOT NULL,
  body_bytes INTEGER NOT NULL,
  store INTEGER NOT NULL,
  callback TEXT,
  callback_state INTEGER,
  callback_due INTEGER,
  callback_attempts INTEGER NOT NULL DEFAULT 0,
  callback_status INTEGER,
  callback_error TEXT,
  reply_status INTEGER,
  reply_headers BLOB,
  reply_bytes INTEGER,
  reply_cut INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX calls_by_id ON calls (id);
CREATE INDEX calls_by_function ON calls (function, state, due);
CREATE INDEX calls_by_state ON calls (state, due);
CREATE INDEX calls_by_callback ON calls (callback_due) WHERE callback_state = 1;
CREATE TABLE parts (place INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE arriving (seq INTEGER PRIMARY KEY);
PRAGMA user_version = 1;
COMMIT;
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_on_the_disk_and_another_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("q.db");
        let writer = open_writer(&path).unwrap();
        let number = |name: &str| -> i64 {
            let ask = format!("PRAGMA {name}");
            writer.query_row(&ask, [], |row| row.get(0)).unwrap()
        };
        assert_eq!((number("synchronous"), number("user_version")), (2, 1));
        assert_eq!(number("auto_vacuum"), 2);
        writer.pragma_update(None, "user_version", 7).unwrap();
        drop(writer);
        let error = open_writer(&path).unwrap_err();
        assert!(error.contains('7') && error.contains("q.db"), "{error}");
    }

    #[test]
    fn a_reader_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("q.db");
        let _writer = open_writer(&path).unwrap();
        let reader = open_reader(&path).unwrap();
        assert!(reader.execute("DELETE FROM calls", []).is_err());
    }

    #[test]
    fn places_do_not_overlap() {
        assert!(place(1, Whose::Request, PARTS_MAX - 1) < place(1, Whose::Reply, 0));
        assert_eq!(places(1).1, place(1, Whose::Reply, PARTS_MAX - 1));
        assert_eq!(places(1).1 + 1, place(2, Whose::Request, 0));
    }
}
