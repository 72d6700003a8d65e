//! What gateway and spawner say to each other: frames of a length and a JSON document.
//!
//! The socket pair carries nothing else, and no descriptors.

use std::io;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What the gateway asks for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Start a process; answered by `Started` or `Refused`, and later by `Ended`.
    Start(Box<StartOrder>),
    /// Send a signal to a process and its group.
    Signal {
        /// Which process.
        id: u64,
        /// Which signal.
        kind: SignalKind,
    },
    /// Measure processes with all their descendants; answered by `Usage`.
    Usage {
        /// Comes back in the answer.
        ticket: u64,
        /// Which processes.
        ids: Vec<u64>,
    },
    /// Remove a function's log files.
    ForgetLog {
        /// Name of the log.
        log: String,
    },
}

/// A process to start.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StartOrder {
    /// Never used twice.
    pub(crate) id: u64,
    /// Program and arguments; with `ourselves` the program is this binary.
    pub(crate) words: Vec<String>,
    /// Whether to run this binary instead of `words[0]`.
    pub(crate) ourselves: bool,
    /// The whole environment.
    pub(crate) variables: Vec<(String, String)>,
    /// Working directory; `/` when absent.
    pub(crate) folder: Option<PathBuf>,
    /// Name of the log its output goes to.
    pub(crate) log: String,
    /// Stands in every line of the log.
    pub(crate) instance: String,
    /// Limit by cgroup.
    pub(crate) memory_bytes: Option<u64>,
    /// Limit by cgroup.
    pub(crate) cpu_millis: Option<u32>,
    /// Limit by `RLIMIT_DATA`.
    pub(crate) data_bytes: Option<u64>,
    /// Whether its root file system is read-only.
    pub(crate) read_only_root: bool,
    /// The folder it sees as [`SECRETS_FOLDER`].
    pub(crate) secrets: Option<PathBuf>,
}

/// Which signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SignalKind {
    /// SIGTERM to the process group.
    Terminate,
    /// SIGKILL to the process group.
    Kill,
}

/// What the spawner reports.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// It is at work; sent first.
    Hello(Abilities),
    /// The process runs.
    Started {
        /// Which process.
        id: u64,
    },
    /// The process could not be started.
    Refused {
        /// Which process.
        id: u64,
        /// Why.
        error: String,
    },
    /// The process ended, and what was left of its group was killed.
    Ended {
        /// Which process.
        id: u64,
        /// How.
        ending: Ending,
    },
    /// An answer to `Order::Usage`; processes that ended are left out.
    Usage {
        /// Of the question.
        ticket: u64,
        /// One per process.
        amounts: Vec<Amount>,
    },
}

/// What can be done on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Abilities {
    /// Functions live in a PID namespace and die with the spawner, whatever they did.
    pub(crate) pid_namespace: bool,
    /// Memory is limited by cgroups; otherwise by `RLIMIT_DATA`.
    pub(crate) memory_cgroup: bool,
    /// Cores are limited by cgroups; otherwise not at all.
    pub(crate) cpu_limit: bool,
    /// Mount namespaces are allowed.
    pub(crate) read_only_root: bool,
    /// A folder can be shown to a process as [`SECRETS_FOLDER`].
    pub(crate) secrets_mount: bool,
    /// What is missing and why, for the log.
    pub(crate) notes: Vec<String>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ending {
    /// It returned this status.
    Status(i32),
    /// It was ended by this signal.
    Signal(i32),
    /// Nobody knows: the spawner is gone.
    Lost,
}

/// What a process and its descendants use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Amount {
    /// Which process.
    pub(crate) id: u64,
    /// Processor time since it started.
    pub(crate) cpu_micros: u64,
    /// Resident memory now.
    pub(crate) memory_bytes: u64,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(code) => write!(f, "exit status {code}"),
            Self::Signal(number) => write!(f, "signal {number}"),
            Self::Lost => f.write_str("the spawner's end"),
        }
    }
}

/// A message with its length in front.
pub(crate) fn frame(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; HEADER_BYTES];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - HEADER_BYTES;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::other("the message is over its limit"));
    }
    let length = u32::try_from(length).map_err(io::Error::other)?;
    bytes[..HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// The length a header announces.
pub(crate) fn length(header: [u8; HEADER_BYTES]) -> io::Result<usize> {
    let length = u32::from_le_bytes(header) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::other("the message is over its limit"));
    }
    Ok(length)
}

/// Takes the first whole message out of `bytes`; `None` when there is none yet.
pub(crate) fn take<T: DeserializeOwned>(bytes: &mut Vec<u8>) -> io::Result<Option<T>> {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let end = HEADER_BYTES + length(*header)?;
    let Some(body) = bytes.get(HEADER_BYTES..end) else {
        return Ok(None);
    };
    let message = serde_json::from_slice(body)?;
    bytes.drain(..end);
    Ok(Some(message))
}

/// Where functions look for their secrets.
pub(crate) const SECRETS_FOLDER: &str = "/var/openfaas/secrets";
/// Bytes of the length in front of a message.
pub(crate) const HEADER_BYTES: usize = 4;
/// A deployment's body is at most 1 MiB; JSON escapes can make six bytes of one.
const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_at_every_split() {
        let order = Order::Signal {
            id: 7,
            kind: SignalKind::Terminate,
        };
        let bytes = frame(&order).unwrap();
        for split in 0..bytes.len() {
            let mut got = bytes[..split].to_vec();
            assert!(take::<Order>(&mut got).unwrap().is_none());
            got.extend(&bytes[split..]);
            got.push(1);
            let back = take::<Order>(&mut got).unwrap().unwrap();
            assert!(matches!(
                back,
                Order::Signal {
                    id: 7,
                    kind: SignalKind::Terminate
                }
            ));
            assert_eq!(got, [1]);
        }
    }

    #[test]
    fn a_length_over_the_limit_is_an_error() {
        assert!(take::<Order>(&mut u32::MAX.to_le_bytes().to_vec()).is_err());
    }
}
