//! Calls and replies as messages: what is to be known of them in headers, the body as it is. Pure.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::name::parse_full;
use crate::queue::Queueing;
use crate::queue::headers::{lines, map};
use crate::queue::job::{Call, JobId, Millis};
use crate::queue::letter::Letter;

/// The headers of a call. `asked` is what its function's annotations ask for, when it is known.
pub(super) fn call(call: &Call, asked: Option<&Queueing>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    put(&mut headers, JOB_ID, &call.id.to_string());
    put(&mut headers, FUNCTION, &call.function);
    put(&mut headers, NAME, &call.name);
    put(&mut headers, CALL_ID, &call.call_id);
    put(&mut headers, TARGET, &call.target);
    put(&mut headers, FIELDS, &STANDARD.encode(&call.headers));
    put(&mut headers, QUEUED_AT, &call.queued_at.0.to_string());
    if let Some(callback) = &call.callback {
        put(&mut headers, CALLBACK, callback);
    }
    if call.store {
        put(&mut headers, STORE, "true");
    }
    if let Some(asked) = asked.map(Asked::from)
        && let Ok(asked) = serde_json::to_string(&asked)
    {
        put(&mut headers, ASKED, &asked);
    }
    headers
}

/// The call of such headers, and what its function asked for.
///
/// # Errors
/// The header that is missing or is none.
pub(super) fn read_call(headers: &HeaderMap) -> Result<(Call, Option<Queueing>), String> {
    let read = Read(headers);
    let function = read.must(FUNCTION)?;
    if parse_full(function).is_none() {
        return Err(format!("{FUNCTION} is no function: {function:?}"));
    }
    let call = Call {
        id: JobId::parse(read.must(JOB_ID)?).ok_or_else(|| format!("{JOB_ID} is no job id"))?,
        function: function.to_owned(),
        name: read.must(NAME)?.to_owned(),
        call_id: read.or_empty(CALL_ID).to_owned(),
        target: read.or_empty(TARGET).to_owned(),
        headers: read.fields(),
        callback: read.maybe(CALLBACK).map(ToOwned::to_owned),
        store: read.maybe(STORE) == Some("true"),
        queued_at: Millis(read.number(QUEUED_AT)?),
    };
    let asked = read.maybe(ASKED).and_then(|t| serde_json::from_str(t).ok());
    Ok((call, asked.map(|asked: Asked| asked.into())))
}

/// The headers of a reply to be delivered.
pub(super) fn letter(letter: &Letter) -> HeaderMap {
    let mut headers = HeaderMap::new();
    put(&mut headers, JOB_ID, &letter.id.to_string());
    put(&mut headers, FUNCTION, &letter.function);
    put(&mut headers, NAME, &letter.name);
    put(&mut headers, CALL_ID, &letter.call_id);
    put(&mut headers, CALLBACK, &letter.url);
    put(&mut headers, ATTEMPTS, &letter.attempts.to_string());
    put(&mut headers, SINCE, &letter.since.0.to_string());
    put(&mut headers, TOOK, &letter.took_micros.to_string());
    put(&mut headers, MESSAGE, &letter.seq.to_string());
    put(&mut headers, FIELDS, &STANDARD.encode(&letter.headers));
    if let Some(status) = letter.status {
        put(&mut headers, STATUS, &status.to_string());
    }
    if letter.cut {
        put(&mut headers, CUT, "true");
    }
    headers
}

/// The reply of such headers.
///
/// # Errors
/// The header that is missing or is none.
pub(super) fn read_letter(headers: &HeaderMap, tried: u32, bytes: u64) -> Result<Letter, String> {
    let read = Read(headers);
    Ok(Letter {
        seq: read.number(MESSAGE).unwrap_or(0),
        id: JobId::parse(read.must(JOB_ID)?).ok_or_else(|| format!("{JOB_ID} is no job id"))?,
        call_id: read.or_empty(CALL_ID).to_owned(),
        function: read.maybe(FUNCTION).unwrap_or(read.must(NAME)?).to_owned(),
        name: read.must(NAME)?.to_owned(),
        url: read.must(CALLBACK)?.to_owned(),
        tried,
        since: Millis(read.number(SINCE)?),
        attempts: read.number(ATTEMPTS)?,
        status: read.maybe(STATUS).and_then(|text| text.parse().ok()),
        took_micros: read.number(TOOK)?,
        headers: read.fields(),
        bytes,
        cut: read.maybe(CUT) == Some("true"),
    })
}

/// Bytes that headers take in a message (the protocol's `NATS/1.0` block).
pub(super) fn wire_bytes(headers: &HeaderMap) -> usize {
    let lines = headers.iter().flat_map(|(name, values)| {
        let name: &str = name.as_ref();
        values
            .iter()
            .map(move |value| name.len() + value.as_str().len() + ": \r\n".len())
    });
    "NATS/1.0\r\n\r\n".len() + lines.sum::<usize>()
}

/// Puts a header; one that could not be sent (with a line break in it) is left out.
fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = value.parse::<HeaderValue>() {
        headers.insert(name, value);
    }
}

struct Read<'a>(&'a HeaderMap);

