//! What is written about a call, statement by statement. Called inside the writer's transaction.

use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::schema::{Whose, place, places};
use crate::queue::attempt::{Ended, Kept, Verdict};
use crate::queue::front::{Cancelled, Which};
use crate::queue::job::{Call, Delivery, JobId, Millis, State};
use crate::queue::letter::{DeliveryEnd, Origin};

/// What a settled call was, and is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) state: State,
    /// Bytes of a reply that is kept now.
    pub(super) kept: u64,
    /// Whether its reply is to be delivered.
    pub(super) callback: bool,
}

/// A dead call that was queued again or forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Raised {
    pub(super) seq: i64,
    pub(super) function: String,
    /// Bytes of its reply that were kept.
    pub(super) kept: u64,
    /// Whether that was still to be delivered.
    pub(super) callback: bool,
}

/// Takes a call in. `tail` is the last part of its body, with its number.
pub(super) fn insert(
    to: &Connection,
    seq: i64,
    call: &Call,
    body_bytes: u64,
    tail: (i64, &[u8]),
) -> rusqlite::Result<()> {
    let (part, bytes) = tail;
    to.prepare_cached(
        "INSERT INTO calls (seq, id, state, function, due, queued_at, name, call_id, target,
           headers, body_bytes, store, callback)
         VALUES (:seq, :id, 0, :function, :at, :at, :name, :call_id, :target, :headers,
           :body_bytes, :store, :callback)",
    )?
    .execute(named_params! {
        ":seq": seq,
        ":id": &call.id.bytes()[..],
        ":function": call.function,
        ":at": call.queued_at.0,
        ":name": call.name,
        ":call_id": call.call_id,
        ":target": call.target,
        ":headers": call.headers,
        ":body_bytes": signed(body_bytes),
        ":store": call.store,
        ":callback": call.callback,
    })?;
    if !bytes.is_empty() {
        put_part(to, seq, Whose::Request, part, bytes)?;
    }
    if part > 0 {
        to.prepare_cached("DELETE FROM arriving WHERE seq = ?")?
            .execute([seq])?;
    }
    Ok(())
}

/// Writes a part of a body that is on its way.
pub(super) fn put_arriving(
    to: &Connection,
    seq: i64,
    part: i64,
    bytes: &[u8],
) -> rusqlite::Result<()> {
    if part == 0 {
        to.prepare_cached("INSERT INTO arriving VALUES (?)")?
            .execute([seq])?;
    }
    put_part(to, seq, Whose::Request, part, bytes)
}

/// Writes a part, in place of one that an attempt before left.
pub(super) fn put_part(
    to: &Connection,
    seq: i64,
    whose: Whose,
    part: i64,
    bytes: &[u8],
) -> rusqlite::Result<()> {
    to.prepare_cached("INSERT OR REPLACE INTO parts VALUES (?, ?)")?
        .execute(params![place(seq, whose, part), bytes])?;
    Ok(())
}

/// Removes the body of a call that will not come.
pub(super) fn abandon(to: &Connection, seq: i64) -> rusqlite::Result<()> {
    remove_parts(to, seq)?;
    to.prepare_cached("DELETE FROM arriving WHERE seq = ?")?
        .execute([seq])?;
    Ok(())
}

/// Removes what calls left whose bodies were on their way when the process ended.
pub(super) fn abandon_all(to: &Connection) -> rusqlite::Result<()> {
    let mut lost = to.prepare("SELECT seq FROM arriving")?;
    let lost: Vec<i64> = lost
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    lost.into_iter().try_for_each(|seq| abandon(to, seq))
}

