//! `Table`, `Function`, `Endpoint`: plain data and one lookup.

use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use foldhash::fast::RandomState;

use crate::clock::Millis;
use crate::limits::UNREADY_EVERY;
use crate::metrics::FunctionCounters;
use crate::table::spec::{Address, Forward, FunctionId, FunctionSpec, Settings};

/// An immutable map from the name in a path to a function.
#[derive(Debug, Default)]
pub struct Table {
    /// Keys are `name` (default namespace only) and `name.namespace`; values index `functions`.
    /// The hash is a fast one: only who may deploy functions can choose names that collide in it.
    names: HashMap<Box<[u8]>, u32, RandomState>,
    functions: Box<[Arc<Function>]>,
    /// The index of the row of unknown names: the last one, if there is one.
    unknown: Option<u32>,
    /// By endpoint slot: its owner's serial, 0 when nobody owns it.
    pub(crate) serials: Box<[u64]>,
}

/// One function as the ledger keeps it.
pub(super) struct Row {
    /// See [`FunctionSpec::bare_alias`].
    pub(super) bare_alias: bool,
    pub(super) function: Arc<Function>,
}

/// One function's row.
#[derive(Debug)]
pub struct Function {
    /// Name and namespace.
    pub id: FunctionId,
    /// `Host` of the requests sent to it.
    pub(crate) authority: Arc<str>,
    /// Which path they have.
    pub(crate) forward: Forward,
    /// Replicas that are ready; empty parks the callers.
    pub(crate) endpoints: Box<[Endpoint]>,
    /// Limits and policies.
    pub(crate) settings: Settings,
    /// Set once the [`Demand`](crate::Demand) callback was told of this row.
    pub(crate) demanded: AtomicBool,
    /// Set while the control plane finds out whether its provider has a replica after all; the
    /// next row answers that.
    pub(crate) doubted: AtomicBool,
    /// State that outlives this row: counters and the in-flight count.
    pub(crate) shared: Arc<FunctionShared>,
}

/// State of a function that outlives the rows which describe it.
#[derive(Debug)]
pub(crate) struct FunctionShared {
    /// Per-shard counters.
    pub(crate) counters: FunctionCounters,
    /// Requests in flight over all shards; kept only when a row sets `inflight_max`.
    pub(crate) inflight: AtomicU32,
    /// When [`Demand::unready`](crate::Demand::unready) may be told of it again.
    unready_after: AtomicU64,
}

impl FunctionShared {
    pub(super) fn new(shards: usize) -> Self {
        Self {
            counters: FunctionCounters::new(shards),
            inflight: AtomicU32::new(0),
            unready_after: AtomicU64::new(0),
        }
    }

    /// Lets the next word of a provider that it has no replica be told at once.
    pub(super) fn forget_unready(&self) {
        self.unready_after.store(0, Ordering::Relaxed);
    }

    /// Whether it is time to tell that a provider has no replica, over all shards; yes says that
    /// the caller tells it.
    pub(crate) fn tells_unready(&self, now: Millis) -> bool {
        let after = self.unready_after.load(Ordering::Relaxed);
        let again = now.saturating_add(UNREADY_EVERY.as_millis() as Millis);
        // Of two shards at the same moment one wins.
        let swapped = |again| {
            self.unready_after
                .compare_exchange(after, again, Ordering::Relaxed, Ordering::Relaxed)
        };
        now >= after && swapped(again).is_ok()
    }
}

/// One address that functions are reached at: a replica, or the provider of many functions.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Dense index into the shards' endpoint state, the same for every function that uses the
    /// address; reused after its last user is gone.
    pub(crate) slot: u32,
    /// Never reused: tells a slot's present owner from an earlier one.
    pub(crate) serial: u64,
    /// Where it listens.
    pub(crate) address: Arc<Address>,
}

impl Table {
    /// Looks a name up as it stands in the path: `name` or `name.namespace`.
    #[must_use]
    pub fn lookup(&self, name: &[u8]) -> Option<&Arc<Function>> {
        self.functions.get(self.index(name)? as usize)
    }

    /// A function's row.
    pub(crate) fn function(&self, id: &FunctionId) -> Option<&Arc<Function>> {
        let name = format!("{}.{}", id.name, id.namespace);
        self.lookup(name.as_bytes())
    }

