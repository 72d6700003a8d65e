//! What the built-in provider has: its functions, its namespaces and secrets, and the rules by
//! which they change.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::RwLock;
use ringway_proxy::FunctionId;

use super::function::{Function, wanted_after};
use super::logs::{LogQuery, Source};
use super::namespaces::Namespaces;
use super::recipe::Recipe;
use super::state::{Life, Revision, State};
use super::store::Stored;
use super::vault::Vault;
use super::world::World;
use crate::name::{LABEL_RULE, full};
use crate::policy::REPLICAS_MAX;
use crate::provider::{Invalid, LogStream, Order, ProviderError, Target};
use crate::rfc3339;
use crate::wire::{DeleteRequest, Deployment};

/// The functions, and what they need.
pub(super) struct Shared {
    pub(super) world: Arc<World>,
    pub(super) namespaces: Namespaces,
    pub(super) vault: Vault,
    /// By `name.namespace`.
    pub(super) functions: RwLock<BTreeMap<String, Arc<Function>>>,
}

/// Whether the secrets of a deployment have to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Secrets {
    /// It is new.
    MustExist,
    /// It was deployed before, and a secret may have been removed since: the function stays.
    MayBeGone,
}

impl Shared {
    pub(super) fn all(&self) -> Vec<Arc<Function>> {
        self.functions.read().values().cloned().collect()
    }

    /// Takes over what an earlier gateway stored. What cannot be run here stays on disk.
    pub(super) fn load(&self) {
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
        let (id, current) = self.parse(stored.deployment, Secrets::MayBeGone)?;
        let mut state = State::new(current, stored.replicas, stored.created_at);
        // A fallback that cannot be run any more would not help.
        let fallback = stored.fallback;
        let fallback = fallback.and_then(|f| self.parse(f, Secrets::MayBeGone).ok());
        state.fallback = fallback.map(|(_, revision)| revision);
        self.show_secrets(&id, state.secrets().map(str::to_owned))?;
        let function = Function::new(id.clone(), Arc::clone(&self.world), state);
        self.functions.write().insert(full(&id), function);
        Ok(())
    }

    /// Checks a deployment against every rule; what comes out can be run.
    fn parse(
        &self,
        mut deployment: Deployment,
        secrets: Secrets,
    ) -> Result<(FunctionId, Arc<Revision>), ProviderError> {
        if deployment.service.is_empty() {
            return Err(Invalid::new("service", "must name the function").into());
        }
        let namespace = self.existing_namespace(&deployment.namespace)?;
        let id = namespace.function(&deployment.service);
        let id = id.map_err(|_| Invalid::new("service", LABEL_RULE))?;
        namespace.as_str().clone_into(&mut deployment.namespace);
        for secret in &deployment.secrets {
            let missing = !self.vault.has(namespace.as_str(), secret);
            if missing && secrets == Secrets::MustExist {
                let rule = format!("there is no secret {secret:?} in {namespace}");
                return Err(Invalid::new("secrets", rule).into());
            }
        }
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

    pub(super) fn find(&self, target: &Target) -> Result<Arc<Function>, ProviderError> {
        let namespace = self.namespaces.find(&target.namespace);
        let key = namespace.map(|namespace| format!("{}.{namespace}", target.name));
        let found = key.and_then(|key| self.functions.read().get(&key).cloned());
        found.ok_or_else(|| not_found(target))
    }

    /// Lays out the secrets of every revision of a function that may still run.
    pub(super) fn show_secrets(
        &self,
        id: &FunctionId,
        names: impl Iterator<Item = String>,
    ) -> Result<(), ProviderError> {
        let names: Vec<String> = names.collect();
        if names.is_empty() {
            return Ok(());
        }
        let shown = self.vault.show(&full(id), id.namespace.as_str(), &names);
        shown.map_err(unwritten)
    }

    /// Reads the document of an order; the query may name its namespace.
    pub(super) fn deployment(order: &Order) -> Result<Deployment, ProviderError> {
        let mut deployment = Deployment::parse(&order.body)?;
        deployment.namespace = order.namespace(&deployment.namespace)?;
        Ok(deployment)
    }

    /// Deploys, or updates what is there.
    pub(super) async fn put(
        &self,
        deployment: Deployment,
        create: bool,
    ) -> Result<(), ProviderError> {
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
        let (id, revision) = self.parse(deployment, Secrets::MustExist)?;
        let name = full(&id);
        let shown = revision.deployment.secrets.iter().cloned();
        let before = existing.iter().flat_map(|function| {
            function.read(|state| state.secrets().map(str::to_owned).collect::<Vec<_>>())
        });
        self.show_secrets(&id, shown.chain(before))?;
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

    pub(super) async fn delete(&self, order: Order) -> Result<(), ProviderError> {
        let request = DeleteRequest::parse(&order.body)?;
        if request.function_name.is_empty() {
            return Err(Invalid::new("functionName", "must name the function").into());
        }
        let target = Target {
            namespace: order.namespace(&request.namespace)?,
            name: request.function_name,
        };
        let _turn = self.world.turn.lock().await;
        let function = self.find(&target)?;
        let name = function.full_name();
        self.world.remove(name.clone()).await.map_err(unwritten)?;
        self.functions.write().remove(&name);
        function.change(|state| state.life = Life::Deleted);
        self.world.spawner.forget_log(name.clone()).await;
        self.vault.hide(&name);
        tracing::info!(function = name, "deleted");
        Ok(())
    }

    pub(super) async fn scale(&self, target: Target, replicas: u64) -> Result<(), ProviderError> {
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
    pub(super) async fn wake(&self, id: FunctionId) {
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

    /// A function's log.
    pub(super) fn logs(self: &Arc<Self>, query: &str) -> Result<LogStream, ProviderError> {
        let query = LogQuery::parse(query)?;
        let target = Target {
            name: query.name.clone(),
            namespace: query.namespace.clone(),
        };
        let function = self.find(&target)?;
        let path = self.world.store.logs();
        Ok(query.open(Source {
            path: path.join(format!("{}.log", function.full_name())),
            name: function.id.name.to_string(),
            namespace: function.id.namespace.to_string(),
            alive: Box::new(move || function.read(|state| state.life != Life::Deleted)),
        }))
    }
}

fn not_found(target: &Target) -> ProviderError {
    let name = match target.namespace.as_str() {
        "" => target.name.clone(),
        namespace => format!("{}.{namespace}", target.name),
    };
    ProviderError::NotFound {
        what: "function",
        name,
    }
}

pub(super) fn unwritten(error: io::Error) -> ProviderError {
    ProviderError::Failed {
        external: "the state folder cannot be written",
        internal: error.to_string(),
    }
}
