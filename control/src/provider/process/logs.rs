//! Reads a function's log files: what is there, and what comes.
//!
//! The files are written by the spawner (`spawner/logs.rs`): an instant, an instance and a text
//! per line; a full file is put aside under another name.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;
use tokio::time;

use crate::policy::whole;
use crate::provider::{Invalid, LogStream};
use crate::rfc3339;

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LogQuery {
    pub(super) name: String,
    /// Empty is the default one.
    pub(super) namespace: String,
    /// Only of this instance; empty is all.
    instance: String,
    /// At most this many of the lines that are there; `None` is all.
    tail: Option<usize>,
    /// Whether to go on with what comes.
    follow: bool,
    /// Only from this instant on.
    since: Option<SystemTime>,
}

/// Where a function's log is, and whether there will be more of it.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) namespace: String,
    /// Whether the function is still deployed.
    pub(super) alive: Box<dyn Fn() -> bool + Send + Sync>,
}

impl LogQuery {
    /// Reads the query; of a repeated parameter the last counts.
    pub(super) fn parse(query: &str) -> Result<Self, Invalid> {
        let mut parsed = Self::default();
        let mut tail_given = false;
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            let invalid = |rule: &str| Invalid::new(&*key, format!("{value:?}: {rule}"));
            match &*key {
                "name" => parsed.name = value.into_owned(),
                "namespace" => parsed.namespace = value.into_owned(),
                "instance" => parsed.instance = value.into_owned(),
                "follow" => parsed.follow = is_true(&value),
                "tail" if value.is_empty() => (parsed.tail, tail_given) = (None, false),
                "tail" => {
                    let count = tail(&value).ok_or_else(|| invalid("must be a whole number"))?;
                    (parsed.tail, tail_given) = (count, true);
                }
                "since" if value.is_empty() => parsed.since = None,
                "since" => {
                    let instant = rfc3339::parse(&value);
                    let rule = "must be a time such as 2026-01-02T03:04:05Z";
                    parsed.since = Some(instant.ok_or_else(|| invalid(rule))?);
                }
                _ => {}
            }
        }
        if parsed.name.is_empty() {
            return Err(Invalid::new("name", "must name the function"));
        }
        if parsed.since.is_none() && !tail_given {
            parsed.since = SystemTime::now().checked_sub(RECENT);
        }
        Ok(parsed)
    }

    /// Opens the stream.
    pub(super) fn open(self, source: Source) -> LogStream {
        let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
        tokio::spawn(async move {
            let mut reader = Reader {
                query: self,
                source,
                sender,
                chunk: Vec::new(),
            };
            // An error of the client's side ends it; one of the files is told to the client.
            if let Err(error) = reader.run().await {
                let _ = reader.sender.send(Err(error)).await;
            }
        });
        let body = stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|chunk| (chunk, receiver))
        });
        let kind = HeaderValue::from_static("application/x-ndjson");
        LogStream {
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, kind)]),
            body: Box::pin(body),
        }
    }
}

/// Go's `ParseBool`; anything else is false.
fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// 0 and below is no limit.
fn tail(text: &str) -> Option<Option<usize>> {
    match text.strip_prefix('-') {
        Some(digits) => whole(digits).map(|_| None),
        None => {
            let count = whole(text)?;
            Some((count > 0).then_some(count as usize))
        }
    }
}

/// `LogEntry`.
#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    namespace: &'a str,
    instance: &'a str,
    timestamp: &'a str,
    text: std::borrow::Cow<'a, str>,
}

struct Reader {
    query: LogQuery,
    source: Source,
    sender: mpsc::Sender<io::Result<Bytes>>,
    /// Lines on their way.
    chunk: Vec<u8>,
}

/// The client has left.
struct Left;

impl Reader {
    async fn run(&mut self) -> io::Result<()> {
        // Held open before the older file is read: what is put aside meanwhile is not lost.
        let current = open(&self.source.path).await?;
        let mut lines = BufReader::new(match current {
            Some(file) => file,
            None => File::open("/dev/null").await?,
        });
        let mut last = VecDeque::new();
        let aside = self.source.path.with_extension("log.1");
        if let Some(aside) = open(&aside).await?
            && self
                .past(&mut BufReader::new(aside), &mut last)
                .await?
                .is_err()
        {
            return Ok(());
        }
        if self.past(&mut lines, &mut last).await?.is_err() {
            return Ok(());
        }
        self.chunk.extend(last.into_iter().flatten());
        if self.flush().await.is_ok() && self.query.follow {
            let _ = self.follow(lines).await?;
        }
        Ok(())
    }

