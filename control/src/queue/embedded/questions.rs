//! What is asked about calls. Read only.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params, params_from_iter};

use super::records::{STANDS, signed};
use super::schema::{Whose, place};
use crate::queue::attempt::Work;
use crate::queue::callback::Turns;
use crate::queue::front::{Filter, Page, Place};
use crate::queue::job::{Call, CallbackStanding, Delivery, Job, JobId, Millis, State, StoredReply};
use crate::queue::letter::{Found, Letter, Origin};

/// Where the counters stand when the queue is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Opening {
    /// Number of the next call.
    pub(super) next: i64,
    /// Calls to be run by function.
    pub(super) pending: Vec<(String, u64)>,
    pub(super) dead: u64,
    /// Done and cancelled ones.
    pub(super) finished: u64,
    pub(super) callbacks: u64,
    /// Bytes of kept replies.
    pub(super) kept_bytes: u64,
}

/// A call whose turn may have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) seq: i64,
    pub(super) due: Millis,
}

pub(super) fn opening(at: &Connection) -> rusqlite::Result<Opening> {
    let number = |query: &str| at.query_row(query, [], |row| row.get::<_, i64>(0));
    let count = |query: &str| number(query).map(|n| n.max(0).unsigned_abs());
    let mut pending =
        at.prepare("SELECT function, count(*) FROM calls WHERE state IN (0, 1) GROUP BY function")?;
    let pending = pending.query_map([], |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?.max(0).unsigned_abs()))
    })?;
    Ok(Opening {
        next: number("SELECT coalesce(max(seq), 0) + 1 FROM calls")?,
        pending: pending.collect::<Result<_, _>>()?,
        dead: count("SELECT count(*) FROM calls WHERE state = 4")?,
        finished: count("SELECT count(*) FROM calls WHERE state IN (3, 5)")?,
        callbacks: count("SELECT count(*) FROM calls WHERE callback_state = 1")?,
        kept_bytes: count(
            "SELECT coalesce(sum(reply_bytes), 0) FROM calls WHERE state IN (3, 4, 5)",
        )?,
    })
}

/// The first calls of a function that are to be run, queued ones and failed ones.
pub(super) fn due(
    at: &Connection,
    function: &str,
    state: State,
    most: usize,
) -> rusqlite::Result<Vec<Due>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    at.prepare_cached(
        "SELECT seq, due FROM calls WHERE function = ? AND state = ? ORDER BY due, seq LIMIT ?",
    )?
    .query_map(params![function, state.number(), most], |row| {
        Ok(Due {
            seq: row.get(0)?,
            due: Millis(row.get(1)?),
        })
    })?
    .collect()
}

/// A call that is to be run at `now`, with the first part of its body.
pub(super) fn work(
    at: &Connection,
    seq: i64,
    now: Millis,
) -> rusqlite::Result<Option<(Work, Vec<u8>)>> {
    let found = at
        .prepare_cached(
            "SELECT id, function, name, call_id, target, headers, callback, store, queued_at,
               attempts, body_bytes FROM calls WHERE seq = ? AND state < 2 AND due <= ?",
        )?
        .query_row([seq, now.0], |row| {
            let call = Call {
                id: id(row.get(0)?),
                function: row.get(1)?,
                name: row.get(2)?,
                call_id: row.get(3)?,
                target: row.get(4)?,
                headers: row.get(5)?,
                callback: row.get(6)?,
                store: row.get(7)?,
                queued_at: Millis(row.get(8)?),
            };
            Ok(Work {
                call,
                attempts: row.get(9)?,
                body_bytes: unsigned(row.get(10)?),
            })
        })
        .optional()?;
    let Some(work) = found else { return Ok(None) };
    let first = match work.body_bytes {
        0 => Vec::new(),
        _ => part(at, seq, Whose::Request, 0)?.unwrap_or_default(),
    };
    Ok(Some((work, first)))
}

/// One part of a body; `None` behind the last.
pub(super) fn part(
    at: &Connection,
    seq: i64,
    whose: Whose,
    number: i64,
) -> rusqlite::Result<Option<Vec<u8>>> {
    at.prepare_cached("SELECT bytes FROM parts WHERE place = ?")?
        .query_row([place(seq, whose, number)], |row| row.get(0))
        .optional()
}

