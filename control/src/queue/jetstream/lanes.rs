//! Where calls come from: a consumer per lane that has calls, so that each function's wait only
//! for each other. Lanes take turns for the places there are.
//!
//! **Invariant:** a message is fetched when its call may run at once; a lane that had none has one
//! in hand at most. What is in hand is kept alive by its [`Claim`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{AckPolicy, Consumer, pull};
use async_nats::jetstream::{AckKind, Message};
use dashmap::DashMap;
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time;

use super::claim::{Call, Claim};
use super::options::unless_anew;
use super::store::{JetStream, Shared};
use super::streams::{ANEW, failed};
use crate::queue::QueueError;
use crate::queue::window::Window;
use crate::queue::worker::Rules;
use crate::supervise::{keep, once};

/// The lanes this process serves.
pub(super) struct Lanes {
    open: DashMap<String, Arc<Lane>>,
    /// Places of all calls.
    places: Arc<Semaphore>,
    /// Calls of one lane at once, unless its function says another number.
    limit: usize,
    claims: mpsc::Sender<Claim>,
    stopping: Arc<AtomicBool>,
    /// Whether no call can be made at present.
    away: Arc<AtomicBool>,
    /// Lanes that have calls and are not open: they are opened by whoever hears of them.
    wanted: mpsc::Sender<String>,
}

/// One of them.
pub(super) struct Lane {
    token: String,
    share: Mutex<Share>,
    /// A call ended.
    freed: Notify,
}

#[derive(Default)]
struct Share {
    running: usize,
    /// `None` until a message says what its function takes.
    limit: Option<usize>,
    window: Window,
}

/// A call's place in its lane, until it is dropped.
pub(super) struct Place(Arc<Lane>);

impl JetStream {
    /// Serves calls until `stopping` is set, and fetches none while `away` is.
    pub(in crate::queue) fn serve(
        &self,
        rules: &Rules,
        stopping: &Arc<AtomicBool>,
        away: &Arc<AtomicBool>,
    ) -> mpsc::Receiver<Claim> {
        let (claims, served) = mpsc::channel(1);
        let (wanted, wants) = mpsc::channel(LANES_MAX);
        let lanes = Arc::new(Lanes {
            open: DashMap::new(),
            places: Arc::new(Semaphore::new(rules.concurrency)),
            limit: rules.function_concurrency,
            claims,
            stopping: Arc::clone(stopping),
            away: Arc::clone(away),
            wanted,
        });
        // Once per process: there is one worker.
        let _ = self.shared.lanes.set(Arc::clone(&lanes));
        let (shared, mut wants) = (Arc::clone(&self.shared), wants);
        let open = async move || open_lanes(&shared, &lanes, &mut wants).await;
        tokio::spawn(keep("opening lanes", open));
        let queue = self.clone();
        let hear = async move || queue.hear_of_lanes().await;
        tokio::spawn(keep("word of lanes", hear));
        let queue = self.clone();
        tokio::spawn(keep("word of cancelled calls", async move || {
            queue.hear().await
        }));
        served
    }

    async fn hear_of_lanes(&self) {
        loop {
            let subject = self.shared.names.filled();
            if let Ok(mut heard) = self.shared.client.subscribe(subject).await {
                while let Some(message) = heard.next().await {
                    let lane = std::str::from_utf8(&message.payload).unwrap_or_default();
                    if let Some(lanes) = self.shared.lanes.get() {
                        lanes.filled(lane);
                    }
                }
            }
            time::sleep(PAUSE).await;
        }
    }
}

