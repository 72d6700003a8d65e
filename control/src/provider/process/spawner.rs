//! The gateway's end of the spawner: starts it, gives orders, hears reports.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot, watch};

use crate::spawner::{
    Abilities, Amount, Ending, HEADER_BYTES, Order, Place, Report, SignalKind, StartOrder, frame,
    length,
};
use crate::supervise::once;
use crate::watchdog::SMALL_PAGES;

/// A spawner that was started and has not been talked to.
#[derive(Debug)]
pub struct Launched {
    pub(super) process: Child,
    pub(super) socket: StdStream,
}

impl Launched {
    /// Re-executes this binary as the spawner, which removes `runtime` and `discard` at its end.
    /// Must come before the first shard starts.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn start(runtime: &Path, logs: PathBuf, discard: Option<PathBuf>) -> io::Result<Self> {
        let place = Place {
            runtime: runtime.to_owned(),
            logs,
            discard,
            inner: false,
        };
        let (ours, theirs) = StdStream::pair()?;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("ringway")
            .arg("spawner")
            .args(place.to_words())
            .env(SMALL_PAGES.0, SMALL_PAGES.1)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            // Ctrl-C in a terminal is for the gateway, which then sees to the functions.
            .process_group(0);
        Ok(Self {
            process: command.spawn()?,
            socket: ours,
        })
    }
}

/// A spawner at work.
pub(super) struct Spawner {
    orders: mpsc::Sender<Order>,
    waiting: Arc<Waiting>,
    next_id: AtomicU64,
    abilities: Abilities,
    gone: watch::Receiver<bool>,
}

/// Who waits for which report.
#[derive(Default)]
struct Waiting {
    started: DashMap<u64, oneshot::Sender<Result<(), String>>>,
    ended: DashMap<u64, oneshot::Sender<Ending>>,
    usage: DashMap<u64, oneshot::Sender<Vec<Amount>>>,
}

impl Waiting {
    /// Everyone who waits hears that there will be no answer.
    fn forget(&self) {
        self.started.clear();
        self.ended.clear();
        self.usage.clear();
    }
}

/// A process the spawner runs for us.
pub(super) struct Process {
    pub(super) id: u64,
    ended: oneshot::Receiver<Ending>,
}

impl Process {
    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> Ending {
        (&mut self.ended).await.unwrap_or(Ending::Lost)
    }
}

impl Spawner {
    /// Waits for the spawner to be at work.
    pub(super) async fn connect(launched: Launched) -> io::Result<(Self, Child)> {
        let Launched { process, socket } = launched;
        socket.set_nonblocking(true)?;
        let (mut reader, writer) = UnixStream::from_std(socket)?.into_split();
        let Report::Hello(abilities) = read(&mut reader).await? else {
            return Err(io::Error::other("the spawner did not introduce itself"));
        };
        let (orders, queue) = mpsc::channel(ORDERS_MAX);
        let (leaving, gone) = watch::channel(false);
        let waiting = Arc::new(Waiting::default());
        // Neither can be begun again: half a frame may be on its way. The spawner then counts as
        // gone, which ends the gateway.
        let broken = leaving.clone();
        tokio::spawn(async move {
            if once("orders to the spawner", send(writer, queue))
                .await
                .is_none()
            {
                broken.send_replace(true);
            }
        });
        let heard = Arc::clone(&waiting);
        tokio::spawn(async move {
            once("the spawner's reports", hear(reader, &heard)).await;
            heard.forget();
            leaving.send_replace(true);
        });
        let next_id = AtomicU64::new(1);
        Ok((
            Self {
                orders,
                waiting,
                next_id,
                abilities,
                gone,
            },
            process,
        ))
    }

    pub(super) const fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// Becomes true when the spawner, and with it every function's process, is gone.
    pub(super) fn gone(&self) -> watch::Receiver<bool> {
        self.gone.clone()
    }

