//! What is started before the first shard: the folder's lock, the spawner, the control plane's
//! threads and socket, the provider.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::runtime::{Builder, Runtime};

use super::backend::{BuiltIn, launch, open_store, provide};
use super::folder::runtime_folder;
use super::listen::bind_control;
use super::running::{StartError, system};
use super::signals::Signals;
use crate::provider::Provider;
use crate::provider::process::Store;
use crate::settings::Settings;
use crate::sys;

/// The ground floor.
pub(super) struct Base {
    pub(super) runtime: Runtime,
    pub(super) signals: Signals,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) built_in: Option<BuiltIn>,
    /// The data folder's, when the provider is the one built in.
    pub(super) lock: Option<OwnedFd>,
    /// The control plane's socket, bound.
    pub(super) control: UnixListener,
    pub(super) socket: PathBuf,
    /// Folder of sockets.
    pub(super) folder: TempDir,
}

impl Base {
    /// Starts it; `lock` was handed over by another gateway.
    pub(super) fn start(settings: &Settings, lock: Option<File>) -> Result<Self, StartError> {
        let store = open_store(settings, lock)?;
        let lock = store.as_ref().map(Store::lock).transpose();
        let lock = system("keep the folder's lock", || lock)?;
        let folder = system("make a folder for sockets", || {
            runtime_folder(&settings.surroundings.temp)
        })?;
        // Before any thread that owns shards, which must never fork.
        let launched = system("start the spawner", || launch(settings, &folder, store))?;
        sys::raise_descriptor_limit();
        let runtime = system("start the control plane's threads", threads)?;
        // From here on a signal waits for its orderly end.
        let signals = system("receive signals", || {
            let _inside = runtime.enter();
            Signals::new()
        })?;
        let (provider, built_in) = runtime.block_on(provide(settings, folder.path(), launched))?;
        let socket = folder.path().join("control");
        let control = system("bind the control plane's socket", || {
            let _inside = runtime.enter();
            bind_control(&socket)
        })?;
        Ok(Self {
            runtime,
            signals,
            provider,
            built_in,
            lock,
            control,
            socket,
            folder,
        })
    }
}

fn threads() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
}

/// The control plane's work is small, and the cores are for the shards.
const CONTROL_THREADS: usize = 2;
