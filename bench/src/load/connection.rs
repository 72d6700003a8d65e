//! One client connection: sends a request, reads its reply to the end.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::request::Request;
use crate::http::{BodyEnd, reply_head};
use crate::wire::{self, Got};

/// A connection and where its exchange stands.
pub(crate) struct Connection {
    pub(crate) socket: OwnedFd,
    /// When the present request was due.
    pub(crate) began: u64,
    /// Which request of the mix it is; `None` between requests.
    pub(crate) request: Option<u32>,
    pub(crate) sent: usize,
    /// Room to write is waited for.
    pub(crate) writes: bool,
    /// Bytes of a reply's head that is not complete.
    head: Vec<u8>,
    body: Option<BodyEnd>,
    status: u16,
}

/// Where an exchange stands after a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Waits,
    /// With 200, or with anything else.
    Answered {
        ok: bool,
    },
    Broken,
}

impl Connection {
    pub(crate) fn open(address: &SocketAddr) -> rustix::io::Result<Self> {
        Ok(Self {
            socket: wire::connect(address)?,
            began: 0,
            request: None,
            sent: 0,
            writes: false,
            head: Vec::new(),
            body: None,
            status: 0,
        })
    }

    /// Sends what fits; whether all is sent. `None` when the connection is dead.
    pub(crate) fn send(&mut self, request: &Request) -> Option<bool> {
        loop {
            let rest = request.after(self.sent);
            if rest.is_empty() {
                return Some(true);
            }
            let sent = wire::send(&self.socket, rest)?;
            self.sent += sent;
            if sent < rest.len() {
                return Some(false);
            }
        }
    }

    /// Reads what is there.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Progress {
        let input = match wire::receive(&self.socket, buffer) {
            Got::Bytes(n) => &buffer[..n],
            Got::Nothing => return Progress::Waits,
            Got::End => return Progress::Broken,
        };
        self.read(input).unwrap_or(Progress::Broken)
    }

    fn read(&mut self, input: &[u8]) -> Option<Progress> {
        self.request?;
        let body = match self.body {
            Some(mut body) => {
                body.take(input, None)?;
                body
            }
            None => {
                let kept = !self.head.is_empty();
                if kept {
                    self.head.extend_from_slice(input);
                }
                let bytes = if kept { &self.head } else { input };
                let Some(head) = reply_head(bytes).ok()? else {
                    if !kept {
                        self.head.extend_from_slice(input);
                    }
                    return Some(Progress::Waits);
                };
                self.status = head.status;
                let mut body = head.end;
                body.take(&bytes[head.length..], None)?;
                self.head.clear();
                body
            }
        };
        if body.is_done() {
            self.body = None;
            self.request = None;
            return Some(Progress::Answered {
                ok: self.status == 200,
            });
        }
        self.body = Some(body);
        Some(Progress::Waits)
    }
}

/// One GET by a connection of its own; the body, if the answer is 200.
pub(crate) fn get_text(address: &SocketAddr, path: &str) -> anyhow::Result<String> {
    let request = Request::get_once(path);
    let socket = wire::connect(address).with_context(|| format!("connecting to {address}"))?;
    wire::send(&socket, request.after(0)).context("sending a request")?;
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match wire::receive(&socket, &mut buffer) {
            Got::Bytes(n) => bytes.extend_from_slice(&buffer[..n]),
            Got::Nothing if Instant::now() > deadline => bail!("no answer in 5 s"),
            Got::Nothing => std::thread::sleep(Duration::from_micros(100)),
            Got::End => bail!("the connection ended early"),
        }
        let Some(head) = reply_head(&bytes)? else {
            continue;
        };
        let (mut end, mut content) = (head.end, Vec::new());
        end.take(&bytes[head.length..], Some(&mut content))
            .context("a body that is no body")?;
        if head.status != 200 {
            bail!("{path} answers {}", head.status);
        }
        if end.is_done() {
            return Ok(String::from_utf8_lossy(&content).into_owned());
        }
    }
}
