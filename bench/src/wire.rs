//! Sockets and epoll, as the function server, the relay and the load generator use them.

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::str::FromStr;

use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::{
    self, AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt,
};
use rustix::time::{ClockId, clock_gettime};

/// Where something listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        let address = text.parse();
        address
            .map(Self::Tcp)
            .map_err(|_| format!("{text} is neither <address>:<port> nor unix:<path>"))
    }
}

/// A listening socket that does not block.
pub(crate) fn listen(place: &Place) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = match place {
        Place::Tcp(address) => {
            let family = family(address);
            let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
            sockopt::set_socket_reuseaddr(&socket, true)?;
            // Accepted sockets inherit it.
            sockopt::set_tcp_nodelay(&socket, true)?;
            net::bind(&socket, address)?;
            socket
        }
        Place::Unix(path) => {
            let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            let _ = std::fs::remove_file(path);
            net::bind(&socket, &SocketAddrUnix::new(path.as_path())?)?;
            socket
        }
    };
    net::listen(&socket, 4096)?;
    Ok(socket)
}

/// The next connection, if one waits.
pub(crate) fn accept(listener: &OwnedFd) -> rustix::io::Result<Option<OwnedFd>> {
    match net::accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
        Ok(socket) => Ok(Some(socket)),
        Err(Errno::AGAIN | Errno::CONNABORTED) => Ok(None),
        Err(e) => Err(e),
    }
}

/// A connection; connecting blocks, what follows does not.
pub(crate) fn connect(address: &SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = family(address);
    let socket = net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    net::connect(&socket, address)?;
    fcntl_setfl(&socket, fcntl_getfl(&socket)? | OFlags::NONBLOCK)?;
    Ok(socket)
}

fn family(address: &SocketAddr) -> AddressFamily {
    match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    }
}

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Bytes(usize),
    Nothing,
    End,
}

/// Reads what is there; an error of the socket is its end.
pub(crate) fn receive(socket: &OwnedFd, into: &mut [u8]) -> Got {
    loop {
        return match rustix::io::read(socket, &mut *into) {
            Ok(0) => Got::End,
            Ok(n) => Got::Bytes(n),
            Err(Errno::AGAIN) => Got::Nothing,
            Err(Errno::INTR) => continue,
            Err(_) => Got::End,
        };
    }
}

/// Sends what fits: how many bytes, or `None` when the socket is dead.
pub(crate) fn send(socket: &OwnedFd, bytes: &[u8]) -> Option<usize> {
    loop {
        return match net::send(socket, bytes, SendFlags::NOSIGNAL) {
            Ok(n) => Some(n),
            Err(Errno::AGAIN) => Some(0),
            Err(Errno::INTR) => continue,
            Err(_) => None,
        };
    }
}

/// What a socket is watched for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    pub(crate) reads: bool,
    pub(crate) writes: bool,
}

/// An epoll instance whose events carry descriptors.
pub(crate) struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poll {
    pub(crate) fn new() -> rustix::io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(EVENTS),
        })
    }

    /// Watches for bytes to read.
    pub(crate) fn add(&self, source: &impl AsFd) -> rustix::io::Result<()> {
        let data = EventData::new_u64(id(source));
        epoll::add(&self.epoll, source, data, EventFlags::IN)
    }

    /// Changes what is watched for.
    pub(crate) fn watch(&self, source: &impl AsFd, what: Watch) -> rustix::io::Result<()> {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, what.reads);
        flags.set(EventFlags::OUT, what.writes);
        epoll::modify(&self.epoll, source, EventData::new_u64(id(source)), flags)
    }

    /// Waits until something happens; the descriptors are in `ready`.
    pub(crate) fn wait(&mut self, ready: &mut Vec<RawFd>) -> rustix::io::Result<()> {
        ready.clear();
        self.events.clear();
        let spare = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, spare, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
        let descriptors = self.events.iter().map(|event| event.data.u64());
        ready.extend(descriptors.filter_map(|id| RawFd::try_from(id).ok()));
        Ok(())
    }
}

/// A descriptor as an index.
pub(crate) fn index(fd: RawFd) -> usize {
    usize::try_from(fd).unwrap_or(0)
}

fn id(source: &impl AsFd) -> u64 {
    u64::try_from(source.as_fd().as_raw_fd()).unwrap_or(0)
}

/// Nanoseconds of the monotonic clock, the same in every process.
pub(crate) fn nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Events taken from the kernel at once.
const EVENTS: usize = 256;
