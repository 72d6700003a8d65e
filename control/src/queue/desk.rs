//! Where the API finds the queue: there, or absent with the reason, and opened again from time to
//! time until it is there.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use tokio::task::spawn_blocking;
use tokio::time;

use super::callback::{Guard, Pump, Resolver};
use super::embedded::Embedded;
use super::error::QueueError;
use super::front::Queue;
use super::limits::Limits;
use super::tally::Tally;
use super::worker::{GatewayClient, Rules, Worker};
use crate::publish::Board;

/// What a queue needs to do its work.
#[derive(Clone)]
pub struct Engine {
    /// Folder of the gateway's data; `None` when there is none.
    pub folder: Option<PathBuf>,
    /// What it holds at most.
    pub limits: Limits,
    /// How calls are run.
    pub rules: Rules,
    /// Where replies may be delivered to.
    pub guard: Guard,
    /// How receivers are found.
    pub resolver: Resolver,
    /// How long a reply is tried to be delivered.
    pub patience: Duration,
    /// What is known of functions.
    pub board: Arc<Board>,
    /// The gateway's public listener, as this machine reaches it.
    pub gateway: SocketAddr,
}

/// The queue, or why there is none.
pub struct Desk {
    queue: RwLock<Result<Embedded, String>>,
    /// What is counted.
    pub tally: Arc<Tally>,
    /// Bytes a call's body may have.
    pub body_bytes_max: u64,
    stopping: Arc<AtomicBool>,
}

impl Desk {
    /// A desk whose queue is not open yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            queue: RwLock::new(Err("the queue is being opened".to_owned())),
            tally: Arc::default(),
            body_bytes_max: limits.body_bytes_max,
            stopping: Arc::default(),
        }
    }

    /// The queue.
    ///
    /// # Errors
    /// [`QueueError::Absent`] says why there is none.
    pub fn queue(&self) -> Result<Arc<dyn Queue>, QueueError> {
        match &*self.queue.read() {
            Ok(queue) => Ok(Arc::new(queue.clone())),
            Err(why) => Err(QueueError::Absent(why.clone())),
        }
    }

    /// Opens the queue and has its calls run. Returns after the first attempt to open it; when
    /// that fails, a task goes on trying. Its tasks run on the runtime this is called in.
    pub async fn open(self: Arc<Self>, engine: Engine) {
        self.stopping.store(false, Ordering::Relaxed);
        let engine = Arc::new(engine);
        if !self.try_open(&engine).await {
            tokio::spawn(async move {
                while !self.try_open(&engine).await {
                    time::sleep(OPEN_AGAIN).await;
                }
            });
        }
    }

    async fn try_open(&self, engine: &Engine) -> bool {
        let opened = match &engine.folder {
            Some(folder) => {
                let (folder, limits) = (folder.join("queue"), engine.limits.clone());
                let opened = spawn_blocking(move || Embedded::open(&folder, limits)).await;
                opened.unwrap_or_else(|error| Err(error.to_string()))
            }
            None => Err(NO_FOLDER.to_owned()),
        };
        match opened {
            Ok(queue) => {
                *self.queue.write() = Ok(queue.clone());
                self.start(queue, engine);
                true
            }
            Err(why) => {
                let mut state = self.queue.write();
                if state.as_ref().err() != Some(&why) {
                    tracing::error!("asynchronous calls are not available: {why}");
                }
                *state = Err(why);
                false
            }
        }
    }

    fn start(&self, queue: Embedded, engine: &Engine) {
        let worker = Worker::new(
            queue.clone(),
            GatewayClient::new(engine.gateway),
            engine.rules.clone(),
            Arc::clone(&self.tally),
            Arc::clone(&engine.board),
            Arc::clone(&self.stopping),
        );
        let pump = Pump {
            queue: queue.clone(),
            guard: engine.guard.clone(),
            resolver: engine.resolver.clone(),
            patience: engine.patience,
            tally: Arc::clone(&self.tally),
            stopping: Arc::clone(&self.stopping),
        };
        tokio::spawn(Arc::new(worker).run());
        tokio::spawn(pump.run());
        tokio::spawn(queue.sweep());
    }

    /// No call is begun from here on.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Lets go of the queue, which another gateway opens. The runtime its tasks run on must end
    /// too.
    pub fn close(&self) {
        *self.queue.write() = Err("the queue changes hands".to_owned());
    }

    /// Waits until no call runs; until `deadline` at the latest. What then still runs is run
    /// again at the next start.
    pub async fn idle(&self, deadline: Instant) {
        loop {
            let queue = self.queue.read().as_ref().ok().cloned();
            if queue.is_none_or(|queue| queue.running() == 0) || Instant::now() >= deadline {
                return;
            }
            time::sleep(LOOK).await;
        }
    }
}

const OPEN_AGAIN: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(20);
const NO_FOLDER: &str = "there is no folder to keep them in: set RINGWAY_DATA";
