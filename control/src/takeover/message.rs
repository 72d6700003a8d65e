//! What the two gateways say to each other: frames of a length and a JSON document; the first
//! answer carries descriptors.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::spawner::{HEADER_BYTES, frame, length};

/// The successor's words, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Ask {
    /// It wants to take over; answered by an [`Answer::Offer`].
    Begin {
        /// Of this protocol.
        protocol: u32,
        /// Its process.
        pid: u32,
    },
    /// It could serve now; answered by [`Answer::Go`].
    Prepared {
        /// Where its control plane listens.
        control: PathBuf,
    },
    /// It serves.
    Serving,
}

/// The incumbent's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// What it hands over; the descriptors come with it.
    Offer(Offer),
    /// It does not.
    Refused(String),
    /// It has let go of the queue.
    Go,
}

/// What is handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offer {
    /// Public address.
    pub(crate) listen: SocketAddr,
    /// Address of the metrics listener.
    pub(crate) metrics_listen: SocketAddr,
    /// Name of the driver: it decides how the sockets wait.
    pub(crate) driver: String,
    /// Whether the folder's lock comes first among the descriptors; then the metrics listener, then
    /// one listener per shard.
    pub(crate) lock: bool,
}

/// Sends a message without descriptors.
pub(super) fn send(mut to: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    to.write_all(&frame(message)?)
}

/// Sends a message and descriptors with its first byte.
pub(super) fn send_with(
    to: &UnixStream,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let bytes = frame(message)?;
    let mut space = vec![MaybeUninit::uninit(); SPACE];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many listeners"));
    }
    let sent = sendmsg(
        to,
        &[IoSlice::new(&bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    let mut to = to;
    to.write_all(bytes.get(sent..).unwrap_or_default())
}

/// Receives a message.
pub(super) fn receive<T: DeserializeOwned>(from: &UnixStream) -> io::Result<T> {
    receive_with(from).map(|(message, _)| message)
}

/// Receives a message and the descriptors that came with it.
pub(super) fn receive_with<T: DeserializeOwned>(
    mut from: &UnixStream,
) -> io::Result<(T, Vec<OwnedFd>)> {
    let mut header = [0; HEADER_BYTES];
    let mut space = vec![MaybeUninit::uninit(); SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(&mut header)];
    let received = recvmsg(from, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes;
    let descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors: Vec<OwnedFd> = descriptors.flatten().collect();
    if received == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    from.read_exact(&mut header[received..])?;
    let mut body = vec![0; length(header)?];
    from.read_exact(&mut body)?;
    Ok((serde_json::from_slice(&body)?, descriptors))
}

/// Changes when a word does.
pub(super) const PROTOCOL: u32 = 1;
/// Bytes of control data: room for the 253 descriptors the kernel passes at once (SCM_MAX_FD).
const SPACE: usize = rustix::cmsg_space!(ScmRights(253));

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn words_and_descriptors_arrive() {
        let (here, there) = UnixStream::pair().unwrap();
        let (mut a, b) = UnixStream::pair().unwrap();
        let offer = Answer::Offer(Offer {
            listen: "127.0.0.1:1".parse().unwrap(),
            metrics_listen: "127.0.0.1:2".parse().unwrap(),
            driver: "epoll".to_owned(),
            lock: true,
        });
        send_with(&here, &offer, &[b.as_fd(), b.as_fd()]).unwrap();
        send(&here, &Answer::Go).unwrap();
        drop((here, b));
        let (told, descriptors) = receive_with::<Answer>(&there).unwrap();
        assert_eq!((told, descriptors.len()), (offer, 2));
        assert_eq!(receive::<Answer>(&there).unwrap(), Answer::Go);
        assert!(receive::<Answer>(&there).is_err());
        let mut theirs = UnixStream::from(descriptors.into_iter().next().unwrap());
        a.write_all(b"x").unwrap();
        let mut byte = [0];
        theirs.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }
}