impl<'a> Read<'a> {
    fn maybe(&self, name: &'static str) -> Option<&'a str> {
        self.0.get(name).map(HeaderValue::as_str)
    }

    fn or_empty(&self, name: &'static str) -> &'a str {
        self.maybe(name).unwrap_or_default()
    }

    fn must(&self, name: &'static str) -> Result<&'a str, String> {
        self.maybe(name)
            .ok_or_else(|| format!("it has no header {name}"))
    }

    fn number<T: std::str::FromStr>(&self, name: &'static str) -> Result<T, String> {
        let text = self.must(name)?;
        text.parse()
            .map_err(|_| format!("{name} is no number: {text:?}"))
    }

    fn fields(&self) -> Vec<u8> {
        let bytes = STANDARD.decode(self.or_empty(FIELDS)).unwrap_or_default();
        // Whoever may publish may write anything there: none of it is about a connection.
        lines(&map(&bytes))
    }
}

/// What annotations ask for, as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    attempts: Option<u32>,
    codes: Option<Vec<u16>>,
    min_wait: Option<Duration>,
    max_wait: Option<Duration>,
    concurrency: Option<u32>,
}

impl From<&Queueing> for Asked {
    fn from(asked: &Queueing) -> Self {
        Self {
            attempts: asked.attempts,
            codes: asked.codes.as_ref().map(|codes| codes.to_vec()),
            min_wait: asked.min_wait,
            max_wait: asked.max_wait,
            concurrency: asked.concurrency,
        }
    }
}

impl From<Asked> for Queueing {
    fn from(asked: Asked) -> Self {
        Self {
            attempts: asked.attempts,
            codes: asked.codes.map(Into::into),
            min_wait: asked.min_wait,
            max_wait: asked.max_wait,
            concurrency: asked.concurrency,
        }
    }
}

pub(super) const JOB_ID: &str = "Ringway-Job-Id";
const FUNCTION: &str = "Ringway-Function";
const NAME: &str = "Ringway-Name";
const CALL_ID: &str = "Ringway-Call-Id";
const TARGET: &str = "Ringway-Target";
/// Fields of HTTP: lines, in base64, because values there need not be text.
const FIELDS: &str = "Ringway-Fields";
const QUEUED_AT: &str = "Ringway-Queued-At";
const CALLBACK: &str = "Ringway-Callback";
const STORE: &str = "Ringway-Store";
const ASKED: &str = "Ringway-Annotations";
const STATUS: &str = "Ringway-Status";
const ATTEMPTS: &str = "Ringway-Attempts";
const SINCE: &str = "Ringway-Since";
const TOOK: &str = "Ringway-Took-Micros";
const CUT: &str = "Ringway-Truncated";
/// Number of the call's message.
const MESSAGE: &str = "Ringway-Message";

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Call {
        Call {
            id: JobId::from_bytes([9; 16]),
            function: "cat.fn".into(),
            name: "cat".into(),
            call_id: "c".into(),
            target: "/a%20b?c=d".into(),
            headers: b"x-a: caf\xe9\r\nx-a: \r\n".into(),
            callback: Some("http://u:p@a/x".into()),
            store: true,
            queued_at: Millis(1_700_000_000_123),
        }
    }

    #[test]
    fn calls_come_back() {
        let asked = Queueing {
            attempts: Some(3),
            codes: Some([500, 502].into()),
            min_wait: Some(Duration::from_millis(10)),
            ..Queueing::default()
        };
        let headers = call(&some(), Some(&asked));
        assert_eq!(read_call(&headers), Ok((some(), Some(asked))));
        let bare = Call {
            callback: None,
            store: false,
            ..some()
        };
        assert_eq!(read_call(&call(&bare, None)), Ok((bare, None)));
    }

    #[test]
    fn letters_come_back() {
        let one = Letter {
            seq: 17,
            id: JobId::from_bytes([7; 16]),
            call_id: "call".into(),
            function: "cat.fn".into(),
            name: "cat".into(),
            url: "http://a/x".into(),
            tried: 2,
            since: Millis(5),
            attempts: 3,
            status: None,
            took_micros: 77,
            headers: b"content-type: text/x\r\n".into(),
            bytes: 9,
            cut: true,
        };
        assert_eq!(read_letter(&letter(&one), 2, 9), Ok(one));
    }

    #[test]
    fn what_is_missing_is_named_and_what_cannot_be_sent_is_left_out() {
        let error = read_call(&HeaderMap::new()).unwrap_err();
        assert!(error.contains(FUNCTION), "{error}");
        for (name, value) in [
            (FUNCTION, "../system.fn/x"),
            (JOB_ID, "7"),
            (QUEUED_AT, "soon"),
        ] {
            let mut headers = call(&some(), None);
            put(&mut headers, name, value);
            let error = read_call(&headers).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
        let mut odd = some();
        odd.call_id = "a\r\nb: c".into();
        assert_eq!(read_call(&call(&odd, None)).unwrap().0.call_id, "");
    }

    #[test]
    fn sizes_are_those_of_the_protocol() {
        let mut headers = HeaderMap::new();
        put(&mut headers, "A", "bc");
        assert_eq!(wire_bytes(&headers), "NATS/1.0\r\nA: bc\r\n\r\n".len());
    }
}
