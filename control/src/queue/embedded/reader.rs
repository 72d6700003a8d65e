//! Questions: a few connections of their own, which never wait for the one that writes.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::schema::open_reader;
use crate::queue::QueueError;

/// Connections that read.
#[derive(Clone)]
pub(super) struct Readers {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    /// As many questions at once.
    turns: Semaphore,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        let shared = Shared {
            path,
            idle: Mutex::default(),
            turns: Semaphore::new(READERS_MAX),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Asks on a thread that may wait for the disk.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, QueueError> {
        let failed = |error: &dyn std::fmt::Display| QueueError::Failed(error.to_string());
        let turn = self.shared.turns.acquire().await;
        let _turn = turn.map_err(|error| failed(&error))?;
        let shared = Arc::clone(&self.shared);
        let asked = spawn_blocking(move || {
            let idle = shared.idle.lock().pop();
            let connection = idle.map_or_else(|| open_reader(&shared.path), Ok)?;
            let answer = question(&connection)?;
            shared.idle.lock().push(connection);
            Ok::<_, rusqlite::Error>(answer)
        });
        asked
            .await
            .map_err(|error| failed(&error))?
            .map_err(|error| failed(&error))
    }
}

/// Reading takes microseconds each; more would only compete for the cores.
const READERS_MAX: usize = 4;