/// One part of a reply to be delivered; `None` when it is not to be delivered any more.
pub(super) fn letter_part(
    at: &Connection,
    of: Origin,
    number: i64,
) -> rusqlite::Result<Option<Vec<u8>>> {
    let query = format!(
        "SELECT bytes FROM parts
         WHERE place = :place AND EXISTS (SELECT 1 FROM calls WHERE {STANDS})"
    );
    at.prepare_cached(&query)?
        .query_row(
            named_params! {
                ":place": place(of.seq, Whose::Reply, number),
                ":seq": of.seq,
                ":since": of.since.0,
                ":took": signed(of.took_micros),
            },
            |row| row.get(0),
        )
        .optional()
}

/// How a call stands, with its number.
pub(super) fn job(at: &Connection, id: JobId) -> rusqlite::Result<Option<(i64, Job)>> {
    let query = format!("SELECT {COLUMNS} FROM calls WHERE id = ?");
    at.prepare_cached(&query)?
        .query_row([&id.bytes()[..]], standing)
        .optional()
}

/// The same, by its number.
pub(super) fn job_at(at: &Connection, seq: i64) -> rusqlite::Result<Option<(i64, Job)>> {
    let query = format!("SELECT {COLUMNS} FROM calls WHERE seq = ?");
    at.prepare_cached(&query)?
        .query_row([seq], standing)
        .optional()
}

/// A page of calls, with their numbers.
pub(super) fn list(at: &Connection, filter: &Filter) -> rusqlite::Result<(Vec<i64>, Page)> {
    let mut query = format!("SELECT {COLUMNS} FROM calls WHERE ");
    let mut values: Vec<Value> = Vec::new();
    let mut wants = Vec::new();
    if let Some(function) = &filter.function {
        wants.push("function = ?");
        values.push(function.clone().into());
    }
    // What runs is queued or waiting in the store.
    if let Some(state) = filter.state {
        wants.push("state = ?");
        values.push(state.number().into());
    }
    if let Some(place) = filter.after {
        wants.push("(state, due, seq) > (?, ?, ?)");
        values.extend([place.state, place.due, place.seq].map(Value::from));
    }
    query.push_str(if wants.is_empty() { "1" } else { "" });
    query.push_str(&wants.join(" AND "));
    query.push_str(" ORDER BY state, due, seq LIMIT ?");
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    values.push(limit.into());
    let mut statement = at.prepare_cached(&query)?;
    let rows = statement.query_map(params_from_iter(values), standing)?;
    let rows: Vec<(i64, Job)> = rows.collect::<Result<_, _>>()?;
    let next = rows.last().filter(|_| rows.len() == filter.limit);
    let next = next.map(|(seq, job)| Place {
        state: job.state.number(),
        due: job.due.0,
        seq: *seq,
    });
    let (seqs, jobs) = rows.into_iter().unzip();
    Ok((seqs, Page { jobs, next }))
}

/// When the oldest call came that is not done.
pub(super) fn oldest(at: &Connection) -> rusqlite::Result<Option<Millis>> {
    // Failed ones are few beside queued ones, and their times of arrival are in no index: the
    // first that is due stands for them.
    let first = |state: State| {
        at.prepare_cached("SELECT queued_at FROM calls WHERE state = ? ORDER BY due, seq LIMIT 1")?
            .query_row([state.number()], |row| row.get(0).map(Millis))
            .optional()
    };
    let both = [first(State::Queued)?, first(State::Waiting)?];
    Ok(both.into_iter().flatten().min())
}

/// Replies whose delivery is due and that have a turn. Of a crowd that has none only some are
/// looked at each time: the first ones, and those behind `from`.
pub(super) fn letters(
    at: &Connection,
    now: Millis,
    turns: &mut Turns,
    from: Option<(Millis, i64)>,
) -> rusqlite::Result<Found> {
    let mut letters = Vec::new();
    let mut end = look(at, now, (Millis(i64::MIN), 0), turns, &mut letters)?;
    if let Some(first) = end {
        let from = from.map_or(first, |from| from.max(first));
        end = look(at, now, from, turns, &mut letters)?;
    }
    let next = at
        .prepare_cached(
            "SELECT callback_due FROM calls WHERE callback_state = 1 AND callback_due > ?
             ORDER BY callback_due LIMIT 1",
        )?
        .query_row([now.0], |row| row.get(0).map(Millis))
        .optional()?;
    Ok(Found {
        letters,
        from: end,
        next,
    })
}

