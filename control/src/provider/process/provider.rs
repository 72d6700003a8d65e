//! The `process` provider: the trait's calls, in turn, on the functions it has.

use std::future::ready;
use std::io;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::StatusCode;
use parking_lot::RwLock;
use ringway_proxy::FunctionId;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{self, Instant};

use super::function::Function;
use super::namespaces::Namespaces;
use super::shared::Shared;
use super::spawner::{Launched, Spawner};
use super::state::Life;
use super::store::Store;
use super::usage::usage;
use super::vault::Vault;
use super::world::{SECRETS, World};
use crate::provider::{
    Answer, Answering, LogRequest, LogStream, Observer, Order, Provider, ProviderError, Target,
    Verb,
};
use crate::settings::Settings;
use crate::supervise::once;
use crate::wire::{FunctionStatus, ProviderInfo, Shown, VersionInfo};

/// Functions as processes on this machine.
#[derive(Clone)]
pub struct ProcessProvider {
    shared: Arc<Shared>,
}

impl ProcessProvider {
    /// Takes the spawner into service and reads the stored functions; nothing runs before
    /// [`Provider::watch`]. Also returns the spawner's process, to be waited for at the end.
    ///
    /// # Errors
    /// The spawner did not come up.
    pub async fn open(
        settings: &Settings,
        store: Store,
        runtime: PathBuf,
        launched: Launched,
    ) -> io::Result<(Self, Child)> {
        let (spawner, process) = Spawner::connect(launched).await?;
        for note in &spawner.abilities().notes {
            tracing::info!("spawner: {note}");
        }
        let around = &settings.surroundings;
        let home = around
            .home
            .as_ref()
            .map_or_else(|| "/".into(), |home| home.to_string_lossy());
        let vault = Vault::new(store.secrets(), runtime.join(SECRETS));
        let (stored, wrong) = store.load_namespaces();
        for error in wrong {
            tracing::error!(%error, "a stored namespace cannot be read");
        }
        let world = World::new(
            spawner,
            store,
            runtime,
            around.path.clone(),
            home.into_owned(),
            settings.write_timeout.unwrap_or(DRAIN_DEFAULT),
        );
        let shared = Shared {
            world: Arc::new(world),
            namespaces: Namespaces::new(settings.namespace.clone(), stored),
            vault,
            functions: RwLock::default(),
        };
        let provider = Self {
            shared: Arc::new(shared),
        };
        provider.shared.load();
        Ok((provider, process))
    }

    /// Becomes true when the spawner, and with it every function's process, is gone.
    #[must_use]
    pub fn spawner_gone(&self) -> watch::Receiver<bool> {
        self.shared.world.spawner.gone()
    }

    /// Leaves the stored state to another gateway (or takes it back); what runs, runs on.
    pub fn retire(&self, retired: bool) {
        self.shared.world.retire(retired);
    }

    /// Ends every replica; calls are over by now. The functions stay deployed.
    pub async fn stop(&self) {
        let functions = self.shared.all();
        for function in &functions {
            function.change(|state| state.life = Life::Stopping);
        }
        let deadline = Instant::now() + STOP_WAIT;
        let busy = || {
            functions
                .iter()
                .any(|f| f.read(|state| !state.replicas.is_empty()))
        };
        while busy() && Instant::now() < deadline {
            time::sleep(STOP_LOOK).await;
        }
    }
}

