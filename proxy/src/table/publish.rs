//! `Publisher` (any thread) swaps tables; `Reader` (one per shard) follows.
//!
//! **Invariant:** when [`Publisher::publish`] returns, every request whose head is routed
//! afterwards, on any shard, sees the new table (store of the table, then `Release` of the
//! generation; the reader loads it with `Acquire`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::metrics::FunctionCounters;
use crate::table::snapshot::{Endpoint, Function, FunctionShared, Held, Table};
use crate::table::spec::{Address, FunctionId, FunctionSpec};

/// One edit of the table.
#[derive(Clone, Debug)]
pub enum Change {
    /// Adds a function, or replaces its row.
    Put(FunctionSpec),
    /// Removes a function: new requests get 404, parked ones too; those in flight finish.
    Remove(FunctionId),
}

/// Wakes a shard so that parked requests look at the new table.
pub(crate) trait Doorbell: Send + Sync {
    fn ring(&self);
}

/// Publishes tables; clones share one table.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
}

/// What publisher and readers share.
pub(crate) struct Shared {
    generation: AtomicU64,
    current: Mutex<Arc<Table>>,
    ledger: Mutex<Ledger>,
    doorbells: Mutex<Vec<Arc<dyn Doorbell>>>,
    shards: usize,
}

/// The publisher's own state: the functions, and who owns which endpoint slot.
#[derive(Default)]
struct Ledger {
    functions: BTreeMap<FunctionId, (bool, Arc<Function>)>,
    free_slots: Vec<u32>,
    next_slot: u32,
    next_serial: u64,
}

impl Publisher {
    /// An empty table for a gateway of `shards` shards (threads); 0 counts as 1.
    #[must_use]
    pub fn new(shards: usize) -> Self {
        let shards = shards.max(1);
        Self {
            shared: Arc::new(Shared {
                generation: AtomicU64::new(0),
                current: Mutex::default(),
                ledger: Mutex::default(),
                doorbells: Mutex::default(),
                shards,
            }),
        }
    }

    /// The number of shards it was made for.
    pub(crate) fn shards(&self) -> usize {
        self.shared.shards
    }

    /// Applies `changes` in order, as one new table. Costs O(functions).
    pub fn publish(&self, changes: impl IntoIterator<Item = Change>) {
        let mut ledger = self.shared.ledger.lock();
        for change in changes {
            match change {
                Change::Put(spec) => ledger.put(spec, self.shared.shards),
                Change::Remove(id) => ledger.remove(&id),
            }
        }
        let table = Arc::new(Table::build(ledger.functions.values()));
        *self.shared.current.lock() = table;
        // Release: a reader that sees this generation finds the table stored above.
        self.shared.generation.fetch_add(1, Ordering::Release);
        for bell in self.shared.doorbells.lock().iter() {
            bell.ring();
        }
    }

    /// The table that requests see now.
    #[must_use]
    pub fn current(&self) -> Arc<Table> {
        Arc::clone(&self.shared.current.lock())
    }

    /// Every function that is published now, in order of name and namespace.
    #[must_use]
    pub fn functions(&self) -> Vec<Arc<Function>> {
        let ledger = self.shared.ledger.lock();
        ledger
            .functions
            .values()
            .map(|(_, f)| Arc::clone(f))
            .collect()
    }

    pub(crate) fn subscribe(&self, bell: Arc<dyn Doorbell>) {
        self.shared.doorbells.lock().push(bell);
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader {
            shared: Arc::clone(&self.shared),
            seen: u64::MAX,
            table: Held::default(),
        }
    }
}

impl Ledger {
    fn put(&mut self, spec: FunctionSpec, shards: usize) {
        let old = self.functions.remove(&spec.id);
        let (known, shared) = match &old {
            Some((_, f)) => (&*f.endpoints, Arc::clone(&f.shared)),
            None => (
                &[][..],
                Arc::new(FunctionShared {
                    counters: FunctionCounters::new(shards),
                    inflight: AtomicU32::new(0),
                }),
            ),
        };
        let mut endpoints = Vec::with_capacity(spec.endpoints.len());
        for address in &spec.endpoints {
            if endpoints.iter().any(|e: &Endpoint| *e.address == *address) {
                continue;
            }
            let kept = known.iter().find(|e| *e.address == *address).cloned();
            endpoints.push(kept.unwrap_or_else(|| {
                claim(
                    &mut self.free_slots,
                    &mut self.next_slot,
                    &mut self.next_serial,
                    address,
                )
            }));
        }
        for gone in known
            .iter()
            .filter(|e| !endpoints.iter().any(|k| k.serial == e.serial))
        {
            self.free_slots.push(gone.slot);
        }
        let id = spec.id.clone();
        let bare_alias = spec.bare_alias;
        let function = Function::new(spec, endpoints.into_boxed_slice(), shared);
        self.functions.insert(id, (bare_alias, Arc::new(function)));
    }

