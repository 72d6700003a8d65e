//! What a provider observes becomes the data plane's table: the only maker of its rows.

use std::sync::Arc;

use dashmap::DashMap;
use ringway_proxy::{Change, Forward, FunctionId, FunctionSpec, Publisher, Settings};

use crate::name::{self, Namespace};
use crate::provider::{Observed, Observer, Row, Via};
use crate::queue::Queueing;

/// Publishes rows, and remembers how many replicas each function has for the gauges.
pub struct Board {
    publisher: Publisher,
    /// The namespace whose functions have a bare name too.
    namespace: Namespace,
    known: DashMap<FunctionId, Known>,
}

/// What is kept of a row.
struct Known {
    /// Replicas wanted.
    replicas: u32,
    /// Replicas that take traffic.
    ready: u32,
    queueing: Queueing,
}

/// How many replicas a function has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    /// `name.namespace`.
    pub name: String,
    /// Replicas wanted.
    pub replicas: u32,
    /// Replicas that take traffic.
    pub ready: u32,
}

impl Board {
    /// A board over an empty table.
    #[must_use]
    pub fn new(publisher: Publisher, namespace: Namespace) -> Self {
        Self {
            publisher,
            namespace,
            known: DashMap::new(),
        }
    }

    /// How every function stands, by `name.namespace` in order.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        let standings = self.known.iter().map(|entry| Standing {
            name: name::full(entry.key()),
            replicas: entry.replicas,
            ready: entry.ready,
        });
        let mut standings: Vec<_> = standings.collect();
        standings.sort_unstable();
        standings
    }

    /// Whether there is such a function.
    #[must_use]
    pub fn knows(&self, id: &FunctionId) -> bool {
        self.known.contains_key(id)
    }

    /// How queued calls of a function are run, by `name.namespace`; `None` when it is not known.
    #[must_use]
    pub fn queueing(&self, full: &str) -> Option<Queueing> {
        let id = name::parse_full(full)?;
        Some(self.known.get(&id)?.queueing.clone())
    }

    fn change(&self, observed: Observed) -> Change {
        match observed {
            Observed::Present(row) => {
                self.known.insert(row.id.clone(), known(&row));
                Change::Put(spec(row, &self.namespace))
            }
            Observed::Gone(id) => {
                self.known.remove(&id);
                Change::Remove(id)
            }
            Observed::Unknown(via) => unknown(via, &self.namespace),
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

fn known(row: &Row) -> Known {
    let mut queueing = row.queueing.clone();
    // More calls at once would be refused.
    let bounds = [queueing.concurrency, row.settings.inflight_max];
    queueing.concurrency = bounds.into_iter().flatten().min();
    Known {
        replicas: row.replicas,
        ready: row.ready,
        queueing,
    }
}

/// One row of the table. Pure.
fn spec(row: Row, default_namespace: &Namespace) -> FunctionSpec {
    let bare_alias = row.id.namespace.as_str() == default_namespace.as_str();
    let (endpoints, authority, forward) = match row.via {
        Via::Replicas(endpoints) => {
            let authority = Arc::from(name::full(&row.id));
            (endpoints, authority, Forward::Trimmed)
        }
        Via::Provider {
            addresses,
            authority,
            base,
        } => (
            addresses.to_vec(),
            authority,
            Forward::Kept { prefix: base },
        ),
    };
    FunctionSpec {
        id: row.id,
        bare_alias,
        authority,
        forward,
        endpoints,
        settings: row.settings,
    }
}

/// The row of the names that no function has.
fn unknown(via: Via, namespace: &Namespace) -> Change {
    let Ok(id) = namespace.function(UNKNOWN) else {
        return Change::RemoveUnknown;
    };
    let row = Row {
        id,
        via,
        settings: Settings::default(),
        queueing: Queueing::default(),
        replicas: 0,
        ready: 0,
    };
    Change::PutUnknown(spec(row, namespace))
}

/// What calls of unknown names are counted under; no function's full name is without a point.
pub(crate) const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests {
    use ringway_proxy::Address;

    use super::*;

    fn row(via: Via) -> Row {
        let namespace = Namespace::parse("openfaas-fn").unwrap();
        Row {
            id: namespace.function("cat").unwrap(),
            via,
            settings: Settings {
                priority: 7,
                ..Settings::default()
            },
            queueing: Queueing::default(),
            replicas: 1,
            ready: 1,
        }
    }

    #[test]
    fn replicas_get_the_path_behind_the_name() {
        let namespace = Namespace::parse("openfaas-fn").unwrap();
        let other = Namespace::parse("dev").unwrap();
        let address = Address::Unix("/r/1.s".into());
        let row = row(Via::Replicas(vec![address.clone()]));
        let spec = spec(row.clone(), &namespace);
        assert_eq!(&*spec.authority, "cat.openfaas-fn");
        assert!(spec.bare_alias && spec.forward == Forward::Trimmed);
        assert_eq!((spec.settings.priority, spec.endpoints), (7, vec![address]));
        assert!(!super::spec(row, &other).bare_alias);
    }

    #[test]
    fn a_provider_gets_the_path_as_it_came() {
        let namespace = Namespace::parse("openfaas-fn").unwrap();
        let addresses = [Address::Tcp(([127, 0, 0, 1], 8081).into())];
        let spec = spec(
            row(Via::Provider {
                addresses: addresses.clone().into(),
                authority: "faasd:8081".into(),
                base: "/base".into(),
            }),
            &namespace,
        );
        assert_eq!(&*spec.authority, "faasd:8081");
        let prefix = "/base".into();
        assert_eq!(spec.forward, Forward::Kept { prefix });
        assert_eq!(spec.endpoints, addresses);
    }
}
