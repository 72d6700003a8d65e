//! The gateway that takes over.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::at_socket;
use super::message::{Answer, Ask, Offer, PROTOCOL, receive, receive_with, send};

/// Why the place was not taken; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// Files or the socket.
    #[error("the gateway on {folder} did not hand over: {source}")]
    Io {
        /// The data folder.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The one that serves said no.
    #[error("the gateway on {folder} did not hand over: {why}")]
    Refused {
        /// The data folder.
        folder: PathBuf,
        /// Its reason.
        why: String,
    },
    /// It ended, or broke off.
    #[error("the gateway on {folder} {what}")]
    Broken {
        /// The data folder.
        folder: PathBuf,
        /// What became of it, and what to do.
        what: &'static str,
    },
    /// The settings contradict what is handed over.
    #[error(
        "the gateway that runs has {what} {theirs}, this one is to have {ours}; a takeover keeps it"
    )]
    Differs {
        /// Which setting.
        what: &'static str,
        /// Of the one that serves.
        theirs: String,
        /// Of this one.
        ours: String,
    },
}

/// What was handed over, and the way to whom it was handed over by.
pub(crate) struct Inheritance {
    /// How things are.
    pub(crate) offer: Offer,
    /// The data folder's lock, if the one that served had it.
    pub(crate) lock: Option<File>,
    /// The metrics listener.
    pub(crate) metrics: TcpListener,
    /// The public listeners, one per shard.
    pub(crate) listeners: Vec<TcpListener>,
    /// The rest of the conversation.
    pub(crate) successor: Successor,
}

/// The conversation, after the offer.
pub(crate) struct Successor {
    socket: UnixStream,
    folder: PathBuf,
}

impl Inheritance {
    /// Asks the gateway that uses `folder` for its place; `None` when there is none.
    ///
    /// # Errors
    /// It refused, or broke off.
    pub(crate) fn ask(folder: &Path) -> Result<Option<Self>, TakeoverError> {
        let failed = |source| failure(folder, source);
        let socket = match at_socket(folder, |path| UnixStream::connect(path)) {
            Ok(socket) => socket,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        socket.set_read_timeout(Some(ANSWER_WAIT)).map_err(failed)?;
        let begin = Ask::Begin {
            protocol: PROTOCOL,
            pid: std::process::id(),
        };
        send(&socket, &begin).map_err(failed)?;
        let (answer, descriptors) = receive_with(&socket).map_err(failed)?;
        let offer = match answer {
            Answer::Offer(offer) => offer,
            Answer::Refused(why) => {
                let folder = folder.to_owned();
                return Err(TakeoverError::Refused { folder, why });
            }
            Answer::Go => return Err(failed(io::ErrorKind::InvalidData.into())),
        };
        let mut descriptors = descriptors.into_iter();
        let lock = offer.lock.then(|| descriptors.next()).flatten();
        let Some(metrics) = descriptors.next() else {
            return Err(failed(io::ErrorKind::InvalidData.into()));
        };
        Ok(Some(Self {
            offer,
            lock: lock.map(File::from),
            metrics: metrics.into(),
            listeners: descriptors.map(TcpListener::from).collect(),
            successor: Successor {
                socket,
                folder: folder.to_owned(),
            },
        }))
    }

    /// Whether the settings agree with what is handed over.
    ///
    /// # Errors
    /// The first one that does not.
    pub(crate) fn agrees(
        &self,
        listen: SocketAddr,
        metrics_listen: SocketAddr,
        driver: Option<&str>,
    ) -> Result<(), TakeoverError> {
        let differs =
            |what, theirs: String, ours: String| Err(TakeoverError::Differs { what, theirs, ours });
        // A port of 0 asks for any, which the one at hand is.
        let same = |ours: SocketAddr, theirs: SocketAddr| {
            ours.ip() == theirs.ip() && [0, theirs.port()].contains(&ours.port())
        };
        let offer = &self.offer;
        if !same(listen, offer.listen) {
            return differs("listen", offer.listen.to_string(), listen.to_string());
        }
        if !same(metrics_listen, offer.metrics_listen) {
            let theirs = offer.metrics_listen.to_string();
            return differs("metrics_listen", theirs, metrics_listen.to_string());
        }
        match driver {
            Some(ours) if ours != offer.driver => {
                differs("driver", offer.driver.clone(), ours.to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl Successor {
    /// Says that this gateway could serve, and waits until the other one has let go.
    ///
    /// # Errors
    /// It broke off, and serves on.
    pub(crate) fn prepared(&self, control: PathBuf) -> Result<(), TakeoverError> {
        let failed = |source| failure(&self.folder, source);
        // It may have said why it hears no more.
        let sent = send(&self.socket, &Ask::Prepared { control });
        let answer = receive(&self.socket);
        match answer
            .or_else(|error| sent.and(Err(error)))
            .map_err(failed)?
        {
            Answer::Go => Ok(()),
            Answer::Refused(why) => Err(TakeoverError::Refused {
                folder: self.folder.clone(),
                why,
            }),
            Answer::Offer(_) => Err(failed(io::ErrorKind::InvalidData.into())),
        }
    }

    /// Says that this gateway serves.
    ///
    /// # Errors
    /// The other one is gone, which is no reason not to serve.
    pub(crate) fn serving(self) -> io::Result<()> {
        send(&self.socket, &Ask::Serving)
    }
}

/// What an error says of the one that serves, or served.
fn failure(folder: &Path, source: io::Error) -> TakeoverError {
    let folder = folder.to_owned();
    let ends = [
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::ConnectionReset,
    ];
    if !ends.contains(&source.kind()) {
        return TakeoverError::Io { folder, source };
    }
    let what = match at_socket(&folder, |path| UnixStream::connect(path)) {
        Err(error) if is_absence(&error) => ENDED,
        _ => BROKE_OFF,
    };
    TakeoverError::Broken { folder, what }
}

/// Nobody waits there.
fn is_absence(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused];
    kinds.contains(&error.kind())
}

const ENDED: &str = "ended before it had handed over; start without --takeover";
const BROKE_OFF: &str = "broke off the takeover and serves on; its log says why";
/// Longer than the incumbent waits for running asynchronous calls.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
