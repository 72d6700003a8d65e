//! Calls that run in this process: how they are ended, and given back.

use std::sync::Arc;

use async_nats::jetstream::AckKind;
use async_nats::jetstream::message::Acker;
use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::time;

use super::store::{JetStream, Shared};
use crate::queue::job::JobId;

/// A call that runs.
pub(super) struct Active {
    /// `name.namespace`.
    pub(super) function: String,
    /// Ends it.
    pub(super) cut: Option<oneshot::Sender<()>>,
    /// Its message.
    pub(super) acker: Arc<Acker>,
}

impl Shared {
    /// Ends a call that runs here.
    pub(super) fn cut(&self, id: JobId) {
        if let Some(mut active) = self.active.get_mut(&id)
            && let Some(cut) = active.cut.take()
        {
            // An attempt that has just ended is not in need of it.
            let _ = cut.send(());
        }
    }
}

impl JetStream {
    /// Hears of cancelled calls, for ever.
    pub(in crate::queue) async fn hear(&self) {
        loop {
            let subject = self.shared.names.cancelled();
            // Fails only when the client is gone; it stands through reconnections.
            if let Ok(mut heard) = self.shared.client.subscribe(subject).await {
                while let Some(message) = heard.next().await {
                    let id = std::str::from_utf8(&message.payload).ok();
                    if let Some(id) = id.and_then(JobId::parse) {
                        self.shared.cut(id);
                    }
                }
            }
            time::sleep(PAUSE).await;
        }
    }

    /// Gives what still runs back to other workers: the process ends.
    pub(in crate::queue) async fn give_back(&self) {
        let ackers: Vec<_> = self
            .shared
            .active
            .iter()
            .map(|active| Arc::clone(&active.acker))
            .collect();
        for acker in ackers {
            // Untold, the server finds out by the silence.
            let _ = acker.ack_with(AckKind::Nak(None)).await;
        }
        self.shared.flush().await;
    }
}

const PAUSE: std::time::Duration = std::time::Duration::from_secs(1);