/// Writes how an attempt ended; `None` when the call is not to be run any more (it was cancelled
/// meanwhile).
pub(super) fn settle(
    to: &Connection,
    seq: i64,
    ended: &Ended,
    verdict: Verdict,
    kept: Option<(&Kept, i64)>,
) -> rusqlite::Result<Option<Moved>> {
    let (state, due, counted) = match verdict {
        Verdict::Done => (State::Done, Millis::now(), true),
        Verdict::Dead => (State::Dead, Millis::now(), true),
        Verdict::Again { due, counted } => (State::Waiting, due, counted),
    };
    let mut update = to.prepare_cached(
        "UPDATE calls SET state = :state, due = :due, attempts = attempts + :counted,
           status = :status, error = :error, started_at = :started, took_micros = :took
         WHERE seq = :seq AND state < 2 RETURNING callback IS NOT NULL",
    )?;
    let took = i64::try_from(ended.took.as_micros()).unwrap_or(i64::MAX);
    let callback: Option<bool> = update
        .query_row(
            named_params! {
                ":state": state.number(),
                ":due": due.0,
                ":counted": counted,
                ":status": ended.status,
                ":error": ended.error,
                ":started": ended.started_at.0,
                ":took": took,
                ":seq": seq,
            },
            |row| row.get(0),
        )
        .optional()?;
    let Some(callback) = callback else {
        return Ok(None);
    };
    let last = state != State::Waiting;
    if let Some((kept, part)) = kept {
        keep(to, seq, kept, part)?;
    }
    if last && callback {
        to.prepare_cached("UPDATE calls SET callback_state = 1, callback_due = ? WHERE seq = ?")?
            .execute([Millis::now().0, seq])?;
    }
    if state == State::Done {
        // The request will not be sent again.
        let (first, end) = (place(seq, Whose::Request, 0), place(seq, Whose::Reply, 0));
        to.prepare_cached("DELETE FROM parts WHERE place >= ? AND place < ?")?
            .execute([first, end])?;
    }
    Ok(Some(Moved {
        state,
        kept: kept.map_or(0, |(kept, _)| kept.bytes),
        callback: last && callback,
    }))
}

fn keep(to: &Connection, seq: i64, kept: &Kept, part: i64) -> rusqlite::Result<()> {
    to.prepare_cached(
        "UPDATE calls SET reply_status = ?, reply_headers = ?, reply_bytes = ?, reply_cut = ?
         WHERE seq = ?",
    )?
    .execute(params![
        kept.status,
        kept.headers,
        signed(kept.bytes),
        kept.cut,
        seq
    ])?;
    if !kept.tail.is_empty() {
        put_part(to, seq, Whose::Reply, part, &kept.tail)?;
    }
    Ok(())
}

/// Cancels a call; with its number and function when it was to be run.
pub(super) fn cancel(
    to: &Connection,
    id: JobId,
) -> rusqlite::Result<(Cancelled, Option<(i64, String)>)> {
    let found = to
        .prepare_cached("SELECT seq, state, function FROM calls WHERE id = ?")?
        .query_row([&id.bytes()[..]], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((seq, state, function)) = found else {
        return Ok((Cancelled::Unknown, None));
    };
    match State::of_number(state) {
        Some(State::Queued | State::Waiting) => {}
        other => return Ok((Cancelled::TooLate(other.unwrap_or(State::Done)), None)),
    }
    to.prepare_cached("UPDATE calls SET state = 5, due = ? WHERE seq = ?")?
        .execute([Millis::now().0, seq])?;
    remove_parts(to, seq)?;
    Ok((Cancelled::Done, Some((seq, function))))
}

/// Queues dead calls again, at most `most`, with all their attempts.
pub(super) fn replay(to: &Connection, which: &Which, most: u64) -> rusqlite::Result<Vec<Raised>> {
    let raised = dead(to, which, most)?;
    for call in &raised {
        to.prepare_cached(
            "UPDATE calls SET state = 0, due = ?, attempts = 0, callback_state = NULL,
               callback_attempts = 0, callback_error = NULL, callback_status = NULL,
               reply_status = NULL, reply_headers = NULL, reply_bytes = NULL, reply_cut = 0
             WHERE seq = ?",
        )?
        .execute([Millis::now().0, call.seq])?;
        let (first, last) = (place(call.seq, Whose::Reply, 0), places(call.seq).1);
        to.prepare_cached("DELETE FROM parts WHERE place BETWEEN ? AND ?")?
            .execute([first, last])?;
    }
    Ok(raised)
}

/// Forgets dead calls, at most `most`.
pub(super) fn purge(to: &Connection, which: &Which, most: u64) -> rusqlite::Result<Vec<Raised>> {
    let gone = dead(to, which, most)?;
    for call in &gone {
        forget(to, call.seq)?;
    }
    Ok(gone)
}

fn dead(to: &Connection, which: &Which, most: u64) -> rusqlite::Result<Vec<Raised>> {
    let raised = |row: &rusqlite::Row<'_>| {
        Ok(Raised {
            seq: row.get(0)?,
            function: row.get(1)?,
            kept: row.get::<_, i64>(2)?.max(0).unsigned_abs(),
            callback: row.get(3)?,
        })
    };
    let select = |wanted: &str| {
        to.prepare_cached(&format!(
            "SELECT seq, function, coalesce(reply_bytes, 0), callback_state IS 1 FROM calls
             WHERE state = 4 {wanted}"
        ))
    };
    let most = signed(most);
    match which {
        Which::One(id) => select("AND id = ?")?
            .query_map(params![&id.bytes()[..]], raised)?
            .collect(),
        Which::All(None) => select("ORDER BY due LIMIT ?")?
            .query_map([most], raised)?
            .collect(),
        Which::All(Some(function)) => select("AND function = ? ORDER BY due LIMIT ?")?
            .query_map(params![function, most], raised)?
            .collect(),
    }
}

