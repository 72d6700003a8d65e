//! The `process` provider: the trait's calls, in turn, on the functions it has.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use ringway_proxy::FunctionId;
use tokio::sync::watch;
use tokio::time::{self, Instant};

use super::function::{Function, wanted_after};
use super::recipe::Recipe;
use super::spawner::{Launched, Spawner};
use super::state::{Life, Revision, State};
use super::store::{Store, Stored};
use super::usage::usage;
use super::world::World;
use crate::name::{LABEL_RULE, Namespace, full};
use crate::policy::REPLICAS_MAX;
use crate::provider::{Invalid, Observer, Provider, ProviderError, Target};
use crate::rfc3339;
use crate::settings::Settings;
use crate::wire::{Deployment, FunctionStatus, ProviderInfo, Shown, VersionInfo};

/// Functions as processes on this machine.
#[derive(Clone)]
pub struct ProcessProvider {
    shared: Arc<Shared>,
}

struct Shared {
    world: Arc<World>,
    namespace: Namespace,
    /// By `name.namespace`.
    functions: RwLock<BTreeMap<String, Arc<Function>>>,
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
            namespace: settings.namespace.clone(),
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

impl Shared {
    fn all(&self) -> Vec<Arc<Function>> {
        self.functions.read().values().cloned().collect()
    }

    /// Takes over what an earlier gateway stored. What cannot be run here stays on disk.
    fn load(&self) {
        let (stored, wrong) = self.world.store.load();
        for error in wrong {
            tracing::error!(%error, "a stored function cannot be read");
        }
        for stored in stored {
            let service = stored.deployment.service.clone();
            if let Err(error) = self.load_one(stored) {
                tracing::error!(function = service, %error, "a stored function cannot be run here");
            }
        }
    }

    fn load_one(&self, stored: Stored) -> Result<(), ProviderError> {
        if stored.replicas > REPLICAS_MAX {
            let rule = format!("{}: must be at most {REPLICAS_MAX}", stored.replicas);
            return Err(Invalid::new("replicas", rule).into());
        }
        let (id, current) = self.parse(stored.deployment)?;
        let mut state = State::new(current, stored.replicas, stored.created_at);
        // A fallback that cannot be run any more would not help.
        let fallback = stored.fallback.and_then(|f| self.parse(f).ok());
        state.fallback = fallback.map(|(_, revision)| revision);
        let function = Function::new(id.clone(), Arc::clone(&self.world), state);
        self.functions.write().insert(full(&id), function);
        Ok(())
    }

    /// Checks a deployment against every rule; what comes out can be run.
    fn parse(
        &self,
        mut deployment: Deployment,
    ) -> Result<(FunctionId, Arc<Revision>), ProviderError> {
        if deployment.service.is_empty() {
            return Err(Invalid::new("service", "must name the function").into());
        }
        let id = self.namespace.function(&deployment.service);
        let id = id.map_err(|_| Invalid::new("service", LABEL_RULE))?;
        if !self.is_ours(&deployment.namespace) {
            let rule = format!(
                "{:?}: the only one is {}",
                deployment.namespace, self.namespace
            );
            return Err(Invalid::new("namespace", rule).into());
        }
        self.namespace
            .as_str()
            .clone_into(&mut deployment.namespace);
        let recipe = Recipe::parse(&deployment, self.world.spawner.abilities())?;
        let number = self.world.next_number();
        Ok((
            id,
            Arc::new(Revision {
                number,
                deployment,
                recipe,
            }),
        ))
    }

    fn is_ours(&self, namespace: &str) -> bool {
        namespace.is_empty() || namespace == self.namespace.as_str()
    }

    fn find(&self, target: &Target) -> Result<Arc<Function>, ProviderError> {
        let key = format!("{}.{}", target.name, self.namespace);
        let found = || self.functions.read().get(&key).cloned();
        let found = self.is_ours(&target.namespace).then(found).flatten();
        found.ok_or_else(|| not_found(target))
    }

    /// Deploys, or updates what is there.
    async fn put(&self, deployment: Deployment, create: bool) -> Result<(), ProviderError> {
        let _turn = self.world.turn.lock().await;
        let namespace = deployment.namespace.clone();
        let target = Target {
            name: deployment.service.clone(),
            namespace,
        };
        let existing = self.find(&target).ok();
        // A function that is not there is the news, whatever else is wrong with its document.
        if existing.is_none() && !create && !target.name.is_empty() {
            return Err(not_found(&target));
        }
        let (id, revision) = self.parse(deployment)?;
        let name = full(&id);
        match existing {
            Some(function) => {
                let stored = function.read(|state| Stored {
                    deployment: revision.deployment.clone(),
                    fallback: state.next_fallback().map(|f| f.deployment.clone()),
                    replicas: wanted_after(state.wanted, &revision),
                    created_at: state.created_at.clone(),
                });
                self.world
                    .save(name.clone(), stored)
                    .await
                    .map_err(unwritten)?;
                function.update(revision);
                tracing::info!(function = name, "updated");
            }
            None => {
                let wanted = revision.recipe.scale.min;
                let created_at = rfc3339::seconds(SystemTime::now());
                let state = State::new(revision, wanted, created_at);
                self.world
                    .save(name.clone(), state.stored())
                    .await
                    .map_err(unwritten)?;
                let function = Function::new(id, Arc::clone(&self.world), state);
                self.functions
                    .write()
                    .insert(name.clone(), Arc::clone(&function));
                function.change(|_| {});
                tracing::info!(function = name, "deployed");
            }
        }
        Ok(())
    }

