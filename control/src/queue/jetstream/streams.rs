//! The five streams: made when they are missing, and left as they are when they are not, so that
//! an operator's own settings stand.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::stream::{
    Config, DirectGetErrorKind, DiscardPolicy, RetentionPolicy, StorageType, Stream,
};
use async_nats::jetstream::{Context, Message};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time;

use super::message::wire_bytes;
use super::names::Names;
use super::options::{Heard, REQUEST_TIMEOUT};
use crate::queue::QueueError;

/// Handles of the streams; nothing is asked to have them.
pub(super) struct Streams {
    heard: Arc<Heard>,
    pub(super) context: Context,
    /// Calls to be run.
    pub(super) calls: Stream<()>,
    /// How every call stands: the last message of a subject each.
    pub(super) jobs: Stream<()>,
    /// Calls that failed for the last time.
    pub(super) dead: Stream<()>,
    /// Replies to be fetched.
    pub(super) results: Stream<()>,
    /// Replies to be delivered.
    pub(super) callbacks: Stream<()>,
}

impl Streams {
    pub(super) async fn new(
        context: Context,
        names: &Names,
        heard: &Arc<Heard>,
    ) -> Result<Self, String> {
        let handle = async |kind| {
            let handle = context.get_stream_no_info(names.stream(kind)).await;
            handle.map_err(|error| error.to_string())
        };
        Ok(Self {
            calls: handle(CALLS).await?,
            jobs: handle(JOBS).await?,
            dead: handle(DEAD).await?,
            results: handle(RESULTS).await?,
            callbacks: handle(CALLBACKS).await?,
            heard: Arc::clone(heard),
            context,
        })
    }

    /// Makes what is missing.
    pub(super) async fn prepare(&self, names: &Names, replicas: usize) -> Result<(), String> {
        let client = self.context.client();
        if !client.is_server_compatible(2, 11, 0) {
            let version = client.server_info().version;
            return Err(format!(
                "nats-server 2.11 or newer is needed; this is {version}"
            ));
        }
        for config in configs(names, replicas) {
            let name = config.name.clone();
            let made = self.context.get_or_create_stream(config).await;
            made.map_err(|error| format!("the stream {name}: {error}"))?;
        }
        Ok(())
    }

