//! The gateway that serves, and hands its place to a successor.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::at_socket;
use super::message::{Answer, Ask, Offer, PROTOCOL, receive, send, send_with};

/// What the gateway does at each step; called on the incumbent's own thread.
pub(crate) trait Hand: Send + 'static {
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

    /// The successor, a process of this number, serves: this gateway's part is to finish.
    fn over(&self, pid: u32);
}

/// Waits for a successor at the data folder.
pub(crate) struct Incumbent {
    listener: UnixListener,
    /// The socket of this gateway's control plane: what still comes there is the successor's.
    control: PathBuf,
}

impl Incumbent {
    /// Binds the socket. The caller has the folder's lock, so that whoever bound it before is gone
    /// or has handed over.
    ///
    /// # Errors
    /// Files or sockets.
    pub(crate) fn bind(folder: &Path, control: PathBuf) -> io::Result<Self> {
        let listener = at_socket(folder, |path| {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(path)?;
            fs::set_permissions(path, Permissions::from_mode(0o600))?;
            Ok(listener)
        })?;
        Ok(Self { listener, control })
    }

    /// Serves successors, one after the other, until one has taken over.
    pub(crate) fn start(self, hand: impl Hand) -> io::Result<()> {
        let thread = std::thread::Builder::new().name("takeover".to_owned());
        thread.spawn(move || {
            for asked in self.listener.incoming() {
                let Ok(asked) = asked else {
                    // Out of descriptors, most likely.
                    std::thread::sleep(PAUSE);
                    continue;
                };
                match self.converse(&asked, &hand) {
                    Ok(()) => return,
                    Err(error) => {
                        tracing::warn!(
                            "a takeover was broken off, this gateway serves on: {error}"
                        );
                    }
                }
            }
        })?;
        Ok(())
    }

    fn converse(&self, asked: &UnixStream, hand: &impl Hand) -> io::Result<()> {
        asked.set_read_timeout(Some(GREETING_WAIT))?;
        let pid = match receive(asked)? {
            Ask::Begin { protocol, pid } if protocol == PROTOCOL => pid,
            Ask::Begin { protocol, .. } => {
                let why = format!("it speaks protocol {PROTOCOL}, this one speaks {protocol}");
                return refuse(asked, why);
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let (offer, descriptors) = match hand.offer() {
            Ok(offered) => offered,
            Err(why) => return refuse(asked, why),
        };
        hand.freeze();
        let done = self.hand_over(asked, hand, &offer, &descriptors);
        match done {
            Ok(()) => hand.over(pid),
            Err(_) => hand.thaw(),
        }
        done
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
