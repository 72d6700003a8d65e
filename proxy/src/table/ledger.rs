//! The publisher's own state: the rows as they stand, and what outlives each of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::table::slots::Slots;
use crate::table::snapshot::{Function, FunctionShared, Row, Table};
use crate::table::spec::{FunctionId, FunctionSpec};

/// The rows of the next table.
#[derive(Default)]
pub(super) struct Ledger {
    rows: BTreeMap<FunctionId, Row>,
    /// The row of every name that is not among them.
    unknown: Option<Row>,
    slots: Slots,
}

impl Ledger {
    /// Adds a function or replaces its row; its counters and the endpoints it keeps live on.
    pub(super) fn put(&mut self, spec: FunctionSpec, shards: usize) {
        let id = spec.id.clone();
        let old = self.rows.remove(&id).map(|row| row.function);
        let row = self.row(spec, old.as_deref(), shards);
        self.rows.insert(id, row);
    }

    pub(super) fn remove(&mut self, id: &FunctionId) {
        if let Some(row) = self.rows.remove(id) {
            self.slots.release(&row.function.endpoints);
        }
    }

    /// Sets or replaces the row of the names that no function has.
    pub(super) fn put_unknown(&mut self, spec: FunctionSpec, shards: usize) {
        let old = self.unknown.take().map(|row| row.function);
        self.unknown = Some(self.row(spec, old.as_deref(), shards));
    }

    pub(super) fn remove_unknown(&mut self) {
        if let Some(row) = self.unknown.take() {
            self.slots.release(&row.function.endpoints);
        }
    }

    /// The rows as they stand now, as a table.
    pub(super) fn table(&self) -> Table {
        let unknown = self.unknown.as_ref();
        Table::build(self.rows.values(), unknown, self.slots.serials())
    }

    /// The row of the names that no function has.
    pub(super) fn unknown(&self) -> Option<Arc<Function>> {
        let row = self.unknown.as_ref();
        row.map(|row| Arc::clone(&row.function))
    }

    /// In order of name and namespace.
    pub(super) fn functions(&self) -> Vec<Arc<Function>> {
        let rows = self.rows.values();
        rows.map(|row| Arc::clone(&row.function)).collect()
    }

    fn row(&mut self, spec: FunctionSpec, old: Option<&Function>, shards: usize) -> Row {
        // Before the old row lets go: what both use keeps its slot.
        let endpoints = self.slots.share(&spec.endpoints);
        let shared = match old {
            Some(old) => {
                self.slots.release(&old.endpoints);
                Arc::clone(&old.shared)
            }
            None => Arc::new(FunctionShared::new(shards)),
        };
        if endpoints.is_empty() {
            // It was found out: the next such word is news.
            shared.forget_unready();
        }
        Row {
            bare_alias: spec.bare_alias,
            function: Arc::new(Function::new(spec, endpoints, shared)),
        }
    }
}
