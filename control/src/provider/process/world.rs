//! What every function of the provider shares.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use super::ports::Ports;
use super::spawner::Spawner;
use super::store::{Store, Stored};
use crate::provider::{Observed, Observer};

/// The provider's surroundings and its counters.
pub(super) struct World {
    pub(super) spawner: Spawner,
    pub(super) store: Arc<Store>,
    pub(super) ports: Arc<Ports>,
    /// Folder of sockets; its path is short.
    pub(super) runtime: PathBuf,
    /// Search path of functions.
    pub(super) path: String,
    /// Home folder of functions.
    pub(super) home: String,
    /// How long a drained replica may take when its function does not say.
    pub(super) drain_bound: Duration,
    /// Held while the stored and the running state of functions change, so that they agree.
    pub(super) turn: tokio::sync::Mutex<()>,
    observer: RwLock<Option<Arc<dyn Observer>>>,
    /// The stored state is another gateway's by now.
    retired: AtomicBool,
    next_number: AtomicU64,
}

impl World {
    pub(super) fn new(
        spawner: Spawner,
        store: Store,
        runtime: PathBuf,
        path: String,
        home: String,
        drain_bound: Duration,
    ) -> Self {
        Self {
            spawner,
            store: Arc::new(store),
            ports: Arc::new(Ports::new()),
            runtime,
            path,
            home,
            drain_bound,
            turn: tokio::sync::Mutex::new(()),
            observer: RwLock::new(None),
            retired: AtomicBool::new(false),
            next_number: AtomicU64::new(1),
        }
    }

    /// The folder of secrets that a function sees.
    pub(super) fn secrets_of(&self, function: &str) -> PathBuf {
        self.runtime.join(SECRETS).join(function)
    }

    /// A number that was not given before: for revisions and replicas.
    pub(super) fn next_number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn watch(&self, observer: Arc<dyn Observer>) {
        *self.observer.write() = Some(observer);
    }

    /// Tells the observer. Called under a function's lock, which keeps its changes in order.
    pub(super) fn observed(&self, changes: Vec<Observed>) {
        if let Some(observer) = &*self.observer.read() {
            observer.observed(changes);
        }
    }

    /// Leaves the stored state to another gateway, or takes it back: from here on it is not
    /// written.
    pub(super) fn retire(&self, retired: bool) {
        self.retired.store(retired, Ordering::Relaxed);
    }

    /// Writes a function's state; the caller holds the turn.
    pub(super) async fn save(&self, name: String, stored: Stored) -> std::io::Result<()> {
        if self.retired.load(Ordering::Relaxed) {
            return Ok(());
        }
        let store = Arc::clone(&self.store);
        let saved = tokio::task::spawn_blocking(move || store.save(&name, &stored)).await;
        saved.map_err(std::io::Error::other)?
    }

    /// Forgets a function's state; the caller holds the turn.
    pub(super) async fn remove(&self, name: String) -> std::io::Result<()> {
        let store = Arc::clone(&self.store);
        let removed = tokio::task::spawn_blocking(move || store.remove(&name)).await;
        removed.map_err(std::io::Error::other)?
    }
}

/// Below the folder of sockets: one folder per function that has secrets.
pub(super) const SECRETS: &str = "secrets";
