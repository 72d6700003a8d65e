//! Where the API finds the queue: there, or absent with the reason, and opened again from time to
//! time until it is there.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use ringway_proxy::OwnPorts;
use tokio::task::spawn_blocking;
use tokio::time;

use super::backend::Backend;
use super::callback::{Guard, Postman, Pump, Resolver};
use super::embedded::Embedded;
use super::error::QueueError;
use super::front::Queue;
use super::jetstream::{JetStream, NatsOptions};
use super::job::Call;
use super::limits::Limits;
use super::tally::Tally;
use super::worker::{GatewayClient, Pace, Rules, Worker, check};
use crate::name::Namespace;
use crate::publish::Board;
use crate::supervise::keep;

/// What a queue needs to do its work.
#[derive(Clone)]
pub struct Engine {
    /// Where it is.
    pub place: Place,
    /// What it holds at most.
    pub limits: Limits,
    /// How calls are run.
    pub rules: Rules,
    /// Whether they are run here.
    pub works: bool,
    /// Where replies may be delivered to.
    pub guard: Guard,
    /// How receivers are found.
    pub resolver: Resolver,
    /// How long a reply is tried to be delivered.
    pub patience: Duration,
    /// What is known of functions.
    pub board: Arc<Board>,
    /// Namespace of functions named without one.
    pub namespace: Namespace,
    /// The gateway's public listener, `host:port`.
    pub gateway: String,
    /// Where it is told which ports it is called from, in its own process.
    pub own: OwnPorts,
}

/// Where a queue is.
#[derive(Clone)]
pub enum Place {
    /// In this folder of the gateway's data; `None` when there is none.
    Folder(Option<PathBuf>),
    /// In NATS.
    Nats(NatsOptions),
}

/// The queue, or why there is none.
pub struct Desk {
    queue: RwLock<Result<Backend, String>>,
    /// What is counted.
    pub tally: Arc<Tally>,
    /// What a call may have.
    pub limits: Limits,
    pace: Option<Arc<Pace>>,
    stopping: Arc<AtomicBool>,
}

impl Desk {
    /// A desk whose queue is not open yet. Calls yield to others when the machine is later than
    /// `late`: a thread with the caller's rank will watch that.
    #[must_use]
    pub fn new(limits: &Limits, late: Option<Duration>) -> Self {
        let tally = Arc::<Tally>::default();
        Self {
            queue: RwLock::new(Err("the queue is being opened".to_owned())),
            pace: Pace::start(late, Arc::clone(&tally)),
            tally,
            limits: limits.clone(),
            stopping: Arc::default(),
        }
    }

    /// The queue.
    ///
    /// # Errors
    /// [`QueueError::Absent`] says why there is none.
    pub fn queue(&self) -> Result<Arc<dyn Queue>, QueueError> {
        match &*self.queue.read() {
            Ok(queue) => queue.front(),
            Err(why) => Err(QueueError::Absent(why.clone())),
        }
    }

    /// Checks that a call can be made as it was asked for.
    ///
    /// # Errors
    /// The limit of the gateway that it is over.
    pub fn check(&self, call: &Call) -> Result<(), QueueError> {
        check(call, &self.limits)
    }

    /// Opens the queue and has its calls run. Returns after the first attempt to open it; when
    /// that fails, a task goes on trying. Its tasks run on the runtime this is called in.
    pub async fn open(self: Arc<Self>, engine: Engine) {
        self.stopping.store(false, Ordering::Relaxed);
        let engine = Arc::new(engine);
        if !self.try_open(&engine).await {
            tokio::spawn(keep("opening the queue", async move || {
                while !self.try_open(&engine).await {
                    time::sleep(OPEN_AGAIN).await;
                }
            }));
        }
    }

    async fn try_open(&self, engine: &Engine) -> bool {
        match open(engine).await {
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

    fn start(&self, queue: Backend, engine: &Engine) {
        match queue.clone() {
            Backend::Embedded(queue) => {
                tokio::spawn(keep("sweep of the queue", async move || {
                    queue.sweep().await
                }));
            }
            Backend::JetStream(queue) => {
                tokio::spawn(keep("watch of NATS", async move || queue.watch().await));
            }
        }
        if !engine.works {
            return;
        }
        let worker = Worker::new(
            queue.clone(),
            GatewayClient::new(engine.gateway.clone(), engine.own.clone()),
            engine.rules.clone(),
            Arc::clone(&self.tally),
            Arc::clone(&engine.board),
            Arc::clone(&self.stopping),
            self.pace.clone(),
        );
        tokio::spawn(Arc::new(worker).run());
        let postman = Arc::new(Postman {
            guard: engine.guard.clone(),
            resolver: engine.resolver.clone(),
            patience: engine.patience,
            tally: Arc::clone(&self.tally),
        });
        let stopping = Arc::clone(&self.stopping);
        match queue {
            Backend::Embedded(queue) => {
                let pump = Arc::new(Pump {
                    queue,
                    postman,
                    stopping,
                    turns: Arc::default(),
                });
                tokio::spawn(keep("deliveries", async move || pump.run().await));
            }
            Backend::JetStream(queue) => {
                // Those under way survive a panic.
                let turns = Arc::default();
                tokio::spawn(keep("deliveries", async move || {
                    queue.deliver(&postman, &turns, &stopping).await;
                }));
            }
        }
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
    /// again: at the next start, or by another worker.
    pub async fn idle(&self, deadline: Instant) {
        let Some(queue) = self.queue.read().as_ref().ok().cloned() else {
            return;
        };
        while queue.running() > 0 && Instant::now() < deadline {
            time::sleep(LOOK).await;
        }
        queue.give_back().await;
    }
}

async fn open(engine: &Engine) -> Result<Backend, String> {
    let limits = engine.limits.clone();
    match &engine.place {
        Place::Folder(None) => Err(NO_FOLDER.to_owned()),
        Place::Folder(Some(folder)) => {
            let folder = folder.join("queue");
            let opened = spawn_blocking(move || Embedded::open(&folder, limits)).await;
            let opened = opened.unwrap_or_else(|error| Err(error.to_string()));
            opened.map(Backend::Embedded)
        }
        Place::Nats(options) => {
            let (namespace, board) = (engine.namespace.clone(), Arc::clone(&engine.board));
            let opened = JetStream::open(options.clone(), limits, namespace, board).await;
            opened.map(Backend::JetStream)
        }
    }
}

const OPEN_AGAIN: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(20);
const NO_FOLDER: &str = "there is no folder to keep them in: set RINGWAY_DATA";
