//! Log files of functions: one line, one instant, one instance; bounded on disk.
//!
//! A file is `<function>.<namespace>.log`; at [`LOG_BYTES_MAX`] it becomes `….log.1`, so that a
//! function keeps at most twice that much.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant, SystemTime};

use crate::rfc3339;

/// The folder of log files.
pub(super) struct Logs {
    folder: PathBuf,
    /// Files some pipe writes to now.
    open: HashMap<String, Weak<RefCell<LogFile>>>,
}

/// One function's log.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    /// Whole lines that are not in the file yet, `pending.len() <= PENDING_BYTES_MAX` and a line.
    pending: Vec<u8>,
    /// Whether the file still has its name; a forgotten log must not touch its successor.
    named: bool,
}

/// A log with several writers in this one thread.
pub(super) type SharedLog = Rc<RefCell<LogFile>>;

/// A replica's output on its way into the log.
pub(super) struct LogPipe {
    /// Whose output it is.
    pub(super) id: u64,
    pub(super) pipe: File,
    log: SharedLog,
    instance: String,
    /// A line that has not ended, `len <= LINE_BYTES_MAX`.
    line: Vec<u8>,
    /// When something was read last.
    read_at: Instant,
    /// Instant and instance, in front of each line of one reading.
    stamp: Vec<u8>,
}

/// What came of reading a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PipeState {
    /// More may come.
    Open,
    /// Every writer has closed it.
    Ended,
}

impl Logs {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            open: HashMap::new(),
        }
    }

    /// The log of a function, opened for appending. One that cannot be opened (a full disk, a
    /// folder that is not ours) must not stop the function: its lines are lost, and that is said.
    ///
    /// # Errors
    /// There is not even a `/dev/null`.
    pub(super) fn open(&mut self, log: &str) -> io::Result<SharedLog> {
        if let Some(file) = self.open.get(log).and_then(Weak::upgrade) {
            return Ok(file);
        }
        self.open.retain(|_, file| file.strong_count() > 0);
        let path = self.path(log);
        let file = LogFile::open(path.clone()).or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "no log is kept of this replica");
            LogFile::nowhere()
        })?;
        let file = Rc::new(RefCell::new(file));
        self.open.insert(log.to_owned(), Rc::downgrade(&file));
        Ok(file)
    }

    /// Removes a log. Pipes that still write to it write to a file without a name.
    pub(super) fn forget(&mut self, log: &str) {
        if let Some(file) = self.open.remove(log).and_then(|file| file.upgrade()) {
            file.borrow_mut().named = false;
        }
        let path = self.path(log);
        // Missing files are what is wanted.
        let _ = fs::remove_file(rotated(&path));
        let _ = fs::remove_file(path);
    }

    fn path(&self, log: &str) -> PathBuf {
        // Names are DNS labels, so they cannot leave the folder.
        self.folder.join(format!("{log}.log"))
    }
}

impl LogFile {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = append_to(&path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path,
            file,
            size,
            pending: Vec::new(),
            named: true,
        })
    }

    /// A log that keeps nothing.
    fn nowhere() -> io::Result<Self> {
        let path = PathBuf::from("/dev/null");
        Ok(Self {
            file: OpenOptions::new().write(true).open(&path)?,
            path,
            size: 0,
            pending: Vec::new(),
            named: false,
        })
    }

    /// Appends one line now.
    pub(super) fn write(&mut self, instance: &str, text: &[u8]) {
        self.add(&stamp(instance), text);
        self.commit();
    }

    /// Appends one line at the next [`LogFile::commit`].
    fn add(&mut self, stamp: &[u8], text: &[u8]) {
        self.pending.extend_from_slice(stamp);
        self.pending.extend_from_slice(text);
        self.pending.push(b'\n');
        if self.pending.len() > PENDING_BYTES_MAX {
            self.commit();
        }
    }

    /// Writes what was added, in one call. What cannot be written is lost: a full disk must not
    /// stop functions.
    fn commit(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let bytes = self.pending.len() as u64;
        if self.size + bytes > LOG_BYTES_MAX {
            self.rotate();
        }
        if self.file.write_all(&self.pending).is_ok() {
            self.size += bytes;
        }
        self.pending.clear();
        self.pending.shrink_to(PENDING_BYTES_KEPT);
    }

    fn rotate(&mut self) {
        let aside = self.named && fs::rename(&self.path, rotated(&self.path)).is_ok();
        if let (true, Ok(file)) = (aside, append_to(&self.path)) {
            self.file = file;
        } else {
            // Bounded even where it cannot be put aside.
            let _ = self.file.set_len(0);
        }
        self.size = 0;
    }
}

impl LogPipe {
    pub(super) fn new(id: u64, pipe: File, log: SharedLog, instance: String) -> Self {
        Self {
            id,
            pipe,
            log,
            instance,
            line: Vec::new(),
            read_at: Instant::now(),
            stamp: Vec::new(),
        }
    }

    /// Reads what is there, at most [`READS_MAX`] times so that one function cannot hold up the
    /// others, and logs every whole line.
    pub(super) fn read(&mut self) -> PipeState {
        // One instant for all lines of a reading: a function that prints a line per microsecond
        // must not cost the others a clock and a write for each.
        self.stamp = stamp(&self.instance);
        self.read_at = Instant::now();
        let state = self.read_some();
        self.log.borrow_mut().commit();
        state
    }