async fn open_lanes(shared: &Arc<Shared>, lanes: &Arc<Lanes>, wants: &mut mpsc::Receiver<String>) {
    while let Some(token) = wants.recv().await {
        if lanes.open.contains_key(&token) || lanes.open.len() >= LANES_MAX {
            continue;
        }
        let lane = Arc::new(Lane {
            share: Mutex::default(),
            token: token.clone(),
            freed: Notify::new(),
        });
        lanes.open.insert(token, Arc::clone(&lane));
        let (shared, lanes) = (Arc::clone(shared), Arc::clone(lanes));
        tokio::spawn(async move {
            // One that is not open any more is opened when it is heard of again.
            once("a lane", lanes.run(&shared, &lane)).await;
            lanes.open.remove(&lane.token);
        });
    }
}

impl Lanes {
    /// A lane has calls. When too many are open already, it is heard of again.
    pub(super) fn filled(&self, token: &str) {
        if !self.open.contains_key(token) && !self.is_stopping() {
            let _ = self.wanted.try_send(token.to_owned());
        }
    }

    /// A function has too many calls, or took one; `limit` is what it takes at most.
    pub(super) fn adapt(&self, token: &str, crowded: bool, limit: usize) {
        if let Some(lane) = self.open.get(token) {
            let mut share = lane.share.lock();
            let running = share.running;
            share.limit = Some(limit);
            share.window.adapt(crowded, running, limit);
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Serves a lane until it has been empty for a while.
    async fn run(self: &Arc<Self>, shared: &Arc<Shared>, lane: &Arc<Lane>) {
        let mut served_at = Instant::now();
        while !self.is_stopping() {
            match self.fill(shared, lane).await {
                Ok(true) => served_at = Instant::now(),
                Ok(false) if served_at.elapsed() > IDLE => return,
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(%error, lane = lane.token, "calls cannot be fetched");
                    time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Serves it as long as all goes well and it has calls; whether it had one.
    async fn fill(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        lane: &Arc<Lane>,
    ) -> Result<bool, QueueError> {
        let consumer = consumer(shared, &lane.token).await?;
        let mut any = false;
        while !self.is_stopping() {
            if self.away.load(Ordering::Relaxed) {
                time::sleep(LOOK).await;
                continue;
            }
            let Some(room) = lane.room(self).await else {
                break;
            };
            let mut permits = self.permits(room).await;
            let fetched = time::timeout(FETCH_WAIT, fetch(&consumer, permits.len()));
            let fetched = shared.heard.unless_anew(fetched).await;
            let messages = fetched.ok_or_else(|| failed(ANEW))?;
            let messages = messages.unwrap_or_else(|_| Err(failed("no answer in time")))?;
            if messages.is_empty() {
                // Those who have calls shall have the places.
                drop(permits);
                let Some(message) = self.wait(shared, &consumer).await? else {
                    return Ok(any);
                };
                self.take(shared, lane, message, None);
            } else {
                for message in messages {
                    self.take(shared, lane, message, permits.pop());
                }
            }
            any = true;
        }
        Ok(any)
    }

    /// Places for one call, and for more as far as nobody else waits for them.
    async fn permits(&self, room: usize) -> Vec<OwnedSemaphorePermit> {
        let mut permits = Vec::new();
        // Closed never.
        permits.extend(Arc::clone(&self.places).acquire_owned().await.ok());
        while permits.len() < room.min(FETCHED_MAX) {
            match Arc::clone(&self.places).try_acquire_owned() {
                Ok(permit) => permits.push(permit),
                Err(_) => break,
            }
        }
        permits
    }

    /// The next message of a lane that has none now; `None` when none comes.
    async fn wait(
        &self,
        shared: &Shared,
        consumer: &Consumer<pull::Config>,
    ) -> Result<Option<Message>, QueueError> {
        let mut changes = shared.heard.changes();
        let batch = consumer.batch().max_messages(1).expires(LONG);
        let mut batch = batch.messages().await.map_err(failed)?;
        let until = Instant::now() + LONG + FETCH_WAIT;
        while Instant::now() < until && !self.is_stopping() {
            // Looks up now and then, to hear of the end.
            let next = unless_anew(&mut changes, time::timeout(LOOK, batch.next())).await;
            if let Ok(next) = next.ok_or_else(|| failed(ANEW))? {
                return next.transpose().map_err(failed);
            }
        }
        Ok(None)
    }

    /// Has a message's call run.
    fn take(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        lane: &Arc<Lane>,
        message: Message,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        let (lanes, shared) = (Arc::clone(self), Arc::clone(shared));
        let place = lane.enter();
        let call = match Call::read(&message, &shared.namespace) {
            Ok(call) => call,
            Err(why) => {
                tracing::error!(subject = %message.subject, "a message is no call: {why}");
                // Nobody will ever understand it.
                tokio::spawn(async move { message.ack_with(AckKind::Term).await });
                return;
            }
        };
        let known = shared.board.queueing(&call.call.function);
        let asked = known.as_ref().or(call.asked.as_ref());
        let most = asked.and_then(|asked| asked.concurrency);
        lane.share.lock().limit = Some(most.map_or(self.limit, |n| n as usize));
        tokio::spawn(async move {
            let Some(claim) = Claim::new(&shared, call, message, place).await else {
                return;
            };
            let permit = match permit {
                Some(permit) => Some(permit),
                // Closed never.
                None => Arc::clone(&lanes.places).acquire_owned().await.ok(),
            };
            // Without a worker it is given back, as it is dropped.
            let _ = lanes.claims.send(claim.with(permit)).await;
        });
    }
}

impl Lane {
    /// How many more of its calls may run; waits until there is one. `None`: the process ends.
    async fn room(&self, lanes: &Lanes) -> Option<usize> {
        while !lanes.is_stopping() {
            let room = {
                let share = self.share.lock();
                share
                    .window
                    .room(share.limit.unwrap_or(1))
                    .saturating_sub(share.running)
            };
            if room > 0 {
                return Some(room);
            }
            let _ = time::timeout(LOOK, self.freed.notified()).await;
        }
        None
    }

    fn enter(self: &Arc<Self>) -> Place {
        self.share.lock().running += 1;
        Place(Arc::clone(self))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut share = self.0.share.lock();
        share.running = share.running.saturating_sub(1);
        self.0.freed.notify_one();
    }
}

async fn consumer(shared: &Shared, token: &str) -> Result<Consumer<pull::Config>, QueueError> {
    let config = pull::Config {
        durable_name: Some(token.to_owned()),
        filter_subject: shared.names.lane(token),
        ack_policy: AckPolicy::Explicit,
        ack_wait: shared.options.ack_wait,
        // Those that failed and wait for their next attempt count too.
        max_ack_pending: -1,
        // A function that is called no more leaves nothing behind.
        inactive_threshold: FORGOTTEN,
        ..pull::Config::default()
    };
    shared
        .streams
        .calls
        .create_consumer(config)
        .await
        .map_err(failed)
}

/// What is there now.
async fn fetch(consumer: &Consumer<pull::Config>, most: usize) -> Result<Vec<Message>, QueueError> {
    let batch = consumer.fetch().max_messages(most).messages().await;
    let mut batch = batch.map_err(failed)?;
    let mut messages = Vec::new();
    while let Some(message) = batch.next().await {
        match message {
            Ok(message) => messages.push(message),
            // Those that came are here.
            Err(error) if messages.is_empty() => return Err(failed(error)),
            Err(_) => break,
        }
    }
    Ok(messages)
}

/// Lanes open at once; more wait for one to be empty for a while.
const LANES_MAX: usize = 4_096;
/// Messages asked for at once.
const FETCHED_MAX: usize = 16;
const FETCH_WAIT: Duration = Duration::from_secs(5);
/// One question for a message lasts this long.
const LONG: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(200);
/// An empty lane is closed after this time; publishers tell of theirs more often.
const IDLE: Duration = Duration::from_secs(60);
/// The server forgets a consumer that nobody asked for this long; its calls stay.
const FORGOTTEN: Duration = Duration::from_secs(3_600);
const PAUSE: Duration = Duration::from_secs(1);
