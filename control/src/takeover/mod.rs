//! One gateway takes the place of another on the same data folder, and no call is lost.
//!
//! The one that serves (the [`Incumbent`]) waits for a successor at a Unix socket in the data
//! folder. The [`Successor`] is handed the listening sockets and the folder's lock, starts its
//! functions, and says when it is prepared; the incumbent then lets go of the queue, the successor
//! accepts, and the incumbent finishes its calls and ends. Until the successor serves, the
//! incumbent does, and it goes on should the successor fail. Asked to end meanwhile, it first lets the
//! successor come ([`Progress`]). There is one successor at a time.
//!
//! The listening sockets are the same ones (not others on the same port), so that a connection that
//! waits to be accepted is accepted by either.

mod incumbent;
mod message;
mod progress;
mod successor;

pub(crate) use incumbent::{Hand, Incumbent};
pub(crate) use message::Offer;
pub(crate) use progress::{Progress, Stage};
pub use successor::TakeoverError;
pub(crate) use successor::{Inheritance, Successor};

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Calls `with` with a path of the socket in `folder` that is short however long the folder's is:
/// an address holds 107 bytes.
fn at_socket<T>(folder: &Path, with: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let folder = File::open(folder)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()));
    with(&path)
}

const SOCKET: &str = "takeover";
