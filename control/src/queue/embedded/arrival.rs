//! A call that arrives: its body goes to the disk part by part, and counts when it is whole.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::runtime::Handle;

use super::records;
use super::room;
use super::schema::{PART_BYTES, PARTS_MAX};
use super::store::Shared;
use crate::queue::front::Pieces;
use crate::queue::job::Call;
use crate::queue::{QueueError, seldom};

impl Shared {
    pub(super) async fn take_in(
        self: &Arc<Self>,
        call: Call,
        mut body: Pieces,
    ) -> Result<(), QueueError> {
        let seq = self.next.fetch_add(1, Ordering::Relaxed);
        let mut arrival = Arrival {
            shared: Arc::clone(self),
            seq,
            parts: 0,
        };
        self.check_room(call.headers.len() + call.target.len())?;
        let mut bytes = 0;
        let mut buffer = BytesMut::new();
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|_| QueueError::Incomplete)?;
            bytes += piece.len() as u64;
            if bytes > self.limits.body_bytes_max {
                return Err(QueueError::TooLarge(self.limits.body_bytes_max));
            }
            buffer.extend_from_slice(&piece);
            while buffer.len() > PART_BYTES {
                self.check_room(buffer.len())?;
                arrival.part(buffer.split_to(PART_BYTES).freeze()).await?;
            }
        }
        self.check_room(buffer.len())?;
        arrival.last(call, bytes, buffer.freeze()).await
    }

    /// Checks that the disk has room for so much more of calls.
    pub(super) fn check_room(&self, bytes: usize) -> Result<(), QueueError> {
        let checked = room::check(&self.folder, bytes as u64);
        if let Err(error) = &checked
            && seldom("no room")
        {
            tracing::error!("{error}");
        }
        checked
    }
}

/// A body on its way; what was written of it is removed when it does not come to its end.
struct Arrival {
    shared: Arc<Shared>,
    seq: i64,
    /// Parts written, below [`PARTS_MAX`].
    parts: i64,
}

impl Arrival {
    async fn part(&mut self, bytes: Bytes) -> Result<(), QueueError> {
        let (seq, part) = (self.seq, self.parts);
        if part + 1 >= PARTS_MAX {
            return Err(QueueError::TooLarge(
                PARTS_MAX.unsigned_abs() * PART_BYTES as u64,
            ));
        }
        // Counted first: an asker that leaves now may find it written.
        self.parts += 1;
        let write = self.shared.writer.write(
            move |to| records::put_arriving(to, seq, part, &bytes),
            |()| {},
        );
        write.await
    }

    async fn last(mut self, call: Call, bytes: u64, tail: Bytes) -> Result<(), QueueError> {
        let (seq, part) = (self.seq, self.parts);
        // From here on the order stands, whether its asker waits for it or not.
        self.parts = 0;
        let shared = Arc::clone(&self.shared);
        let function = call.function.clone();
        let written = self.shared.writer.write(
            move |to| records::insert(to, seq, &call, bytes, (part, &tail)),
            move |()| {
                shared.schedule.lock().arrived(&function, seq);
                shared.wake.notify_one();
            },
        );
        let written = written.await;
        if written.is_err() {
            self.parts = part;
        }
        written
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if self.parts == 0 {
            return;
        }
        let (shared, seq) = (Arc::clone(&self.shared), self.seq);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let write = shared
                    .writer
                    .write(move |to| records::abandon(to, seq), |()| {});
                if let Err(error) = write.await {
                    tracing::debug!(%error, "a part of a body stays until the next start");
                }
            });
        }
    }
}
