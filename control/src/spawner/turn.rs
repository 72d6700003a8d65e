//! The spawner's loop: orders, ended children and log lines, whichever comes first.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::logs::{LogPipe, Logs, PipeState};
use super::protocol::{Abilities, Order, Report, StartOrder, frame, take};
use super::replica::{Ended, Replicas};
use super::usage;

/// Everything the loop works on.
struct Spawner {
    replicas: Replicas,
    logs: Logs,
    /// Output of replicas, and of those that ended while something still holds the pipe.
    pipes: Vec<LogPipe>,
    /// Orders that have not arrived whole.
    received: Vec<u8>,
}

/// Serves until the gateway closes the socket on standard input, then kills everything.
pub(super) fn serve(
    replicas: Replicas,
    logs: &Path,
    abilities: &Abilities,
    signals: &OwnedFd,
) -> io::Result<()> {
    let socket = File::from(rustix::io::fcntl_dupfd_cloexec(io::stdin().as_fd(), 3)?);
    let mut spawner = Spawner {
        replicas,
        logs: Logs::new(logs.to_owned()),
        pipes: Vec::new(),
        received: Vec::new(),
    };
    let result = report(&socket, &Report::Hello(abilities.clone()));
    let result = result.and_then(|()| spawner.serve(&socket, signals));
    spawner.replicas.kill_all();
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

impl Spawner {
    fn serve(&mut self, socket: &File, signals: &OwnedFd) -> io::Result<()> {
        loop {
            let ready = self.wait(socket.as_fd(), signals.as_fd())?;
            if ready.signals {
                drain(signals)?;
                self.report_ended(socket)?;
            }
            // Logs after orders: a deploy does not wait for what others print. Pipes that an
            // order added stand behind the others, and are read at the next turn.
            if ready.socket && !self.read_orders(socket)? {
                return Ok(());
            }
            self.read_logs(&ready.pipes);
        }
    }

    fn wait(&self, socket: BorrowedFd<'_>, signals: BorrowedFd<'_>) -> io::Result<Ready> {
        let watched = [socket, signals].into_iter();
        let watched = watched.chain(self.pipes.iter().map(|p| p.pipe.as_fd()));
        let mut fds: Vec<PollFd<'_>> = watched
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        // A line that has not ended is looked at again when it stays so.
        let unended = self.pipes.iter().any(LogPipe::waits_for_line_end);
        let timeout = unended.then_some(&LOOK);
        while let Err(error) = poll(&mut fds, timeout) {
            if error != rustix::io::Errno::INTR {
                return Err(error.into());
            }
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        Ok(Ready {
            socket: ready.next().unwrap_or(false),
            signals: ready.next().unwrap_or(false),
            pipes: ready.collect(),
        })
    }

    /// Logs what the pipes hold and drops those that ended.
    fn read_logs(&mut self, ready: &[bool]) {
        let mut ready = ready.iter();
        self.pipes.retain_mut(|pipe| {
            let readable = ready.next().copied().unwrap_or(false);
            if !readable {
                pipe.flush_quiet();
            }
            !readable || pipe.read() == PipeState::Open
        });
    }

    fn report_ended(&mut self, socket: &File) -> io::Result<()> {
        for ended in self.replicas.reap() {
            let Ended {
                id,
                ending,
                instance,
                log,
            } = ended;
            // The last words come before the end, in the log as in life.
            if let Some(pipe) = self.pipes.iter_mut().find(|p| p.id == id) {
                let _ = pipe.read();
                pipe.flush();
            }
            let text = format!("[ringway] ended: {ending}");
            log.borrow_mut().write(&instance, text.as_bytes());
            report(socket, &Report::Ended { id, ending })?;
        }
        Ok(())
    }

    /// Obeys every order that has arrived; false at the end of the socket.
    fn read_orders(&mut self, mut socket: &File) -> io::Result<bool> {
        let mut bytes = [0; 64 * 1024];
        let count = match socket.read(&mut bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(false),
            Err(error) => return Err(error),
        };
        self.received.extend_from_slice(&bytes[..count]);
        while let Some(order) = take(&mut self.received)? {
            self.obey(socket, order)?;
        }
        Ok(count > 0)
    }

    fn obey(&mut self, socket: &File, order: Order) -> io::Result<()> {
        match order {
            Order::Start(order) => self.start(socket, &order),
            Order::Signal { id, kind } => {
                self.replicas.signal(id, kind);
                Ok(())
            }
            Order::Usage { ticket, ids } => {
                let amounts = usage::measure(&self.replicas.pids(&ids));
                report(socket, &Report::Usage { ticket, amounts })
            }
            Order::ForgetLog { log } => {
                self.logs.forget(&log);
                Ok(())
            }
        }
    }

    fn start(&mut self, socket: &File, order: &StartOrder) -> io::Result<()> {
        let id = order.id;
        match self.replicas.start(order, &mut self.logs) {
            Ok(pipe) => {
                self.pipes.push(pipe);
                report(socket, &Report::Started { id })
            }
            Err(error) => {
                let error = format!("{}: {error}", order.words.first().map_or("", |w| w));
                report(socket, &Report::Refused { id, error })
            }
        }
    }
}

/// How soon an unended line is looked at again.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

fn report(mut socket: &File, report: &Report) -> io::Result<()> {
    socket.write_all(&frame(report)?)
}

/// What can be read now.
struct Ready {
    socket: bool,
    signals: bool,
    /// In the order of `Spawner::pipes`.
    pipes: Vec<bool>,
}

/// Takes every pending signal; which ones they were does not matter, since SIGCHLD coalesces and
/// the others are only kept from killing this process.
fn drain(signals: &OwnedFd) -> io::Result<()> {
    let mut bytes = [0_u8; 1024];
    loop {
        match rustix::io::read(signals, &mut bytes) {
            Ok(count) if count > 0 => {}
            Ok(_) | Err(rustix::io::Errno::AGAIN) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