    /// Publishes, and waits until the stream has it; its number there.
    pub(super) async fn publish(
        &self,
        subject: String,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<u64, Unpublished> {
        if wire_bytes(&headers) > HEADER_BYTES_MAX {
            return Err(Unpublished::TooLarge);
        }
        let sent = async {
            let sent = self.context.publish_with_headers(subject, headers, body);
            sent.await?.await
        };
        let acknowledged = self.heard.unless_anew(sent).await;
        let acknowledged = acknowledged.ok_or_else(|| Unpublished::Failed(ANEW.to_owned()))?;
        Ok(acknowledged.map_err(unpublished)?.sequence)
    }
}

/// Why a message is not in its stream, as far as is known.
#[derive(Debug)]
pub(super) enum Unpublished {
    /// Another was there first.
    Overtaken,
    /// It is larger than the server takes.
    TooLarge,
    /// The rest.
    Failed(String),
}

impl From<Unpublished> for QueueError {
    fn from(error: Unpublished) -> Self {
        let text = match error {
            Unpublished::Overtaken => "another message was there first".to_owned(),
            Unpublished::TooLarge => "the message is larger than NATS takes".to_owned(),
            Unpublished::Failed(text) => text,
        };
        Self::Failed(text)
    }
}

fn unpublished(error: async_nats::jetstream::context::PublishError) -> Unpublished {
    match error.kind() {
        PublishErrorKind::WrongLastSequence => Unpublished::Overtaken,
        PublishErrorKind::MaxPayloadExceeded => Unpublished::TooLarge,
        _ => Unpublished::Failed(format!("NATS: {error}")),
    }
}

/// A message of a stream as it was stored.
pub(super) struct Stored {
    pub(super) seq: u64,
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The last message of a subject.
pub(super) async fn last(
    stream: &Stream<()>,
    subject: String,
) -> Result<Option<Stored>, QueueError> {
    match stream.direct_get_last_for_subject(subject).await {
        Ok(found) => Ok(Some(Stored {
            seq: found.sequence,
            subject: found.subject.to_string(),
            headers: found.headers,
            body: found.payload,
        })),
        Err(error) if matches!(error.kind(), DirectGetErrorKind::NotFound) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Messages in order, from number `from` on, at most `most`.
pub(super) async fn scan(
    stream: &Stream<()>,
    filter: String,
    from: u64,
    most: usize,
    headers_only: bool,
) -> Result<Vec<Stored>, QueueError> {
    let config = pull::Config {
        deliver_policy: DeliverPolicy::ByStartSequence {
            start_sequence: from.max(1),
        },
        ack_policy: AckPolicy::None,
        filter_subject: filter,
        headers_only,
        inactive_threshold: Duration::from_secs(30),
        memory_storage: true,
        num_replicas: 1,
        ..pull::Config::default()
    };
    let consumer = stream.create_consumer(config).await.map_err(failed)?;
    let read = async {
        let messages = consumer.fetch().max_messages(most).messages().await;
        let mut messages = messages.map_err(failed)?;
        let mut found = Vec::new();
        while let Some(message) = messages.next().await {
            let message = message.map_err(failed)?;
            let seq = message.info().map_err(failed)?.stream_sequence;
            found.push(stored(message, seq));
        }
        Ok(found)
    };
    let found = time::timeout(REQUEST_TIMEOUT, read).await;
    // Left alone, the server forgets it too.
    let _ = stream.delete_consumer(&consumer.cached_info().name).await;
    found.unwrap_or_else(|_| Err(QueueError::Failed("NATS: no answer in time".to_owned())))
}

fn stored(message: Message, seq: u64) -> Stored {
    let (message, _) = message.split();
    Stored {
        seq,
        subject: message.subject.to_string(),
        headers: message.headers.unwrap_or_default(),
        body: message.payload,
    }
}

/// An error of NATS, for the log.
pub(super) fn failed(error: impl std::fmt::Display) -> QueueError {
    QueueError::Failed(format!("NATS: {error}"))
}

fn configs(names: &Names, replicas: usize) -> [Config; 5] {
    let of = |kind: &str, subjects: Vec<String>| Config {
        name: names.stream(kind),
        subjects,
        storage: StorageType::File,
        num_replicas: replicas,
        allow_direct: true,
        ..Config::default()
    };
    let work = |config: Config| Config {
        retention: RetentionPolicy::WorkQueue,
        duplicate_window: DUPLICATES,
        ..config
    };
    [
        work(of(CALLS, names.calls())),
        Config {
            max_messages_per_subject: 1,
            allow_message_ttl: true,
            ..of(JOBS, vec![names.jobs()])
        },
        Config {
            max_messages_per_subject: 1,
            ..of(DEAD, vec![names.dead_ones(None, None)])
        },
        Config {
            max_messages_per_subject: 1,
            max_bytes: RESULT_BYTES_MAX,
            allow_message_ttl: true,
            discard: DiscardPolicy::Old,
            ..of(RESULTS, vec![names.results()])
        },
        work(of(CALLBACKS, vec![names.callbacks()])),
    ]
}

/// Why an answer does not come.
pub(super) const ANEW: &str = "there is a new connection";
const CALLS: &str = "calls";
const JOBS: &str = "jobs";
const DEAD: &str = "dead";
const RESULTS: &str = "results";
const CALLBACKS: &str = "callbacks";
/// A message that is published again in this time, because its acknowledgement was lost, counts
/// once.
const DUPLICATES: Duration = Duration::from_secs(120);
/// What nats-server takes of the headers of a message in a stream.
pub(super) const HEADER_BYTES_MAX: usize = 64 * 1024 - 1;
const RESULT_BYTES_MAX: i64 = 512 * 1024 * 1024;