/// That a reply is still to be delivered: its call has not been replayed or forgotten.
pub(super) const STANDS: &str = "seq = :seq AND callback_state = 1 AND due = :since
     AND max((started_at - queued_at) * 1000 + took_micros, 0) = :took";

/// Writes how a delivery went, and tells the bytes that were freed: a reply nobody may fetch goes
/// with its delivery. `None` when the reply is not to be delivered any more.
pub(super) fn delivered(
    to: &Connection,
    of: Origin,
    end: &DeliveryEnd,
) -> rusqlite::Result<Option<u64>> {
    let query = format!(
        "UPDATE calls SET callback_state = :state, callback_due = :due, callback_status = :status,
           callback_error = :error, callback_attempts = callback_attempts + 1 WHERE {STANDS}"
    );
    let seq = of.seq;
    let changed = to.prepare_cached(&query)?.execute(named_params! {
        ":state": end.delivery.number(),
        ":due": end.due.0,
        ":status": end.status,
        ":error": end.error,
        ":seq": seq,
        ":since": of.since.0,
        ":took": signed(of.took_micros),
    })?;
    if changed == 0 {
        return Ok(None);
    }
    if end.delivery == Delivery::Pending {
        return Ok(Some(0));
    }
    let freed: Option<Option<i64>> = to
        .prepare_cached("SELECT reply_bytes FROM calls WHERE seq = ? AND store = 0")?
        .query_row([seq], |row| row.get(0))
        .optional()?;
    let Some(freed) = freed else {
        return Ok(Some(0));
    };
    to.prepare_cached("UPDATE calls SET reply_status = NULL, reply_bytes = NULL WHERE seq = ?")?
        .execute([seq])?;
    let (first, last) = (place(seq, Whose::Reply, 0), places(seq).1);
    to.prepare_cached("DELETE FROM parts WHERE place BETWEEN ? AND ?")?
        .execute([first, last])?;
    Ok(Some(freed.unwrap_or(0).max(0).unsigned_abs()))
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Swept {
    pub(super) calls: u64,
    pub(super) bytes: u64,
}

/// Forgets calls that ended before `before`, and `excess` more; at most `most`.
pub(super) fn sweep(
    to: &Connection,
    before: Millis,
    excess: u64,
    most: u64,
) -> rusqlite::Result<Swept> {
    let mut swept = Swept::default();
    for state in [State::Done, State::Cancelled] {
        let (most, excess) = (
            most.saturating_sub(swept.calls),
            excess.saturating_sub(swept.calls),
        );
        // A reply that is still to be delivered stays with its call.
        let mut oldest = to.prepare_cached(
            "SELECT seq, due, coalesce(reply_bytes, 0) FROM calls
             WHERE state = ? AND callback_state IS NOT 1 ORDER BY due LIMIT ?",
        )?;
        let rows = oldest.query_map(params![state.number(), signed(most)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get::<_, i64>(2)?))
        })?;
        for (index, row) in (0..).zip(rows.collect::<Result<Vec<_>, _>>()?) {
            let (seq, due, bytes) = row;
            if Millis(due) >= before && index >= excess {
                break;
            }
            forget(to, seq)?;
            swept.calls += 1;
            swept.bytes += bytes.max(0).unsigned_abs();
        }
    }
    Ok(swept)
}

fn forget(to: &Connection, seq: i64) -> rusqlite::Result<()> {
    remove_parts(to, seq)?;
    to.prepare_cached("DELETE FROM calls WHERE seq = ?")?
        .execute([seq])?;
    Ok(())
}

fn remove_parts(to: &Connection, seq: i64) -> rusqlite::Result<()> {
    let (first, last) = places(seq);
    to.prepare_cached("DELETE FROM parts WHERE place BETWEEN ? AND ?")?
        .execute([first, last])?;
    Ok(())
}

/// SQLite's integers are signed; no size comes near their end.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