impl Provider for ProcessProvider {
    fn list(&self, namespace: String) -> Answering<'_> {
        let shared = &self.shared;
        let listed = shared.existing_namespace(&namespace).map(|namespace| {
            let all = shared.all();
            let here = all
                .iter()
                .filter(|f| f.id.namespace.as_str() == namespace.as_str());
            Answer::json(&here.map(status).collect::<Vec<_>>())
        });
        ready(listed.map_err(ProviderError::from)).boxed()
    }

    fn status(&self, target: Target, with_usage: bool) -> Answering<'_> {
        async move {
            let function = self.shared.find(&target)?;
            let mut status = status(&function);
            if with_usage {
                status.usage = Some(usage(&function).await);
            }
            Ok(Answer::json(&status))
        }
        .boxed()
    }

    fn deploy(&self, order: Order) -> Answering<'_> {
        async move {
            let deployment = Shared::deployment(&order)?;
            self.shared.put(deployment, true).await?;
            Ok(Answer::empty(StatusCode::ACCEPTED))
        }
        .boxed()
    }

    fn update(&self, order: Order) -> Answering<'_> {
        async move {
            let deployment = Shared::deployment(&order)?;
            self.shared.put(deployment, false).await?;
            Ok(Answer::empty(StatusCode::OK))
        }
        .boxed()
    }

    fn delete(&self, order: Order) -> Answering<'_> {
        async move {
            self.shared.delete(order).await?;
            Ok(Answer::empty(StatusCode::OK))
        }
        .boxed()
    }

    fn scale(&self, target: Target, replicas: u64) -> Answering<'_> {
        async move {
            self.shared.scale(target, replicas).await?;
            Ok(Answer::empty(StatusCode::ACCEPTED))
        }
        .boxed()
    }

    fn secrets(&self, verb: Verb, order: Order) -> Answering<'_> {
        self.shared.secrets(verb, order).boxed()
    }

    fn logs(&self, request: LogRequest) -> Answering<'_, LogStream> {
        ready(self.shared.logs(&request.query)).boxed()
    }

    fn namespaces(&self) -> Answering<'_> {
        ready(Ok(self.shared.namespace_names())).boxed()
    }

    fn namespace(&self, verb: Verb, name: String, body: Bytes) -> Answering<'_> {
        self.shared.namespace(verb, name, body).boxed()
    }

    fn telemetry(&self) -> Answering<'_> {
        let functions = self.shared.all();
        let replicas = functions.iter().map(|f| u64::from(f.read(|s| s.wanted)));
        let answer = Answer::json(&json!({
            "provider": NAME,
            "functions": functions.len(),
            "replicas": replicas.sum::<u64>(),
        }));
        ready(Ok(answer)).boxed()
    }

    fn info(&self) -> BoxFuture<'_, ProviderInfo> {
        let info = ProviderInfo {
            provider: NAME.to_owned(),
            orchestration: "process".to_owned(),
            version: VersionInfo::of_this_build(),
        };
        ready(info).boxed()
    }

    fn health(&self) -> Answering<'_, ()> {
        let gone = *self.shared.world.spawner.gone().borrow();
        let unavailable = ProviderError::Unavailable {
            external: "the spawner is gone",
        };
        ready(if gone { Err(unavailable) } else { Ok(()) }).boxed()
    }

    fn is_remote(&self) -> bool {
        false
    }

    fn watch(&self, observer: Arc<dyn Observer>) {
        let functions = self.shared.all();
        let rows = functions.iter().map(|f| f.first_row()).collect();
        observer.observed(rows);
        self.shared.world.watch(observer);
        for function in functions {
            function.change(|_| {});
        }
    }

    fn wanted(&self, function: FunctionId) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move { once("a function's wake-up", shared.wake(function)).await });
    }

    /// What is in the table here is ready; the word comes from a function of that name's own.
    fn unready(&self, _: FunctionId) {}
}

fn status(function: &Arc<Function>) -> FunctionStatus {
    function.read(|state| FunctionStatus {
        name: function.id.name.to_string(),
        deployment: Shown(state.current.deployment.clone()),
        invocation_count: 0,
        replicas: state.wanted,
        available_replicas: state.available(),
        created_at: state.created_at.clone(),
        usage: None,
    })
}

/// How this provider is called in documents.
const NAME: &str = "ringway-process";
/// How long calls may finish when neither the function nor the gateway has a write_timeout.
const DRAIN_DEFAULT: Duration = Duration::from_secs(60);
/// A little more than a replica has between SIGTERM and SIGKILL.
const STOP_WAIT: Duration = Duration::from_secs(12);
const STOP_LOOK: Duration = Duration::from_millis(20);