    fn remove(&mut self, id: &FunctionId) {
        if let Some((_, function)) = self.functions.remove(id) {
            self.free_slots
                .extend(function.endpoints.iter().map(|e| e.slot));
        }
    }
}

fn claim(
    free: &mut Vec<u32>,
    next_slot: &mut u32,
    next_serial: &mut u64,
    address: &Address,
) -> Endpoint {
    let slot = free.pop().unwrap_or_else(|| {
        let slot = *next_slot;
        *next_slot = next_slot.saturating_add(1);
        slot
    });
    *next_serial = next_serial.saturating_add(1);
    Endpoint {
        slot,
        serial: *next_serial,
        address: Arc::new(address.clone()),
    }
}

/// One shard's view of the published table.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    seen: u64,
    table: Held,
}

impl Reader {
    /// The newest table: one atomic load when nothing changed. The flag says that it changed.
    pub(crate) fn table(&mut self) -> (&Held, bool) {
        let generation = self.shared.generation.load(Ordering::Acquire);
        let moved = generation != self.seen;
        if moved {
            self.table = Held::new(Arc::clone(&self.shared.current.lock()));
            self.seen = generation;
        }
        (&self.table, moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;
    use crate::table::spec::{Forward, Settings};

    fn spec(name: &str, ports: &[u16]) -> FunctionSpec {
        FunctionSpec {
            id: FunctionId {
                name: Name::parse(name).unwrap(),
                namespace: Name::parse("openfaas-fn").unwrap(),
            },
            bare_alias: true,
            authority: name.into(),
            forward: Forward::Trimmed,
            endpoints: ports
                .iter()
                .map(|p| Address::Tcp(([127, 0, 0, 1], *p).into()))
                .collect(),
            settings: Settings::default(),
        }
    }

    #[test]
    fn both_names_reach_one_function() {
        let publisher = Publisher::new(1);
        publisher.publish([Change::Put(spec("a", &[1]))]);
        let table = publisher.current();
        let bare = table.lookup(b"a").unwrap();
        let full = table.lookup(b"a.openfaas-fn").unwrap();
        assert!(Arc::ptr_eq(bare, full));
        assert!(table.lookup(b"a.other").is_none());
        assert!(table.lookup(b"").is_none());
    }

    #[test]
    fn a_reader_sees_a_table_as_soon_as_publish_returns() {
        let publisher = Publisher::new(1);
        let mut reader = publisher.reader();
        assert!(reader.table().0.is_empty());
        publisher.publish([Change::Put(spec("a", &[1]))]);
        let (table, moved) = reader.table();
        assert!(moved && table.lookup(b"a").is_some());
        assert!(!reader.table().1);
        publisher.publish([Change::Remove(spec("a", &[]).id)]);
        assert!(reader.table().0.lookup(b"a").is_none());
    }

    #[test]
    fn endpoints_keep_their_slot_and_serial_while_they_stay() {
        let publisher = Publisher::new(1);
        publisher.publish([Change::Put(spec("a", &[1, 2]))]);
        let before = publisher.functions().remove(0);
        publisher.publish([Change::Put(spec("a", &[2, 3]))]);
        let after = publisher.functions().remove(0);
        assert_eq!(before.endpoints[1].serial, after.endpoints[0].serial);
        assert_eq!(before.endpoints[1].slot, after.endpoints[0].slot);
        assert_ne!(before.endpoints[0].serial, after.endpoints[1].serial);
        publisher.publish([Change::Put(spec("b", &[9, 9]))]);
        let b = publisher.functions().remove(1);
        assert_eq!(b.endpoints.len(), 1, "a doubled address is one endpoint");
        assert_eq!(
            b.endpoints[0].slot, before.endpoints[0].slot,
            "freed slots are used again"
        );
        assert_ne!(b.endpoints[0].serial, before.endpoints[0].serial);
    }
}