    /// A number no other process or question of this gateway has.
    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Starts a process; returns once it has been executed.
    pub(super) async fn start(&self, order: StartOrder) -> Result<Process, String> {
        let id = order.id;
        let (start_tx, started) = oneshot::channel();
        let (end_tx, ended) = oneshot::channel();
        self.waiting.started.insert(id, start_tx);
        self.waiting.ended.insert(id, end_tx);
        let result = match self.orders.send(Order::Start(Box::new(order))).await {
            Ok(()) => self
                .unless_gone(started)
                .await
                .unwrap_or_else(|| Err(GONE.to_owned())),
            Err(_) => Err(GONE.to_owned()),
        };
        if let Err(error) = result {
            self.waiting.started.remove(&id);
            self.waiting.ended.remove(&id);
            return Err(error);
        }
        Ok(Process { id, ended })
    }

    /// Sends a signal to a process group.
    pub(super) async fn signal(&self, id: u64, kind: SignalKind) {
        // Without a spawner there is no process either.
        let _ = self.orders.send(Order::Signal { id, kind }).await;
    }

    /// Removes a function's logs.
    pub(super) async fn forget_log(&self, log: String) {
        let _ = self.orders.send(Order::ForgetLog { log }).await;
    }

    /// Measures processes; those that ended are left out.
    pub(super) async fn usage(&self, ids: Vec<u64>) -> Vec<Amount> {
        let ticket = self.next_id();
        let (answer, answered) = oneshot::channel();
        self.waiting.usage.insert(ticket, answer);
        let _ = self.orders.send(Order::Usage { ticket, ids }).await;
        let amounts = self.unless_gone(answered).await.unwrap_or_default();
        self.waiting.usage.remove(&ticket);
        amounts
    }

    /// An answer; `None` when the spawner went away without it.
    async fn unless_gone<T>(&self, answer: oneshot::Receiver<T>) -> Option<T> {
        let mut gone = self.gone.clone();
        tokio::select! {
            answer = answer => answer.ok(),
            _ = gone.wait_for(|gone| *gone) => None,
        }
    }
}

async fn send(mut writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Order>) {
    while let Some(order) = queue.recv().await {
        let sent = match frame(&order) {
            Ok(bytes) => writer.write_all(&bytes).await,
            Err(error) => {
                // Cannot happen while bodies are bounded well below the frame's limit.
                tracing::error!(%error, "an order to the spawner was not sent");
                continue;
            }
        };
        if sent.is_err() {
            break;
        }
    }
}

async fn hear(mut reader: OwnedReadHalf, waiting: &Waiting) {
    loop {
        match read(&mut reader).await {
            Ok(Report::Hello(_)) => {}
            Ok(Report::Started { id }) => answer(&waiting.started, id, Ok(())),
            Ok(Report::Refused { id, error }) => answer(&waiting.started, id, Err(error)),
            Ok(Report::Ended { id, ending }) => answer(&waiting.ended, id, ending),
            Ok(Report::Usage { ticket, amounts }) => answer(&waiting.usage, ticket, amounts),
            Err(error) => {
                tracing::debug!(%error, "the spawner's socket ended");
                break;
            }
        }
    }
}

fn answer<T>(waiting: &DashMap<u64, oneshot::Sender<T>>, id: u64, value: T) {
    if let Some((_, sender)) = waiting.remove(&id) {
        // The one who asked may have gone away.
        let _ = sender.send(value);
    }
}

async fn read(reader: &mut OwnedReadHalf) -> io::Result<Report> {
    let mut header = [0; HEADER_BYTES];
    reader.read_exact(&mut header).await?;
    let mut body = vec![0; length(header)?];
    reader.read_exact(&mut body).await?;
    Ok(serde_json::from_slice(&body)?)
}

/// Orders on their way; more wait for room.
const ORDERS_MAX: usize = 256;
const GONE: &str = "the spawner is gone";