    async fn delete(&self, target: Target) -> Result<(), ProviderError> {
        let _turn = self.world.turn.lock().await;
        let function = self.find(&target)?;
        let name = function.full_name();
        self.world.remove(name.clone()).await.map_err(unwritten)?;
        self.functions.write().remove(&name);
        function.change(|state| state.life = Life::Deleted);
        self.world.spawner.forget_log(name.clone()).await;
        tracing::info!(function = name, "deleted");
        Ok(())
    }

    async fn scale(&self, target: Target, replicas: u64) -> Result<(), ProviderError> {
        let rule = || Invalid::new("replicas", format!("must be at most {REPLICAS_MAX}"));
        let replicas = u32::try_from(replicas).ok().filter(|n| *n <= REPLICAS_MAX);
        let replicas = replicas.ok_or_else(rule)?;
        let _turn = self.world.turn.lock().await;
        let function = self.find(&target)?;
        let mut stored = function.read(State::stored);
        if stored.replicas == replicas {
            return Ok(());
        }
        stored.replicas = replicas;
        self.world
            .save(function.full_name(), stored)
            .await
            .map_err(unwritten)?;
        function.change(|state| state.wanted = replicas);
        tracing::info!(function = function.full_name(), replicas, "scaled");
        Ok(())
    }

    /// Brings a function with waiting callers back from zero.
    async fn wake(&self, id: FunctionId) {
        let target = Target {
            name: id.name.to_string(),
            namespace: id.namespace.to_string(),
        };
        let Ok(function) = self.find(&target) else {
            return;
        };
        let (wanted, min) = function.read(|s| (s.wanted, s.current.recipe.scale.min));
        if wanted > 0 {
            return;
        }
        if let Err(error) = self.scale(target, u64::from(min.max(1))).await {
            tracing::error!(function = function.full_name(), %error, "not woken");
        }
    }
}

impl Provider for ProcessProvider {
    fn list(&self, namespace: String) -> BoxFuture<'_, Result<Vec<FunctionStatus>, ProviderError>> {
        let shared = &self.shared;
        let listed = if shared.is_ours(&namespace) {
            Ok(shared.all().iter().map(status).collect())
        } else {
            let rule = format!("{namespace:?}: the only one is {}", shared.namespace);
            Err(Invalid::new("namespace", rule).into())
        };
        std::future::ready(listed).boxed()
    }

    fn status(
        &self,
        target: Target,
        with_usage: bool,
    ) -> BoxFuture<'_, Result<FunctionStatus, ProviderError>> {
        async move {
            let function = self.shared.find(&target)?;
            let mut status = status(&function);
            if with_usage {
                status.usage = Some(usage(&function).await);
            }
            Ok(status)
        }
        .boxed()
    }

    fn deploy(&self, deployment: Deployment) -> BoxFuture<'_, Result<(), ProviderError>> {
        self.shared.put(deployment, true).boxed()
    }

    fn update(&self, deployment: Deployment) -> BoxFuture<'_, Result<(), ProviderError>> {
        self.shared.put(deployment, false).boxed()
    }

    fn delete(&self, target: Target) -> BoxFuture<'_, Result<(), ProviderError>> {
        self.shared.delete(target).boxed()
    }

    fn scale(&self, target: Target, replicas: u64) -> BoxFuture<'_, Result<(), ProviderError>> {
        self.shared.scale(target, replicas).boxed()
    }

    fn info(&self) -> BoxFuture<'_, ProviderInfo> {
        let info = ProviderInfo {
            provider: "ringway-process".to_owned(),
            orchestration: "process".to_owned(),
            version: VersionInfo::of_this_build(),
        };
        std::future::ready(info).boxed()
    }

    fn health(&self) -> BoxFuture<'_, Result<(), ProviderError>> {
        let gone = *self.shared.world.spawner.gone().borrow();
        let unavailable = ProviderError::Unavailable {
            external: "the spawner is gone",
        };
        std::future::ready(if gone { Err(unavailable) } else { Ok(()) }).boxed()
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
        tokio::spawn(async move { shared.wake(function).await });
    }
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

fn not_found(target: &Target) -> ProviderError {
    let name = match target.namespace.as_str() {
        "" => target.name.clone(),
        namespace => format!("{}.{namespace}", target.name),
    };
    ProviderError::NotFound { name }
}

fn unwritten(error: io::Error) -> ProviderError {
    ProviderError::Failed {
        external: "the state folder cannot be written",
        internal: error.to_string(),
    }
}

/// How long calls may finish when neither the function nor the gateway has a write_timeout.
const DRAIN_DEFAULT: Duration = Duration::from_secs(60);
/// A little more than a replica has between SIGTERM and SIGKILL.
const STOP_WAIT: Duration = Duration::from_secs(12);
const STOP_LOOK: Duration = Duration::from_millis(20);
