//! `Publisher` (any thread) swaps tables; `Reader` (one per shard) follows.
//!
//! **Invariant:** when [`Publisher::publish`] returns, every request whose head is routed
//! afterwards, on any shard, sees the new table (store of the table, then `Release` of the
//! generation; the reader loads it with `Acquire`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::table::ledger::Ledger;
use crate::table::snapshot::{Function, Held, Table};
use crate::table::spec::{FunctionId, FunctionSpec};

/// One edit of the table.
#[derive(Clone, Debug)]
pub enum Change {
    /// Adds a function, or replaces its row.
    Put(FunctionSpec),
    /// Removes a function: new requests get 404 (or the row of unknown names), parked ones 404;
    /// those in flight finish.
    Remove(FunctionId),
    /// Sets, or replaces, the one row for every valid name that no function has. Its `id` and
    /// `bare_alias` route nothing, its calls are counted apart from the functions', and it never
    /// parks: without an endpoint the answer is 502.
    PutUnknown(FunctionSpec),
    /// Removes that row: unknown names get 404 again.
    RemoveUnknown,
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
                Change::PutUnknown(spec) => ledger.put_unknown(spec, self.shared.shards),
                Change::RemoveUnknown => ledger.remove_unknown(),
            }
        }
        let table = Arc::new(ledger.table());
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
        self.shared.ledger.lock().functions()
    }

    /// The row of unknown names, if one is set.
    #[must_use]
    pub fn unknown(&self) -> Option<Arc<Function>> {
        self.shared.ledger.lock().unknown()
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
    use crate::table::FunctionRef;
    use crate::table::spec::{Address, Forward, Settings};

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

    #[test]
    fn unknown_names_have_a_row_of_their_own() {
        let publisher = Publisher::new(1);
        let mut reader = publisher.reader();
        let mut at = |name: &[u8]| {
            let found = FunctionRef::route(reader.table().0, name);
            found.map(|f| (f.id.name.to_string(), f.is_catch_all()))
        };
        publisher.publish([Change::Put(spec("a", &[1]))]);
        assert_eq!(at(b"b"), None);
        publisher.publish([Change::PutUnknown(spec("any", &[1]))]);
        assert_eq!(at(b"a"), Some(("a".into(), false)));
        assert_eq!(at(b"b"), Some(("any".into(), true)));
        assert_eq!(at(b"any"), Some(("any".into(), true)));
        let before = publisher.unknown().unwrap();
        before.shared.counters.shard(0).started.add(1);
        publisher.publish([Change::PutUnknown(spec("any", &[]))]);
        let after = publisher.unknown().unwrap();
        assert_eq!(after.shared.counters.started(), 1, "its counters live on");
        assert!(
            publisher
                .functions()
                .iter()
                .all(|f| f.id.name.as_str() == "a")
        );
        publisher.publish([Change::Remove(before.id.clone())]);
        assert!(publisher.unknown().is_some(), "its id routes nothing");
        publisher.publish([Change::RemoveUnknown, Change::Remove(spec("a", &[]).id)]);
        assert_eq!((at(b"b"), at(b"a")), (None, None));
        assert!(publisher.unknown().is_none());
        assert_eq!(*publisher.current().serials, [0]);
    }

    #[test]
    fn a_removed_name_is_not_found_again_as_unknown() {
        let publisher = Publisher::new(1);
        let mut reader = publisher.reader();
        publisher.publish([
            Change::Put(spec("a", &[])),
            Change::PutUnknown(spec("any", &[1])),
        ]);
        let held = FunctionRef::route(reader.table().0, b"a").unwrap();
        let unknown = FunctionRef::route(reader.table().0, b"b").unwrap();
        publisher.publish([Change::Remove(held.id.clone())]);
        let table = reader.table().0;
        assert!(held.newest(table).is_none());
        assert!(unknown.newest(table).is_some_and(|f| f.is_catch_all()));
        publisher.publish([Change::RemoveUnknown]);
        assert!(unknown.newest(reader.table().0).is_none());
    }

    #[test]
    fn ten_thousand_functions_of_one_provider_are_one_endpoint() {
        let publisher = Publisher::new(2);
        let authority: Arc<str> = "provider:8080".into();
        let prefix: Arc<str> = "/base".into();
        let rows = (0..10_000).map(|i| FunctionSpec {
            authority: Arc::clone(&authority),
            forward: Forward::Kept {
                prefix: Arc::clone(&prefix),
            },
            ..spec(&format!("f{i}"), &[8080])
        });
        publisher.publish(rows.map(Change::Put));
        let functions = publisher.functions();
        let first = &functions[0].endpoints[0];
        assert_eq!(*publisher.current().serials, [first.serial]);
        assert!(functions.iter().all(|f| {
            let own = &f.endpoints[0];
            own.slot == first.slot
                && own.serial == first.serial
                && Arc::ptr_eq(&own.address, &first.address)
                && Arc::ptr_eq(&f.authority, &authority)
        }));
        let gone = functions[1..].iter().map(|f| Change::Remove(f.id.clone()));
        publisher.publish(gone);
        assert_eq!(*publisher.current().serials, [first.serial]);
        publisher.publish([Change::Remove(functions[0].id.clone())]);
        assert_eq!(*publisher.current().serials, [0]);
    }
}
