//! The queue in JetStream as its callers see it.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_nats::connection::State as Connection;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::{Client, HeaderMap};
use bytes::{Bytes, BytesMut};
use dashmap::DashMap;
use futures_util::StreamExt;
use parking_lot::{Mutex, RwLock};
use tokio::time;

use super::active::Active;
use super::lanes::Lanes;
use super::ledger::{Change, Record};
use super::message;
use super::names::{Names, lane_of, token};
use super::options::{Heard, NatsOptions, REQUEST_TIMEOUT};
use super::streams::{HEADER_BYTES_MAX, Streams, Unpublished, failed, last};
use crate::name::Namespace;
use crate::publish::Board;
use crate::queue::front::{Asking, Cancelled, Depths, Filter, Page, Pieces, Queue, Which};
use crate::queue::job::{Call, Job, JobId, State};
use crate::queue::{Limits, QueueError};

/// The queue; clones share it.
#[derive(Clone)]
pub(in crate::queue) struct JetStream {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) streams: Streams,
    pub(super) names: Names,
    pub(super) options: NatsOptions,
    pub(super) limits: Limits,
    /// Namespace of functions that old messages name without one.
    pub(super) namespace: Namespace,
    /// What functions' annotations ask for.
    pub(super) board: Arc<Board>,
    /// What this process runs.
    pub(super) active: DashMap<JobId, Active>,
    /// Where calls come from, when this process runs some.
    pub(super) lanes: OnceLock<Arc<Lanes>>,
    /// How full it was when last looked.
    pub(super) depths: Mutex<Depths>,
    /// Whether the streams are there, or why not.
    state: RwLock<Result<(), String>>,
    pub(super) heard: Arc<Heard>,
    /// Lanes that workers were told of, and when.
    told: Mutex<HashMap<String, Instant>>,
}

impl JetStream {
    /// Begins to connect, and to make what is missing; goes on with both in the background.
    ///
    /// # Errors
    /// A file of the settings cannot be read.
    pub(in crate::queue) async fn open(
        options: NatsOptions,
        limits: Limits,
        namespace: Namespace,
        board: Arc<Board>,
    ) -> Result<Self, String> {
        let heard = Arc::<Heard>::default();
        let client = options.connect(&heard).await?;
        let context = async_nats::jetstream::ContextBuilder::new()
            .timeout(REQUEST_TIMEOUT)
            .backpressure_on_inflight(true)
            .build(client.clone());
        let names = Names::new(&options.channel);
        let streams = Streams::new(context, &names, &heard).await?;
        let shared = Shared {
            client,
            streams,
            names,
            options,
            limits,
            namespace,
            board,
            active: DashMap::new(),
            lanes: OnceLock::new(),
            depths: Mutex::default(),
            state: RwLock::new(Err("the streams are being looked for".to_owned())),
            heard,
            told: Mutex::default(),
        };
        let queue = Self {
            shared: Arc::new(shared),
        };
        let first = time::timeout(FIRST_WAIT, async {
            while !queue.shared.is_connected() {
                time::sleep(LOOK).await;
            }
            queue.shared.prepare().await;
        });
        // Not in time: the watch goes on.
        let _ = first.await;
        Ok(queue)
    }

    /// Looks after the queue for ever: whether it is there, how full it is.
    pub(in crate::queue) async fn watch(&self) {
        loop {
            time::sleep(WATCH).await;
            if !self.shared.is_connected() {
                continue;
            }
            match self.shared.survey().await {
                Ok(()) if self.shared.state.read().is_ok() => {}
                _ => self.shared.prepare().await,
            }
        }
    }

    /// Whether calls can be taken in.
    ///
    /// # Errors
    /// The reason why not.
    pub(in crate::queue) fn ready(&self) -> Result<(), QueueError> {
        let shared = &self.shared;
        if !shared.is_connected() {
            let (place, last) = (shared.options.place(), shared.heard.last.lock());
            let why = match last.as_str() {
                "" => format!("NATS at {place} is not reached"),
                last => format!("NATS at {place} is not reached: {last}"),
            };
            return Err(QueueError::Absent(why));
        }
        shared.state.read().clone().map_err(QueueError::Absent)
    }

    /// Calls that run here.
    pub(in crate::queue) fn running(&self) -> usize {
        self.shared.active.len()
    }

    /// Tells that a function has too many calls, or took one.
    pub(in crate::queue) fn adapt(&self, function: &str, crowded: bool, limit: usize) {
        if let Some(lanes) = self.shared.lanes.get() {
            lanes.adapt(&token(function), crowded, limit);
        }
    }
}

impl Shared {
    pub(super) fn is_connected(&self) -> bool {
        self.client.connection_state() == Connection::Connected
    }

    async fn prepare(&self) {
        let replicas = self.options.replicas;
        let prepared = self.streams.prepare(&self.names, replicas).await;
        let mut state = self.state.write();
        if *state != prepared {
            match &prepared {
                Ok(()) => tracing::info!(
                    nats = self.options.place(),
                    channel = self.options.channel,
                    "the queue of asynchronous calls is open"
                ),
                Err(why) => tracing::error!("asynchronous calls are not available: {why}"),
            }
        }
        *state = prepared;
    }