/// Looks at some of the replies that are due behind a place; where it ended, if not at the last.
fn look(
    at: &Connection,
    now: Millis,
    behind: (Millis, i64),
    turns: &mut Turns,
    letters: &mut Vec<Letter>,
) -> rusqlite::Result<Option<(Millis, i64)>> {
    let mut statement = at.prepare_cached(
        "SELECT seq, id, call_id, name, callback, callback_attempts, due, attempts, status,
           queued_at, started_at, took_micros, reply_headers, coalesce(reply_bytes, 0),
           reply_cut, function, callback_due FROM calls
         WHERE callback_state = 1 AND callback_due <= ? AND (callback_due, seq) > (?, ?)
         ORDER BY callback_due, seq",
    )?;
    let mut rows = statement.query(params![now.0, behind.0.0, behind.1])?;
    let mut last = None;
    for _ in 0..LOOKED_AT {
        if turns.is_full() {
            return Ok(last.or(Some(behind)));
        }
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let seq = row.get(0)?;
        last = Some((Millis(row.get(16)?), seq));
        let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str()?);
        if turns.take(seq, text(4)?, text(15)?) {
            letters.push(letter(row)?);
        }
    }
    Ok(last)
}

fn letter(row: &Row<'_>) -> rusqlite::Result<Letter> {
    let queued: i64 = row.get(9)?;
    let started: i64 = row.get(10)?;
    let took: i64 = row.get(11)?;
    Ok(Letter {
        seq: row.get(0)?,
        id: id(row.get(1)?),
        call_id: row.get(2)?,
        function: row.get(15)?,
        name: row.get(3)?,
        url: row.get(4)?,
        tried: row.get(5)?,
        since: Millis(row.get(6)?),
        attempts: row.get(7)?,
        status: row.get(8)?,
        took_micros: unsigned(
            (started - queued)
                .saturating_mul(1_000)
                .saturating_add(took),
        ),
        headers: row.get::<_, Option<_>>(12)?.unwrap_or_default(),
        bytes: unsigned(row.get(13)?),
        cut: row.get(14)?,
    })
}

fn standing(row: &Row<'_>) -> rusqlite::Result<(i64, Job)> {
    let callback: Option<String> = row.get(12)?;
    let delivery: Option<i64> = row.get(13)?;
    let delivery = delivery.and_then(Delivery::of_number);
    let callback = match callback {
        Some(url) => Some(CallbackStanding {
            url,
            delivery,
            attempts: row.get(15)?,
            status: row.get(16)?,
            error: row.get(17)?,
            due: match delivery {
                Some(Delivery::Pending) => row.get::<_, Option<i64>>(14)?.map(Millis),
                _ => None,
            },
        }),
        None => None,
    };
    let store: bool = row.get(11)?;
    let reply = match row.get::<_, Option<u16>>(18)? {
        Some(status) if store => Some(StoredReply {
            status,
            headers: row.get::<_, Option<_>>(19)?.unwrap_or_default(),
            bytes: unsigned(row.get::<_, Option<i64>>(20)?.unwrap_or(0)),
            cut: row.get(21)?,
        }),
        _ => None,
    };
    let job = Job {
        id: id(row.get(1)?),
        // Numbers of other states are not written.
        state: State::of_number(row.get(2)?).unwrap_or(State::Done),
        function: row.get(3)?,
        due: Millis(row.get(4)?),
        queued_at: Millis(row.get(5)?),
        attempts: row.get(6)?,
        status: row.get(7)?,
        error: row.get(8)?,
        started_at: row.get::<_, Option<i64>>(9)?.map(Millis),
        call_id: row.get(10)?,
        body_bytes: unsigned(row.get(22)?),
        callback,
        reply,
    };
    Ok((row.get(0)?, job))
}

/// Ids are written as 16 bytes.
fn id(bytes: [u8; 16]) -> JobId {
    JobId::from_bytes(bytes)
}

fn unsigned(number: i64) -> u64 {
    number.max(0).unsigned_abs()
}

/// Replies looked at in one go, twice: what a crowd without turns costs each time.
const LOOKED_AT: usize = 1_000;

const COLUMNS: &str = "seq, id, state, function, due, queued_at, attempts, status, error, \
     started_at, call_id, store, callback, callback_state, callback_due, callback_attempts, \
     callback_status, callback_error, reply_status, reply_headers, reply_bytes, reply_cut, \
     body_bytes";