    /// The position of a name's function, for a reference that does not count.
    pub(crate) fn index(&self, name: &[u8]) -> Option<u32> {
        self.names.get(name).copied()
    }

    /// Number of routable names (aliases count).
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether the table routes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    pub(super) fn build<'a>(
        rows: impl ExactSizeIterator<Item = &'a Row>,
        unknown: Option<&Row>,
        serials: Box<[u64]>,
    ) -> Self {
        let mut names =
            HashMap::with_capacity_and_hasher(rows.len().saturating_mul(2), RandomState::default());
        let mut functions = Vec::with_capacity(rows.len().saturating_add(1));
        for (index, row) in (0u32..).zip(rows) {
            let function = &row.function;
            let id = &function.id;
            let full = format!("{}.{}", id.name, id.namespace);
            names.insert(full.into_bytes().into_boxed_slice(), index);
            if row.bare_alias {
                names.insert(id.name.as_str().as_bytes().into(), index);
            }
            functions.push(Arc::clone(function));
        }
        let unknown = unknown.map(|row| {
            functions.push(Arc::clone(&row.function));
            (functions.len() - 1) as u32
        });
        Self {
            names,
            unknown,
            functions: functions.into_boxed_slice(),
            serials,
        }
    }
}

/// A shard's hold on a table: counted inside the shard, so that taking one more touches no
/// cache line that other shards use.
#[derive(Clone, Default)]
#[expect(
    clippy::redundant_allocation,
    reason = "the outer count is the shard's own"
)]
pub(crate) struct Held(Rc<Arc<Table>>);

impl Held {
    pub(crate) fn new(table: Arc<Table>) -> Self {
        Self(Rc::new(table))
    }
}

impl Deref for Held {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.0
    }
}

/// One exchange's hold on a function: keeps the table by the shard-local count, so that no
/// shared cache line is written per request.
#[derive(Clone)]
pub(crate) struct FunctionRef {
    table: Held,
    /// `index < table.functions.len()`
    index: u32,
}

impl FunctionRef {
    /// The function of a valid name, or the row of unknown names.
    pub(crate) fn route(table: &Held, name: &[u8]) -> Option<Self> {
        let index = table.index(name).or(table.unknown)?;
        Some(Self::at(table, index))
    }

    /// This function's row in a newer table; `None` when it was removed, even if its name is an
    /// unknown one by now.
    pub(crate) fn newest(&self, table: &Held) -> Option<Self> {
        if self.is_catch_all() {
            return Some(Self::at(table, table.unknown?));
        }
        let name = format!("{}.{}", self.id.name, self.id.namespace);
        Some(Self::at(table, table.index(name.as_bytes())?))
    }

    /// Whether this is the row of unknown names.
    pub(crate) fn is_catch_all(&self) -> bool {
        self.table.unknown == Some(self.index)
    }

    fn at(table: &Held, index: u32) -> Self {
        Self {
            table: table.clone(),
            index,
        }
    }
}

impl Deref for FunctionRef {
    type Target = Function;

    fn deref(&self) -> &Function {
        &self.table.functions[self.index as usize]
    }
}

impl Function {
    /// Endpoints that calls may go to now; 0 parks them.
    pub(crate) fn open_endpoints(&self) -> usize {
        if self.doubted.load(Ordering::Relaxed) {
            return 0;
        }
        self.endpoints.len()
    }

    pub(crate) fn new(
        spec: FunctionSpec,
        endpoints: Box<[Endpoint]>,
        shared: Arc<FunctionShared>,
    ) -> Self {
        Self {
            id: spec.id,
            authority: spec.authority,
            forward: spec.forward,
            endpoints,
            settings: spec.settings,
            demanded: AtomicBool::new(false),
            doubted: AtomicBool::new(false),
            shared,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unready_is_told_once_per_interval() {
        let shared = FunctionShared::new(1);
        assert!(shared.tells_unready(0));
        assert!(!shared.tells_unready(0));
        assert!(!shared.tells_unready(249));
        assert!(shared.tells_unready(250));
        // A shard whose coarse time lags.
        assert!(!shared.tells_unready(240));
        assert!(!shared.tells_unready(499));
        assert!(shared.tells_unready(10_000));
        shared.forget_unready();
        assert!(shared.tells_unready(10_001));
    }
}
