//! One function at work: its state under a lock, its replicas as tasks, its row as observed.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use parking_lot::Mutex;
use ringway_proxy::{Address, FunctionId};
use tokio::sync::watch;

use super::replica;
use super::state::{Life, Phase, Replica, Revision, State};
use super::usage::Measurement;
use super::world::World;
use crate::name;
use crate::provider::{Observed, Row, Via};
use crate::supervise::once;

/// A deployed function.
pub(super) struct Function {
    pub(super) id: FunctionId,
    pub(super) world: Arc<World>,
    inner: Mutex<Inner>,
}

struct Inner {
    state: State,
    /// Tells a replica's task to end, by its key.
    leave: HashMap<u64, watch::Sender<bool>>,
    /// The row as it was told last.
    shown: Option<Row>,
    /// The last measurement, to tell a rate from.
    measured: Option<Measurement>,
}

impl Function {
    pub(super) fn new(id: FunctionId, world: Arc<World>, state: State) -> Arc<Self> {
        let leave = HashMap::new();
        let inner = Inner {
            state,
            leave,
            shown: None,
            measured: None,
        };
        Arc::new(Self {
            id,
            world,
            inner: Mutex::new(inner),
        })
    }

    /// `name.namespace`.
    pub(super) fn full_name(&self) -> String {
        name::full(&self.id)
    }

    /// Looks at the state.
    pub(super) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.inner.lock().state)
    }

    /// Changes the state and does what follows: the observer knows when this returns.
    pub(super) fn change(self: &Arc<Self>, edit: impl FnOnce(&mut State)) {
        let mut inner = self.inner.lock();
        edit(&mut inner.state);
        let plan = inner.state.plan();
        for key in &plan.leave {
            inner.state.leave(*key);
        }
        if plan.settled {
            inner.state.fallback = None;
        }
        let started = plan.start.into_iter().map(|revision| {
            let key = self.world.next_number();
            let (leave, left) = watch::channel(false);
            let starting = Replica {
                key,
                revision: revision.number,
                phase: Phase::Starting,
                process: None,
            };
            inner.state.replicas.push(starting);
            inner.leave.insert(key, leave);
            (key, revision, left)
        });
        let started: Vec<_> = started.collect();
        // The row first: whoever leaves must not be in the table any more. Should that panic, what
        // was decided is done all the same, and the caller's task panics then.
        let shown = catch_unwind(AssertUnwindSafe(|| self.show(&mut inner)));
        for key in plan.leave {
            if let Some(leave) = inner.leave.get(&key) {
                leave.send_replace(true);
            }
        }
        for (key, revision, left) in started {
            tokio::spawn(replica::keep_running(Arc::clone(self), key, revision, left));
        }
        if plan.settled {
            tokio::spawn(once("a function's state", save_settled(Arc::clone(self))));
        }
        drop(inner);
        if let Err(panic) = shown {
            resume_unwind(panic);
        }
    }

    /// The row to begin with, for one observation of all functions.
    pub(super) fn first_row(&self) -> Observed {
        let mut inner = self.inner.lock();
        let row = self.row(&inner.state);
        inner.shown = Some(row.clone());
        Observed::Present(row)
    }

    fn show(&self, inner: &mut Inner) {
        if inner.state.life == Life::Deleted {
            if inner.shown.is_some() {
                self.world.observed(vec![Observed::Gone(self.id.clone())]);
                inner.shown = None;
            }
            return;
        }
        let row = self.row(&inner.state);
        if inner.shown.as_ref() != Some(&row) {
            self.world.observed(vec![Observed::Present(row.clone())]);
            inner.shown = Some(row);
        }
    }

    fn row(&self, state: &State) -> Row {
        Row {
            id: self.id.clone(),
            via: Via::Replicas(state.endpoints()),
            settings: state.current.recipe.settings(state.wanted),
            queueing: state.current.recipe.queueing.clone(),
            replicas: state.wanted,
            ready: state.available(),
        }
    }

    /// A replica is ready, by its process's number.
    pub(super) fn ready(self: &Arc<Self>, key: u64, process: u64, address: Address) {
        self.change(|state| state.mark(key, Phase::Ready(address), Some(process)));
    }

    /// A replica is starting, with or without a process.
    pub(super) fn starting(self: &Arc<Self>, key: u64, process: Option<u64>) {
        self.change(|state| state.mark(key, Phase::Starting, process));
    }

    /// A replica's task has ended.
    pub(super) fn forget(self: &Arc<Self>, key: u64) {
        self.inner.lock().leave.remove(&key);
        self.change(|state| state.replicas.retain(|r| r.key != key));
    }

    /// Remembers a measurement and returns the one before.
    pub(super) fn measured(&self, now: Measurement) -> Option<Measurement> {
        self.inner.lock().measured.replace(now)
    }

    /// Whether the gateway is stopping, and calls in flight are over.
    pub(super) fn is_stopping(&self) -> bool {
        self.read(|state| state.life == Life::Stopping)
    }

    /// Deploys a new revision; at least as many replicas as it asks for.
    pub(super) fn update(self: &Arc<Self>, revision: Arc<Revision>) {
        self.change(|state| {
            let wanted = wanted_after(state.wanted, &revision);
            state.update(revision, wanted);
        });
    }
}

/// Replicas after an update: as many as there are, within the new bounds.
pub(super) fn wanted_after(wanted: u32, revision: &Revision) -> u32 {
    let scale = revision.recipe.scale;
    wanted.max(scale.min).min(scale.max.unwrap_or(u32::MAX))
}

/// Writes that the fallback is not needed any more.
async fn save_settled(function: Arc<Function>) {
    let _turn = function.world.turn.lock().await;
    let (life, stored) = function.read(|state| (state.life, state.stored()));
    if life == Life::Deleted {
        return;
    }
    if let Err(error) = function.world.save(function.full_name(), stored).await {
        tracing::error!(function = function.full_name(), %error, "the state was not written");
    }
}
