//! What a watchdog is told on its command line.

use std::path::PathBuf;
use std::time::Duration;

/// In a watchdog's environment, and not in its function's: keeps the allocator from asking for
/// huge pages, of which a process this small wastes 6 MiB.
pub(crate) const SMALL_PAGES: (&str, &str) = ("MIMALLOC_ALLOW_THP", "0");

/// Settings of one watchdog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// Where it listens.
    pub(crate) socket: PathBuf,
    /// Most processes at once; 429 beyond.
    pub(crate) inflight_max: u32,
    /// Longest life of a process.
    pub(crate) exec_timeout: Option<Duration>,
    /// Longest stall of a request body.
    pub(crate) read_timeout: Option<Duration>,
    /// Longest stall of a reply.
    pub(crate) write_timeout: Option<Duration>,
    /// `Content-Type` of replies.
    pub(crate) content_type: String,
    /// `RLIMIT_DATA` of the processes.
    pub(crate) data_bytes: Option<u64>,
    /// Program and arguments; at least one word.
    pub(crate) words: Vec<String>,
}

impl Arguments {
    /// The command line that [`Self::parse`] understands.
    pub(crate) fn to_words(&self) -> Vec<String> {
        let millis = |d: Option<Duration>| d.map_or(0, |d| d.as_millis()).to_string();
        let mut words = vec![
            "ringway".to_owned(),
            "watchdog".to_owned(),
            self.socket.to_string_lossy().into_owned(),
            self.inflight_max.to_string(),
            millis(self.exec_timeout),
            millis(self.read_timeout),
            millis(self.write_timeout),
            self.data_bytes.unwrap_or(0).to_string(),
            self.content_type.clone(),
        ];
        words.extend(self.words.iter().cloned());
        words
    }

    /// Reads what follows `ringway watchdog`; `None` when it is not what the gateway writes.
    pub(crate) fn parse(words: &[String]) -> Option<Self> {
        let (fixed, command) = words.split_at_checked(7)?;
        let [socket, inflight, exec, read, write, data, content_type] = fixed else {
            return None;
        };
        let millis = |text: &String| -> Option<Option<Duration>> {
            let millis: u64 = text.parse().ok()?;
            Some((millis > 0).then(|| Duration::from_millis(millis)))
        };
        let data: u64 = data.parse().ok()?;
        command.first()?;
        Some(Self {
            socket: PathBuf::from(socket),
            inflight_max: inflight.parse().ok()?,
            exec_timeout: millis(exec)?,
            read_timeout: millis(read)?,
            write_timeout: millis(write)?,
            content_type: content_type.clone(),
            data_bytes: (data > 0).then_some(data),
            words: command.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let arguments = Arguments {
            socket: "/run/x.sock".into(),
            inflight_max: 7,
            exec_timeout: Some(Duration::from_millis(1_500)),
            read_timeout: None,
            write_timeout: Some(Duration::from_secs(1)),
            content_type: "text/plain; charset=utf-8".into(),
            data_bytes: Some(5),
            words: vec!["sh".into(), "-c".into(), "a b".into()],
        };
        let words = arguments.to_words();
        assert_eq!(Arguments::parse(&words[2..]), Some(arguments));
        assert_eq!(Arguments::parse(&words[3..]), None);
        assert_eq!(Arguments::parse(&[]), None);
    }
}
