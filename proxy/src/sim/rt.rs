//! What a shard asks of its runtime, in the simulated world.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::net::End;
use super::world::world;

/// Starts a task of the gateway.
pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    world().spawn_in_gateway(task);
}

pub(crate) async fn sleep(duration: Duration) {
    let over = Rc::new(Cell::new(false));
    let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
    let (theirs, sleeper) = (Rc::clone(&over), Rc::clone(&waker));
    let after = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    world().at(
        after,
        Box::new(move || {
            theirs.set(true);
            if let Some(waker) = sleeper.take() {
                waker.wake();
            }
        }),
    );
    poll_fn(|cx| {
        if over.get() {
            return Poll::Ready(());
        }
        *waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    })
    .await;
}

/// A wait that was too long.
#[derive(Debug)]
pub(crate) struct Elapsed;

pub(crate) async fn timeout<T>(
    duration: Duration,
    future: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let (mut future, mut sleeping) = (pin!(future), pin!(sleep(duration)));
    poll_fn(|cx| {
        if let Poll::Ready(value) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(value));
        }
        sleeping.as_mut().poll(cx).map(|()| Err(Elapsed))
    })
    .await
}

/// Cancels the operations that hold its handles.
#[derive(Default)]
pub(crate) struct Canceller(Rc<Cancel>);

#[derive(Default)]
struct Cancel {
    cancelled: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// Held by an operation.
pub(crate) struct CancelHandle(Rc<Cancel>);

impl Canceller {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn handle(&self) -> CancelHandle {
        CancelHandle(Rc::clone(&self.0))
    }

    pub(crate) fn cancel(self) -> Self {
        self.0.cancelled.set(true);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
        Self::new()
    }
}

impl CancelHandle {
    /// Whether it was cancelled; if not, `waker` is woken when it is.
    pub(super) fn is_cancelled(&self, waker: &Waker) -> bool {
        *self.0.waker.borrow_mut() = Some(waker.clone());
        self.0.cancelled.get()
    }
}

/// The end of a connection that was accepted.
pub(crate) struct TcpStream(pub(super) Rc<End>);

impl TcpStream {
    pub(crate) fn from_std(_: std::net::TcpStream) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A listening socket.
#[derive(Default)]
pub(crate) struct TcpListener(pub(super) Rc<Backlog>);

#[derive(Default)]
pub(super) struct Backlog {
    pub(super) waiting: RefCell<VecDeque<(TcpStream, SocketAddr)>>,
    pub(super) waker: RefCell<Option<Waker>>,
    pub(super) closed: Cell<bool>,
}

impl Drop for TcpListener {
    /// Who was not accepted is reset, and nobody connects any more.
    fn drop(&mut self) {
        self.0.closed.set(true);
        for (TcpStream(end), _) in self.0.waiting.take() {
            end.reset_on_close();
        }
    }
}

impl TcpListener {
    pub(crate) fn from_std(_: std::net::TcpListener) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn take_waiting(&self) -> Vec<(TcpStream, SocketAddr)> {
        self.0.waiting.take().into()
    }

    /// Waits for a connection.
    pub(super) async fn accept(&self, handle: CancelHandle) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| {
            if let Some(accepted) = self.0.waiting.borrow_mut().pop_front() {
                return Poll::Ready(Ok(accepted));
            }
            if handle.is_cancelled(cx.waker()) {
                return Poll::Ready(Err(io::Error::from_raw_os_error(libc::ECANCELED)));
            }
            *self.0.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}
