//! Which provider runs the functions: the one built in, with its store and spawner, or another
//! server.

use std::fs::File;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;

use tempfile::TempDir;

use super::running::{StartError, system};
use crate::provider::Provider;
use crate::provider::process::{Launched, ProcessProvider, Store};
use crate::provider::remote::{Names, RemoteProvider};
use crate::settings::Settings;

/// The built-in provider and the process that starts its functions.
pub(super) struct BuiltIn {
    pub(super) provider: ProcessProvider,
    pub(super) spawner: Child,
}

/// The built-in provider's state; `None` when another server has it.
pub(super) fn open_store(
    settings: &Settings,
    lock: Option<File>,
) -> Result<Option<Store>, StartError> {
    match &settings.data {
        Some(data) if settings.provider_url.is_none() => Ok(Some(Store::open(data, lock)?)),
        _ => Ok(None),
    }
}

/// Starts the spawner of a built-in provider.
pub(super) fn launch(
    settings: &Settings,
    folder: &TempDir,
    store: Option<Store>,
) -> std::io::Result<Option<(Store, Launched)>> {
    let Some(store) = store else {
        return Ok(None);
    };
    let discard = settings.data.clone().filter(|_| settings.data_is_temporary);
    let launched = Launched::start(folder.path(), store.logs(), discard)?;
    Ok(Some((store, launched)))
}

/// The provider, ready to be watched.
pub(super) async fn provide(
    settings: &Settings,
    folder: &Path,
    launched: Option<(Store, Launched)>,
) -> Result<(Arc<dyn Provider>, Option<BuiltIn>), StartError> {
    if let Some((store, launched)) = launched {
        let opened = ProcessProvider::open(settings, store, folder.to_owned(), launched).await;
        let (provider, spawner) = system("talk to the spawner", || opened)?;
        let shared = Arc::new(provider.clone());
        return Ok((shared, Some(BuiltIn { provider, spawner })));
    }
    let names = system("read the resolver's configuration", || {
        Names::new(&settings.dns)
    })?;
    // Without a provider's address there is a store, and the branch above was taken.
    let url = settings.provider_url.clone();
    let url = system("find the provider", || {
        url.ok_or_else(|| std::io::Error::other("it has no address"))
    })?;
    Ok((Arc::new(RemoteProvider::new(settings, url, names)), None))
}
