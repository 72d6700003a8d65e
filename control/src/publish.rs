//! What a provider observes becomes the data plane's table: the only maker of its rows.

use dashmap::DashMap;
use ringway_proxy::{Change, Forward, FunctionId, FunctionSpec, Publisher};

use crate::name::{self, Namespace};
use crate::provider::{Observed, Observer, Row};

/// Publishes rows, and remembers how many replicas each function wants for the gauges.
pub struct Board {
    publisher: Publisher,
    /// The namespace whose functions have a bare name too.
    namespace: Namespace,
    replicas: DashMap<FunctionId, u32>,
}

impl Board {
    /// A board over an empty table.
    #[must_use]
    pub fn new(publisher: Publisher, namespace: Namespace) -> Self {
        Self {
            publisher,
            namespace,
            replicas: DashMap::new(),
        }
    }

    /// Replicas wanted, by `name.namespace` in order.
    #[must_use]
    pub fn replicas(&self) -> Vec<(String, u32)> {
        let counts = self
            .replicas
            .iter()
            .map(|entry| (name::full(entry.key()), *entry.value()));
        let mut counts: Vec<_> = counts.collect();
        counts.sort_unstable();
        counts
    }

    fn change(&self, observed: Observed) -> Change {
        match observed {
            Observed::Present(row) => {
                self.replicas.insert(row.id.clone(), row.replicas);
                Change::Put(spec(row, &self.namespace))
            }
            Observed::Gone(id) => {
                self.replicas.remove(&id);
                Change::Remove(id)
            }
        }
    }
}

impl Observer for Board {
    fn observed(&self, changes: Vec<Observed>) {
        let changes: Vec<Change> = changes.into_iter().map(|c| self.change(c)).collect();
        // Every later request on every shard sees the table when this returns.
        self.publisher.publish(changes);
    }
}

/// One row of the table. Pure.
fn spec(row: Row, default_namespace: &Namespace) -> FunctionSpec {
    FunctionSpec {
        bare_alias: row.id.namespace.as_str() == default_namespace.as_str(),
        authority: name::full(&row.id).into(),
        id: row.id,
        forward: Forward::Trimmed,
        endpoints: row.endpoints,
        settings: row.settings,
    }
}

#[cfg(test)]
mod tests {
    use ringway_proxy::{Address, Settings};

    use super::*;

    #[test]
    fn a_row_becomes_a_spec() {
        let namespace = Namespace::parse("openfaas-fn").unwrap();
        let other = Namespace::parse("dev").unwrap();
        let settings = Settings {
            priority: 7,
            ..Settings::default()
        };
        let row = Row {
            id: namespace.function("cat").unwrap(),
            endpoints: vec![Address::Unix("/r/1.s".into())],
            settings: settings.clone(),
            replicas: 1,
        };
        let spec = spec(row.clone(), &namespace);
        assert_eq!(&*spec.authority, "cat.openfaas-fn");
        assert!(spec.bare_alias && spec.forward == Forward::Trimmed);
        assert_eq!(
            (spec.settings, spec.endpoints),
            (settings, row.endpoints.clone())
        );
        assert!(!super::spec(row, &other).bare_alias);
    }
}
