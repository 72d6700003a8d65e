//! The gateway that serves, and hands its place to a successor.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::at_socket;
use super::message::{Answer, Ask, Offer, PROTOCOL, receive, send, send_with};
use super::progress::Progress;
use crate::supervise::caught;

/// What the gateway does at each step; called on threads of the incumbent, one step at a time.
pub(crate) trait Hand: Send + Sync + 'static {
    /// What is handed over, in the order that [`Offer::lock`] tells.
    ///
    /// # Errors
    /// A text for the successor: there is nothing to hand over now.
    fn offer(&self) -> Result<(Offer, Vec<OwnedFd>), String>;

    /// From here on nothing may be changed: the successor reads what is stored.
    fn freeze(&self);

    /// The successor failed: everything is as before.
    fn thaw(&self);

    /// Lets go of the queue.
    fn let_go(&self);

    /// The successor, a process of this number, serves.
    fn over(&self, pid: u32);
}

/// Waits for a successor at the data folder.
pub(crate) struct Incumbent {
    listener: UnixListener,
    /// The socket of this gateway's control plane: what still comes there is the successor's.
    control: PathBuf,
    /// How far it is, for those who want to know.
    progress: Arc<Progress>,
}

impl Incumbent {
    /// Binds the socket. The caller has the folder's lock, so that whoever bound it before is gone
    /// or has handed over.
    ///
    /// # Errors
    /// Files or sockets.
    pub(crate) fn bind(
        folder: &Path,
        control: PathBuf,
        progress: Arc<Progress>,
    ) -> io::Result<Self> {
        let listener = at_socket(folder, |path| {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(path)?;
            fs::set_permissions(path, Permissions::from_mode(0o600))?;
            Ok(listener)
        })?;
        Ok(Self {
            listener,
            control,
            progress,
        })
    }

    /// Serves successors, one after the other; whoever asks meanwhile hears of it.
    pub(crate) fn start(self, hand: impl Hand) -> io::Result<()> {
        let (incumbent, hand) = (Arc::new(self), Arc::new(hand));
        let thread = std::thread::Builder::new().name("takeover".to_owned());
        thread.spawn(move || {
            for asked in incumbent.listener.incoming() {
                let Ok(asked) = asked else {
                    // Out of descriptors, most likely.
                    std::thread::sleep(PAUSE);
                    continue;
                };
                let (incumbent, hand) = (Arc::clone(&incumbent), Arc::clone(&hand));
                let met = caught("takeover", || incumbent.meet(asked, &hand));
                if let Some(Err(error)) = met {
                    tracing::warn!("another gateway did not take over: {error}");
                }
            }
        })?;
        Ok(())
    }

    /// Hears what is wanted. A takeover goes on in a thread of its own.
    fn meet<H: Hand>(self: Arc<Self>, asked: UnixStream, hand: &Arc<H>) -> io::Result<()> {
        asked.set_read_timeout(Some(GREETING_WAIT))?;
        let pid = match receive(&asked)? {
            Ask::Begin { protocol, pid } if protocol == PROTOCOL => pid,
            Ask::Begin { protocol, .. } => {
                let why = format!("it speaks protocol {PROTOCOL}, this one speaks {protocol}");
                return refuse(&asked, why);
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        if let Err(why) = self.progress.begin(pid) {
            return refuse(&asked, why);
        }
        let (incumbent, hand) = (Arc::clone(&self), Arc::clone(hand));
        let thread = std::thread::Builder::new().name("takeover".to_owned());
        let started = thread.spawn(move || incumbent.converse(&asked, pid, &*hand));
        started.map(drop).inspect_err(|_| self.progress.broke_off())
    }

    /// One takeover, from the offer to its end.
    fn converse(&self, asked: &UnixStream, pid: u32, hand: &impl Hand) {
        let done = caught("takeover", || {
            let (offer, descriptors) = hand.offer().map_err(io::Error::other)?;
            hand.freeze();
            self.hand_over(asked, hand, &offer, &descriptors)
        });
        let why = match done {
            Some(Ok(())) => {
                caught("takeover", || hand.over(pid));
                return self.progress.over();
            }
            Some(Err(error)) => told(&error),
            None => "it panicked; its log says more".to_owned(),
        };
        tracing::warn!(pid, "a takeover was broken off: {why}");
        // Gone, in most cases.
        let _ = send(asked, &Answer::Refused(why));
        caught("takeover", || hand.thaw());
        self.progress.broke_off();
    }

    fn hand_over(
        &self,
        asked: &UnixStream,
        hand: &impl Hand,
        offer: &Offer,
        descriptors: &[OwnedFd],
    ) -> io::Result<()> {
        let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        send_with(asked, &Answer::Offer(offer.clone()), &borrowed)?;
        // Functions take their time to start.
        asked.set_read_timeout(Some(PREPARATION_WAIT))?;
        let Ask::Prepared { control } = receive(asked)? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        hand.let_go();
        send(asked, &Answer::Go)?;
        let Ask::Serving = receive(asked)? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        if let Err(error) = redirect(&self.control, &control) {
            // What still comes here is then answered here: reading is right for a while.
            tracing::warn!(%error, "the control plane's socket was not handed on");
        }
        Ok(())
    }
}

/// What an error says of the successor.
fn told(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset => "the successor ended before it served".to_owned(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("the successor said nothing for {PREPARATION_WAIT:?}")
        }
        _ => error.to_string(),
    }
}

fn refuse(asked: &UnixStream, why: String) -> io::Result<()> {
    let told = send(asked, &Answer::Refused(why.clone()));
    told.and_then(|()| Err(io::Error::other(why)))
}

/// Whoever connects to `from` from here on reaches `to`, without a moment between.
fn redirect(from: &Path, to: &Path) -> io::Result<()> {
    let beside = from.with_extension("next");
    symlink(to, &beside)?;
    fs::rename(&beside, from)
}

const PAUSE: Duration = Duration::from_secs(1);
const GREETING_WAIT: Duration = Duration::from_secs(5);
/// More than a successor waits for its functions.
const PREPARATION_WAIT: Duration = Duration::from_secs(120);
