//! The function server: one thread, epoll, every function of every workload, and the few
//! documents of an OpenFaaS provider that Ringway asks for.
//!
//! The last segment of the path says what is done: `tiny`, `echo`, `big`, `chunked` (as `big`,
//! in chunks), `sse`. What stands before it does not matter, so that proxies may keep the path or
//! cut it.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use rustix::event::Timespec;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use crate::http::{BodyEnd, RequestHead, request_head};
use crate::wire::{self, Got, Place, Poll, Watch};

/// Bytes of the reply of `big` and `chunked`.
pub(crate) const BIG_BYTES: usize = 1024 * 1024;
/// Events of `sse` per stream and second.
pub(crate) const EVENTS_PER_SECOND: u64 = 10;
/// The read buffer, and the chunks of `chunked`.
const BUFFER_BYTES: usize = 256 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;
/// A stream's events come this many milliseconds after each other.
const EVENT_MILLIS: usize = 1_000 / EVENTS_PER_SECOND as usize;

/// What one connection is at.
struct Connection {
    socket: OwnedFd,
    /// Bytes of a head that is not complete, or of a body that is echoed.
    kept: Vec<u8>,
    stage: Stage,
    out: Option<Out>,
    closes: bool,
}

enum Stage {
    Head,
    Body { end: BodyEnd, then: Reply },
    Stream,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reply {
    Tiny,
    Echo,
    Big,
    Chunked,
    Events,
    Functions,
    NotFound,
}

/// A reply that did not fit the socket yet.
struct Out {
    bytes: Rc<Vec<u8>>,
    sent: usize,
    /// Room in the socket is waited for.
    waits: bool,
}

struct Server {
    poll: Poll,
    connections: Vec<Option<Connection>>,
    /// Streams by the millisecond in which they are due.
    streams: Vec<Vec<RawFd>>,
    streams_seen: usize,
    /// Fires every millisecond once there was a stream.
    tick: OwnedFd,
    /// The millisecond of the streams' turn that is next.
    due: usize,
    tiny: Rc<Vec<u8>>,
    big: Rc<Vec<u8>>,
    chunked: Rc<Vec<u8>>,
    functions: Rc<Vec<u8>>,
    not_found: Rc<Vec<u8>>,
}

/// Serves until killed; as a provider it lists so many functions, `f0`, `f1` and so on.
pub(crate) fn run(place: &Place, functions: usize) -> anyhow::Result<()> {
    let listener = wire::listen(place)?;
    let mut server = Server::new(functions)?;
    server.poll.add(&listener)?;
    server.poll.add(&server.tick)?;
    let mut ready = Vec::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        server.poll.wait(&mut ready)?;
        for &fd in &ready {
            if fd == listener.as_raw_fd() {
                server.accept(&listener)?;
            } else if fd == server.tick.as_raw_fd() {
                server.ticked();
            } else if server.step(fd, &mut buffer).is_none() {
                server.end(fd);
            }
        }
    }
}

impl Server {
    fn new(functions: usize) -> anyhow::Result<Self> {
        let rows: Vec<String> = (0..functions)
            .map(|i| {
                format!(
                    "{{\"name\":\"f{i}\",\"image\":\"bench\",\"namespace\":\"openfaas-fn\",\
                     \"envProcess\":\"bench\",\"replicas\":1,\"availableReplicas\":1,\
                     \"createdAt\":\"2026-01-01T00:00:00Z\"}}"
                )
            })
            .collect();
        let rows = format!("[{}]", rows.join(","));
        let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..BIG_BYTES / CHUNK_BYTES {
            chunked.extend_from_slice(format!("{CHUNK_BYTES:x}\r\n").as_bytes());
            chunked.extend_from_slice(&vec![b'x'; CHUNK_BYTES]);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        Ok(Self {
            poll: Poll::new()?,
            connections: Vec::new(),
            streams: vec![Vec::new(); EVENT_MILLIS],
            streams_seen: 0,
            tick: timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
            )?,
            due: 0,
            tiny: reply("200 OK", "text/plain", b"ok"),
            big: reply("200 OK", "application/octet-stream", &vec![b'x'; BIG_BYTES]),
            chunked: Rc::new(chunked),
            functions: reply("200 OK", "application/json", rows.as_bytes()),
            not_found: reply("404 Not Found", "text/plain", b""),
        })
    }

    fn accept(&mut self, listener: &OwnedFd) -> anyhow::Result<()> {
        while let Some(socket) = wire::accept(listener)? {
            self.poll.add(&socket)?;
            let at = wire::index(socket.as_raw_fd());
            if self.connections.len() <= at {
                self.connections.resize_with(at + 1, || None);
            }
            self.connections[at] = Some(Connection {
                socket,
                kept: Vec::new(),
                stage: Stage::Head,
                out: None,
                closes: false,
            });
        }
        Ok(())
    }

    fn end(&mut self, fd: RawFd) {
        let connection = self.connections[wire::index(fd)].take();
        if connection.is_some_and(|c| matches!(c.stage, Stage::Stream)) {
            for due in &mut self.streams {
                due.retain(|stream| *stream != fd);
            }
        }
    }