    async fn take_in(&self, call: Call, mut body: Pieces) -> Result<(), QueueError> {
        let asked = self.board.queueing(&call.function);
        let mut headers = message::call(&call, asked.as_ref());
        headers.insert(NATS_MESSAGE_ID, call.id.to_string());
        // A dead letter must fit too.
        if message::wire_bytes(&headers) + SLACK > HEADER_BYTES_MAX {
            return Err(QueueError::HeadTooLong(HEADER_BYTES_MAX));
        }
        let limit = self.body_bytes_max(&headers);
        let mut bytes = BytesMut::new();
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|_| QueueError::Incomplete)?;
            if (bytes.len() + piece.len()) as u64 > limit {
                return Err(QueueError::TooLarge(limit));
            }
            bytes.extend_from_slice(&piece);
        }
        let size = bytes.len() as u64;
        let lane = lane_of(&call.function, asked.is_some());
        let published = self
            .streams
            .publish(self.names.lane(&lane), headers, bytes.freeze());
        let number = match published.await {
            Ok(number) => number,
            Err(Unpublished::TooLarge) => return Err(QueueError::TooLarge(limit)),
            Err(error) => return Err(error.into()),
        };
        // From here on it is executed. A worker may have been faster, and then knows more.
        let record = Record::new(&call, size, number);
        if let Err(error) = self.write(&record, 0, None).await {
            tracing::warn!(%error, job_id = %call.id, "how a call stands is not written yet");
        }
        self.tell(&lane).await;
        Ok(())
    }

    /// What a body may have beside its headers.
    fn body_bytes_max(&self, headers: &HeaderMap) -> u64 {
        let room = self.client.max_payload();
        let room = room.saturating_sub(message::wire_bytes(headers) + SLACK) as u64;
        room.min(self.limits.body_bytes_max)
    }

    /// Lets workers know that a lane has calls, if they were not told just now.
    pub(super) async fn tell(&self, lane: &str) {
        if let Some(lanes) = self.lanes.get() {
            lanes.filled(lane);
        }
        {
            let mut told = self.told.lock();
            let now = Instant::now();
            if told.len() > TOLD_MAX {
                told.clear();
            }
            match told.get(lane) {
                Some(at) if now.duration_since(*at) < TELL_AGAIN => return,
                _ => told.insert(lane.to_owned(), now),
            };
        }
        let word = Bytes::copy_from_slice(lane.as_bytes());
        // Unheard, they find out by looking.
        let _ = self.client.publish(self.names.filled(), word).await;
    }

    async fn cancel(&self, id: JobId) -> Result<Cancelled, QueueError> {
        loop {
            let Some(entry) = self.entry(id).await? else {
                return Ok(Cancelled::Unknown);
            };
            if entry.record.is_over() {
                return Ok(Cancelled::TooLate(entry.record.job.state));
            }
            // Kept until its message is gone: a record that was forgotten could not stop it.
            let record = entry.record.cancelled();
            let number = match self.write(&record, entry.revision, None).await? {
                Change::Written(number) => number,
                Change::Overtaken => continue,
            };
            let word = Bytes::from(id.to_string());
            let _ = self.client.publish(self.names.cancelled(), word).await;
            if record.message > 0 {
                let gone = self.streams.calls.delete_message(record.message).await;
                if gone.is_ok() {
                    self.write(&record, number, self.keep_of(&record)).await?;
                }
            }
            return Ok(Cancelled::Done);
        }
    }
}

impl Queue for JetStream {
    fn enqueue(&self, call: Call, body: Pieces) -> Asking<'_, ()> {
        Box::pin(self.shared.take_in(call, body))
    }

    fn job(&self, id: JobId) -> Asking<'_, Option<Job>> {
        Box::pin(async move {
            let entry = self.shared.entry(id).await?;
            Ok(entry.map(|entry| entry.record.job))
        })
    }

    fn reply(&self, id: JobId) -> Asking<'_, Option<Pieces>> {
        Box::pin(async move {
            let subject = self.shared.names.result(id);
            let found = last(&self.shared.streams.results, subject).await?;
            Ok(found.map(|found| pieces(found.body)))
        })
    }

    fn list(&self, filter: Filter) -> Asking<'_, Page> {
        Box::pin(async move {
            match filter.state {
                Some(State::Dead) => self.shared.list_dead(filter).await,
                _ => self.shared.list(filter).await,
            }
        })
    }

    fn cancel(&self, id: JobId) -> Asking<'_, Cancelled> {
        Box::pin(self.shared.cancel(id))
    }

    fn replay(&self, which: Which) -> Asking<'_, u64> {
        Box::pin(self.shared.replay(which))
    }

    fn purge(&self, which: Which) -> Asking<'_, u64> {
        Box::pin(self.shared.purge(which))
    }

    fn depths(&self) -> Depths {
        let mut depths = self.shared.depths.lock().clone();
        // Otherwise nobody has it to ask.
        depths.is_open = true;
        for (function, _, running) in &mut depths.functions {
            let active = self.shared.active.iter();
            *running = active.filter(|a| a.function == *function).count() as u64;
        }
        depths
    }
}

/// A body that is here.
pub(super) fn pieces(body: Bytes) -> Pieces {
    Box::pin(futures_util::stream::once(std::future::ready(Ok(body))))
}

impl Shared {
    /// Waits until what was sent is on its way; what is not is sent again by nobody.
    pub(super) async fn flush(&self) {
        let flushed = time::timeout(LAST_WORDS, self.client.flush()).await;
        if let Ok(Err(error)) = flushed {
            tracing::debug!("{}", failed(error));
        }
    }
}

/// A start waits this long for NATS, so that a gateway beside a NATS that is there begins whole.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(10);
const WATCH: Duration = Duration::from_secs(2);
/// Workers keep a lane open longer than this.
const TELL_AGAIN: Duration = Duration::from_secs(10);
/// Lanes remembered; more are told of again.
const TOLD_MAX: usize = 10_000;
/// What the headers of a dead letter may have more than those of its call.
const SLACK: usize = 256;
const LAST_WORDS: Duration = Duration::from_secs(1);