    /// Reads to the end of a file. Without a limit lines are sent as they are read; with one the
    /// `last` are kept.
    async fn past(
        &mut self,
        lines: &mut BufReader<File>,
        last: &mut VecDeque<Vec<u8>>,
    ) -> io::Result<Result<(), Left>> {
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).await? > 0 {
            match (self.entry(&line), self.query.tail) {
                (None, _) => {}
                (Some(entry), None) => self.chunk.extend_from_slice(&entry),
                (Some(entry), Some(tail)) => {
                    if last.len() == tail {
                        last.pop_front();
                    }
                    last.push_back(entry);
                }
            }
            line.clear();
            if self.chunk.len() > CHUNK_BYTES
                && let Err(left) = self.flush().await
            {
                return Ok(Err(left));
            }
        }
        Ok(Ok(()))
    }

    /// Sends what comes, until the client leaves or the function is deleted.
    async fn follow(&mut self, mut lines: BufReader<File>) -> io::Result<Result<(), Left>> {
        let mut line = Vec::new();
        loop {
            while lines.read_until(b'\n', &mut line).await? > 0 {
                // The spawner writes whole lines; half of one is there only for a moment.
                if line.ends_with(b"\n") {
                    if let Some(entry) = self.entry(&line) {
                        self.chunk.extend_from_slice(&entry);
                    }
                    line.clear();
                }
                if self.chunk.len() > CHUNK_BYTES
                    && let Err(left) = self.flush().await
                {
                    return Ok(Err(left));
                }
            }
            if let Err(left) = self.flush().await {
                return Ok(Err(left));
            }
            if let Some(next) = self.successor(lines.get_ref()).await? {
                // What was written to the old file before it was put aside comes first.
                if lines.fill_buf().await?.is_empty() {
                    lines = BufReader::new(next);
                    line.clear();
                    continue;
                }
                continue;
            }
            if !(self.source.alive)() {
                return Ok(Ok(()));
            }
            tokio::select! {
                () = self.sender.closed() => return Ok(Err(Left)),
                () = time::sleep(LOOK) => {}
            }
        }
    }

    /// The file that has the log's name now, when it is another one.
    async fn successor(&self, current: &File) -> io::Result<Option<File>> {
        use std::os::unix::fs::MetadataExt;
        let Some(named) = open(&self.source.path).await? else {
            return Ok(None);
        };
        let (have, found) = (current.metadata().await?, named.metadata().await?);
        let same = (have.dev(), have.ino()) == (found.dev(), found.ino());
        Ok((!same).then_some(named))
    }

    /// A line as a document of the stream; `None` when it was not asked for.
    fn entry(&self, line: &[u8]) -> Option<Vec<u8>> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let mut parts = line.splitn(3, |b| *b == b' ');
        let timestamp = std::str::from_utf8(parts.next()?).ok()?;
        let instance = std::str::from_utf8(parts.next()?).ok()?;
        let text = String::from_utf8_lossy(parts.next()?);
        if !self.query.instance.is_empty() && self.query.instance != instance {
            return None;
        }
        let instant = rfc3339::parse(timestamp)?;
        if self.query.since.is_some_and(|since| instant < since) {
            return None;
        }
        let entry = Entry {
            name: &self.source.name,
            namespace: &self.source.namespace,
            instance,
            timestamp,
            text,
        };
        let mut json = serde_json::to_vec(&entry).ok()?;
        json.push(b'\n');
        Some(json)
    }

    async fn flush(&mut self) -> Result<(), Left> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::take(&mut self.chunk));
        self.sender.send(Ok(chunk)).await.map_err(|_| Left)
    }
}

async fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path).await {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is shown when nobody said how much, as with other providers.
const RECENT: Duration = Duration::from_secs(5 * 60);
/// How soon a new line is seen.
const LOOK: Duration = Duration::from_millis(100);
/// Lines are sent together up to about this size.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks that wait for a slow client; the files are not read further meanwhile.
const CHUNKS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_util::StreamExt;

    use super::*;

    fn source(path: PathBuf, alive: Arc<AtomicBool>) -> Source {
        Source {
            path,
            name: "f".to_owned(),
            namespace: "ns".to_owned(),
            alive: Box::new(move || alive.load(Ordering::Relaxed)),
        }
    }

    fn line(second: u32, instance: &str, text: &str) -> String {
        format!("2026-01-01T00:00:{second:02}.000000000Z {instance} {text}\n")
    }

    /// The texts of all entries.
    async fn texts(path: &Path, query: &str) -> Vec<String> {
        let query = LogQuery::parse(query).unwrap();
        let stream = query.open(source(path.to_owned(), Arc::default()));
        let chunks: Vec<_> = stream.body.collect().await;
        let bytes: Vec<u8> = chunks.into_iter().flat_map(|c| c.unwrap()).collect();
        let entries = serde_json::Deserializer::from_slice(&bytes).into_iter();
        let text = |entry: serde_json::Value| entry["text"].as_str().unwrap().to_owned();
        entries.map(|entry| text(entry.unwrap())).collect()
    }

    #[test]
    fn a_query_is_read_as_other_providers_read_it() {
        let parsed = LogQuery::parse("name=a&name=b&tail=-1&follow=1&instance=i").unwrap();
        assert_eq!(
            (parsed.name.as_str(), parsed.tail, parsed.since),
            ("b", None, None)
        );
        assert!(parsed.follow);
        assert!(LogQuery::parse("name=a").unwrap().since.is_some());
        assert_eq!(LogQuery::parse("name=a&tail=3").unwrap().tail, Some(3));
        assert!(!LogQuery::parse("name=a&follow=yes").unwrap().follow);
        for (bad, field) in [
            ("", "name: "),
            ("name=a&tail=x", "tail: "),
            ("name=a&since=yesterday", "since: "),
        ] {
            let error = LogQuery::parse(bad).unwrap_err().to_string();
            assert!(error.starts_with(field), "{error}");
        }
    }

    #[tokio::test]
    async fn the_older_file_comes_first_and_filters_hold_over_both() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.ns.log");
        std::fs::write(folder.path().join("f.ns.log.1"), line(1, "i-1", "one two")).unwrap();
        let text = format!("{}{}torn", line(2, "i-2", ""), line(3, "i-1", "\u{e9}"));
        std::fs::write(&path, text).unwrap();
        assert_eq!(
            texts(&path, "name=f&tail=-1").await,
            ["one two", "", "\u{e9}"]
        );
        assert_eq!(texts(&path, "name=f&tail=2").await, ["", "\u{e9}"]);
        assert_eq!(
            texts(&path, "name=f&tail=9&instance=i-1").await,
            ["one two", "\u{e9}"]
        );
        let since = "name=f&since=2026-01-01T01:00:02%2B01:00";
        assert_eq!(texts(&path, since).await, ["", "\u{e9}"]);
        assert_eq!(texts(&path, "name=f").await, [""; 0]);
        assert_eq!(
            texts(&folder.path().join("none.log"), "name=f").await,
            [""; 0]
        );
    }

    #[tokio::test]
    async fn a_followed_log_goes_on_over_a_rotation_until_the_function_is_gone() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.ns.log");
        std::fs::write(&path, line(1, "i", "a")).unwrap();
        let alive = Arc::new(AtomicBool::new(true));
        let query = LogQuery::parse("name=f&tail=-1&follow=true").unwrap();
        let mut stream = query.open(source(path.clone(), Arc::clone(&alive))).body;
        let text = |chunk: Option<io::Result<Bytes>>| {
            String::from_utf8(chunk.unwrap().unwrap().to_vec()).unwrap()
        };
        assert!(text(stream.next().await).contains("\"a\""));
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap();
        file.write_all(line(2, "i", "b").as_bytes()).unwrap();
        assert!(text(stream.next().await).contains("\"b\""));
        file.write_all(line(3, "i", "c").as_bytes()).unwrap();
        std::fs::rename(&path, folder.path().join("f.ns.log.1")).unwrap();
        std::fs::write(&path, line(4, "i", "d")).unwrap();
        let mut rest = text(stream.next().await);
        while !rest.contains("\"d\"") {
            rest.push_str(&text(stream.next().await));
        }
        assert!(rest.find("\"c\"").unwrap() < rest.find("\"d\"").unwrap());
        alive.store(false, Ordering::Relaxed);
        assert!(stream.next().await.is_none());
    }
}