    /// One event of a connection; `None` ends it.
    fn step(&mut self, fd: RawFd, buffer: &mut [u8]) -> Option<()> {
        let connection = self.connections[wire::index(fd)].as_mut()?;
        if connection.out.is_some() {
            connection.flush(&self.poll)?;
            return Some(());
        }
        let mut input = match wire::receive(&connection.socket, buffer) {
            Got::Bytes(n) => &buffer[..n],
            Got::Nothing => return Some(()),
            Got::End => return None,
        };
        while !input.is_empty() {
            let connection = self.connections[wire::index(fd)].as_mut()?;
            let Some(then) = connection.read(&mut input)? else {
                continue;
            };
            self.answer(fd, then)?;
        }
        Some(())
    }

    /// The request is complete.
    fn answer(&mut self, fd: RawFd, reply: Reply) -> Option<()> {
        let connection = self.connections[wire::index(fd)].as_mut()?;
        let bytes = match reply {
            Reply::Tiny => Rc::clone(&self.tiny),
            Reply::Big => Rc::clone(&self.big),
            Reply::Chunked => Rc::clone(&self.chunked),
            Reply::Functions => Rc::clone(&self.functions),
            Reply::NotFound => Rc::clone(&self.not_found),
            Reply::Echo => {
                let bytes = self::reply("200 OK", "application/octet-stream", &connection.kept);
                connection.kept.clear();
                bytes
            }
            Reply::Events => {
                connection.stage = Stage::Stream;
                self.streams[self.streams_seen % EVENT_MILLIS].push(fd);
                self.streams_seen += 1;
                if self.streams_seen == 1 {
                    self.start_ticking()?;
                }
                let connection = self.connections[wire::index(fd)].as_mut()?;
                wire::send(&connection.socket, STREAM_HEAD)?;
                return Some(());
            }
        };
        connection.out = Some(Out {
            bytes,
            sent: 0,
            waits: false,
        });
        connection.flush(&self.poll)
    }

    fn ticked(&mut self) {
        let mut count = [0; 8];
        if rustix::io::read(&self.tick, &mut count).is_ok() {
            for _ in 0..u64::from_ne_bytes(count) {
                self.events(self.due);
                self.due = (self.due + 1) % EVENT_MILLIS;
            }
        }
    }

    fn start_ticking(&self) -> Option<()> {
        let every = Timespec {
            tv_sec: 0,
            tv_nsec: 1_000_000,
        };
        let timer = Itimerspec {
            it_interval: every,
            it_value: every,
        };
        timerfd_settime(&self.tick, TimerfdTimerFlags::empty(), &timer).ok()?;
        Some(())
    }

    /// Sends one event to every stream that is due in this millisecond of its turn.
    fn events(&self, due: usize) {
        for &fd in &self.streams[due] {
            if let Some(stream) = &self.connections[wire::index(fd)] {
                let event = format!("1c\r\ndata: {:020}\n\n\r\n", wire::nanos());
                // A stream that takes nothing loses the event; its end is noticed by a read.
                let _ = wire::send(&stream.socket, event.as_bytes());
            }
        }
    }
}

impl Connection {
    /// Takes what it can from the input; the reply that is due, if the request is complete.
    /// The outer `None` ends the connection.
    fn read(&mut self, input: &mut &[u8]) -> Option<Option<Reply>> {
        match &mut self.stage {
            Stage::Stream => {
                *input = &[];
                Some(None)
            }
            Stage::Head => {
                let bytes: &[u8] = if self.kept.is_empty() {
                    input
                } else {
                    self.kept.extend_from_slice(input);
                    self.kept.as_slice()
                };
                let Some(RequestHead {
                    length,
                    path,
                    end,
                    closes,
                }) = request_head(bytes).ok()?
                else {
                    if self.kept.is_empty() {
                        self.kept.extend_from_slice(input);
                    }
                    *input = &[];
                    return Some(None);
                };
                let then = Reply::of(path);
                self.closes = closes;
                // Of the head's bytes this many came earlier.
                let earlier = bytes.len() - input.len();
                *input = &input[length.saturating_sub(earlier)..];
                self.kept.clear();
                if end.is_done() {
                    return Some(Some(then));
                }
                self.stage = Stage::Body { end, then };
                Some(None)
            }
            Stage::Body { end, then } => {
                let then = *then;
                let kept = (then == Reply::Echo).then_some(&mut self.kept);
                let taken = end.take(input, kept)?;
                *input = &input[taken..];
                if !end.is_done() {
                    return Some(None);
                }
                self.stage = Stage::Head;
                Some(Some(then))
            }
        }
    }

    fn flush(&mut self, poll: &Poll) -> Option<()> {
        let Some(out) = &mut self.out else {
            return Some(());
        };
        let waited = out.waits;
        out.sent += wire::send(&self.socket, &out.bytes[out.sent..])?;
        let waits = out.sent < out.bytes.len();
        out.waits = waits;
        if waits != waited {
            let what = Watch {
                reads: !waits,
                writes: waits,
            };
            poll.watch(&self.socket, what).ok()?;
        }
        if !waits {
            self.out = None;
            if self.closes {
                return None;
            }
        }
        Some(())
    }
}

impl Reply {
    fn of(path: &str) -> Self {
        let path = path.split('?').next().unwrap_or_default();
        match path.rsplit('/').next().unwrap_or_default() {
            "tiny" | "readyz" | "healthz" => Self::Tiny,
            "echo" => Self::Echo,
            "big" => Self::Big,
            "chunked" => Self::Chunked,
            "sse" => Self::Events,
            "functions" => Self::Functions,
            _ => Self::NotFound,
        }
    }
}

fn reply(status: &str, content_type: &str, body: &[u8]) -> Rc<Vec<u8>> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    Rc::new([head.as_bytes(), body].concat())
}

const STREAM_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