    fn read_some(&mut self) -> PipeState {
        let mut bytes = [0; 16 * 1024];
        for _ in 0..READS_MAX {
            match self.pipe.read(&mut bytes) {
                Ok(0) => {
                    self.end_unended();
                    return PipeState::Ended;
                }
                Ok(count) => self.take(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return PipeState::Ended,
            }
        }
        PipeState::Open
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while let Some(at) = memchr_line_end(bytes) {
            self.append(&bytes[..at]);
            self.end_line();
            bytes = &bytes[at + 1..];
        }
        self.append(bytes);
    }

    fn append(&mut self, mut bytes: &[u8]) {
        while self.line.len() + bytes.len() > LINE_BYTES_MAX {
            let (now, later) = bytes.split_at(LINE_BYTES_MAX - self.line.len());
            self.line.extend_from_slice(now);
            self.end_line();
            bytes = later;
        }
        self.line.extend_from_slice(bytes);
    }

    fn end_line(&mut self) {
        let text = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        self.log.borrow_mut().add(&self.stamp, text);
        self.line.clear();
    }

    fn end_unended(&mut self) {
        if !self.line.is_empty() {
            self.end_line();
        }
    }

    /// Whether there is a line that has not ended.
    pub(super) fn waits_for_line_end(&self) -> bool {
        !self.line.is_empty()
    }

    /// Logs the line that has not ended when nothing came behind it for a while: the last words
    /// of a process need no line end, and another process may go on in the same pipe.
    pub(super) fn flush_quiet(&mut self) {
        if self.read_at.elapsed() >= QUIET {
            self.flush();
        }
    }

    /// Logs the line that has not ended.
    pub(super) fn flush(&mut self) {
        self.end_unended();
        self.log.borrow_mut().commit();
    }
}

/// What stands in front of a line: the instant and the instance.
fn stamp(instance: &str) -> Vec<u8> {
    format!("{} {instance} ", rfc3339::nanos(SystemTime::now())).into_bytes()
}

fn memchr_line_end(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|b| *b == b'\n')
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

fn rotated(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

/// Size at which a log file is put aside.
pub(super) const LOG_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Longer lines are cut into several.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Lines that wait for one write; more are written in several.
const PENDING_BYTES_MAX: usize = 1024 * 1024;
/// Memory that a log keeps for the next lines.
const PENDING_BYTES_KEPT: usize = 64 * 1024;
/// Silence after which a line is taken to have ended.
const QUIET: Duration = Duration::from_millis(200);
/// Reads of one pipe before orders and the other pipes have their turn.
const READS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(folder: &Path, name: &str) -> Vec<String> {
        let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
        let texts = text
            .lines()
            .map(|l| l.splitn(3, ' ').skip(1).collect::<Vec<_>>().join(" "));
        texts.collect()
    }

    fn pipe_of(folder: &Path, logs: &mut Logs, bytes: &[u8]) -> LogPipe {
        let source = folder.join("source");
        fs::write(&source, bytes).unwrap();
        LogPipe::new(
            1,
            File::open(source).unwrap(),
            logs.open("a.b").unwrap(),
            "a-1".into(),
        )
    }

    #[test]
    fn lines_carry_their_instance() {
        let folder = tempfile::tempdir().unwrap();
        let mut logs = Logs::new(folder.path().to_owned());
        let mut pipe = pipe_of(folder.path(), &mut logs, b"one\r\n\ntwo\nrest");
        assert_eq!(pipe.read(), PipeState::Ended);
        logs.open("a.b")
            .unwrap()
            .borrow_mut()
            .write("a-1", b"ended");
        assert_eq!(
            lines(folder.path(), "a.b.log"),
            ["a-1 one", "a-1 ", "a-1 two", "a-1 rest", "a-1 ended"]
        );
        let text = fs::read_to_string(folder.path().join("a.b.log")).unwrap();
        let instant = text.split(' ').next().unwrap();
        assert!(rfc3339::parse(instant).is_some(), "{instant}");
    }

    #[test]
    fn long_lines_are_cut_at_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let mut logs = Logs::new(folder.path().to_owned());
        for (length, expected) in [(LINE_BYTES_MAX, 1), (LINE_BYTES_MAX + 1, 2)] {
            logs.forget("a.b");
            let mut text = vec![b'x'; length];
            text.push(b'\n');
            let mut pipe = pipe_of(folder.path(), &mut logs, &text);
            while pipe.read() == PipeState::Open {}
            assert_eq!(lines(folder.path(), "a.b.log").len(), expected);
        }
    }

    #[test]
    fn many_short_lines_are_written_together_and_kept_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut logs = Logs::new(folder.path().to_owned());
        let text: String = (0..20_000).map(|i| format!("{i}\n")).collect();
        let mut pipe = pipe_of(folder.path(), &mut logs, text.as_bytes());
        while pipe.read() == PipeState::Open {}
        let kept = lines(folder.path(), "a.b.log");
        assert_eq!(kept.len(), 20_000);
        assert!(
            (0..)
                .zip(&kept)
                .all(|(i, line)| *line == format!("a-1 {i}"))
        );
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_done_without() {
        let folder = tempfile::tempdir().unwrap();
        let mut logs = Logs::new(folder.path().join("is not there"));
        logs.open("a.b").unwrap().borrow_mut().write("a-1", b"lost");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn files_are_bounded_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let mut logs = Logs::new(folder.path().to_owned());
        let log = logs.open("a.b").unwrap();
        let text = vec![b'x'; 60_000];
        for _ in 0..400 {
            log.borrow_mut().write("a-1", &text);
        }
        let size = |name: &str| fs::metadata(folder.path().join(name)).map_or(0, |m| m.len());
        assert!(size("a.b.log") <= LOG_BYTES_MAX && size("a.b.log") > 0);
        assert!(size("a.b.log.1") <= LOG_BYTES_MAX && size("a.b.log.1") > LOG_BYTES_MAX / 2);
        logs.forget("a.b");
        log.borrow_mut().write("a-1", b"into nowhere");
        assert_eq!(size("a.b.log") + size("a.b.log.1"), 0);
    }
}
