//! What is known of the provider's functions, and the only door to the observer.
//!
//! An entry is also the cache of readiness: a function with an address here is called without
//! asking the provider anything.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use parking_lot::{Mutex, RwLock};
use ringway_proxy::{Address, FunctionId, Settings};

use super::direct::Direct;
use crate::name::{Namespace, full};
use crate::policy;
use crate::provider::{Observed, Observer, Row, Standing, Via};
use crate::queue::Queueing;
use crate::settings::ProviderUrl;

/// The functions.
pub(super) struct Known {
    rows: DashMap<FunctionId, Kept>,
    observer: RwLock<Option<Arc<dyn Observer>>>,
    /// Held while rows and what the observer was told change, so that they agree.
    turn: Mutex<()>,
    /// Counts changes made through this gateway: a list that began before one of them is old.
    changes: AtomicU64,
    /// Counts rounds of lists that were taken in.
    round: AtomicU64,
    pub(super) place: Place,
}

/// A row as the observer was told it.
struct Kept {
    row: Row,
    /// The round of lists that it was in last.
    round: u64,
}

/// Where calls go.
pub(super) struct Place {
    /// Namespace of functions whose row names none.
    pub(super) namespace: Namespace,
    /// `Host` of calls to the provider.
    authority: Arc<str>,
    base: Arc<str>,
    /// The provider's addresses, as last resolved.
    addresses: RwLock<Arc<[Address]>>,
    /// Replicas by name; `None` has the provider in between.
    pub(super) direct: Option<Arc<Direct>>,
    /// Whether callers of a function without replicas wait for one.
    scale_from_zero: bool,
}

impl Place {
    pub(super) fn new(
        url: &ProviderUrl,
        namespace: Namespace,
        direct: Option<Arc<Direct>>,
        scale_from_zero: bool,
    ) -> Self {
        Self {
            namespace,
            authority: url.authority().into(),
            base: url.base_path().into(),
            addresses: RwLock::new(Arc::from([])),
            direct,
            scale_from_zero,
        }
    }

    fn through_the_provider(&self, open: bool) -> Via {
        let addresses = if open {
            Arc::clone(&self.addresses.read())
        } else {
            Arc::from([])
        };
        Via::Provider {
            addresses,
            authority: Arc::clone(&self.authority),
            base: Arc::clone(&self.base),
        }
    }

    /// Where calls of a function go that stands like this.
    fn via(&self, id: &FunctionId, ready: u32) -> Via {
        let open = ready > 0 || !self.scale_from_zero;
        match &self.direct {
            Some(direct) if open => Via::Replicas(direct.addresses(id)),
            Some(_) => Via::Replicas(Vec::new()),
            None => self.through_the_provider(open),
        }
    }
}

impl Known {
    pub(super) fn new(place: Place) -> Self {
        Self {
            rows: DashMap::new(),
            observer: RwLock::new(None),
            turn: Mutex::new(()),
            changes: AtomicU64::new(0),
            round: AtomicU64::new(0),
            place,
        }
    }

    pub(super) fn follow(&self, observer: Arc<dyn Observer>) {
        *self.observer.write() = Some(observer);
        self.tell(vec![Observed::Unknown(
            self.place.through_the_provider(true),
        )]);
    }

    /// Marks a change made through this gateway.
    pub(super) fn changed(&self) -> u64 {
        self.changes.fetch_add(1, Ordering::AcqRel) + 1
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Replicas wanted and ready, as last heard.
    pub(super) fn standing(&self, id: &FunctionId) -> Option<(u32, u32)> {
        let kept = self.rows.get(id)?;
        Some((kept.row.replicas, kept.row.ready))
    }

    /// Functions with a ready replica.
    pub(super) fn ready(&self) -> Vec<FunctionId> {
        let rows = self.rows.iter().filter(|kept| kept.row.ready > 0);
        rows.map(|kept| kept.key().clone()).collect()
    }

    /// The function a row names; `None` when it is no name a path can hold.
    pub(super) fn id(&self, standing: &Standing) -> Option<FunctionId> {
        let namespace = match standing.namespace.as_str() {
            "" => self.place.namespace.as_name().clone(),
            // One text for all of them.
            named if named == self.place.namespace.as_str() => {
                self.place.namespace.as_name().clone()
            }
            named => ringway_proxy::Name::parse(named).ok()?,
        };
        Some(FunctionId {
            name: ringway_proxy::Name::parse(&standing.name).ok()?,
            namespace,
        })
    }

    /// Takes in how one function stands; the observer hears of it even when nothing changed.
    pub(super) fn present(&self, id: FunctionId, standing: &Standing, ready: u32) {
        let _turn = self.turn.lock();
        let row = self.row(id, standing, ready);
        let round = self.rows.get(&row.id).map_or(0, |kept| kept.round);
        let kept = Kept {
            row: row.clone(),
            round,
        };
        self.rows.insert(row.id.clone(), kept);
        self.tell(vec![Observed::Present(row)]);
    }

    /// Has the observer hear of a function again although nothing changed: its waiting callers
    /// may ask once more.
    pub(super) fn repeat(&self, id: &FunctionId) {
        let _turn = self.turn.lock();
        let row = self.rows.get(id).map(|kept| kept.row.clone());
        if let Some(row) = row {
            self.tell(vec![Observed::Present(row)]);
        }
    }

    /// The function is gone.
    pub(super) fn gone(&self, id: &FunctionId) {
        let _turn = self.turn.lock();
        if self.rows.remove(id).is_some() {
            self.tell(vec![Observed::Gone(id.clone())]);
        }
    }

    /// Takes in whole lists at once, unless something was changed through this gateway since
    /// they were asked for; whether they were taken in.
    pub(super) fn lists(&self, lists: Lists) -> bool {
        let _turn = self.turn.lock();
        if self.changes() != lists.asked_at {
            return false;
        }
        let round = self.round.fetch_add(1, Ordering::Relaxed) + 1;
        let mut told = Vec::new();
        for (id, standing, ready) in lists.rows {
            if let Some(mut kept) = self.rows.get_mut(&id) {
                kept.round = round;
                if self.stands(&kept.row, &standing, ready) {
                    continue;
                }
            }
            let row = self.row(id, &standing, ready);
            let kept = Kept {
                row: row.clone(),
                round,
            };
            self.rows.insert(row.id.clone(), kept);
            told.push(Observed::Present(row));
        }
        self.rows.retain(|id, kept| {
            let stays = kept.round == round || lists.unheard.contains(id.namespace.as_str());
            if !stays {
                told.push(Observed::Gone(id.clone()));
            }
            stays
        });
        self.tell(told);
        true
    }

    /// The provider was found elsewhere, or some functions' replicas were.
    pub(super) fn moved(&self, provider: Option<Vec<Address>>) {
        let _turn = self.turn.lock();
        let mut told = Vec::new();
        if let Some(addresses) = provider {
            *self.place.addresses.write() = addresses.into();
            told.push(Observed::Unknown(self.place.through_the_provider(true)));
        }
        for mut kept in self.rows.iter_mut() {
            let row = &mut kept.row;
            let via = self.place.via(&row.id, row.ready);
            if row.via != via {
                row.via = via;
                told.push(Observed::Present(row.clone()));
            }
        }
        self.tell(told);
    }

    fn row(&self, id: FunctionId, standing: &Standing, ready: u32) -> Row {
        Row {
            via: self.place.via(&id, ready),
            settings: settings(&id, standing),
            id,
            queueing: Queueing::read(&standing.annotations),
            replicas: standing.replicas,
            ready,
        }
    }

    /// Whether a row says already what is said now.
    fn stands(&self, row: &Row, standing: &Standing, ready: u32) -> bool {
        (row.replicas, row.ready) == (standing.replicas, ready)
            && row.via == self.place.via(&row.id, ready)
            && row.settings == settings(&row.id, standing)
            && row.queueing == Queueing::read(&standing.annotations)
    }

    fn tell(&self, changes: Vec<Observed>) {
        if changes.is_empty() {
            return;
        }
        if let Some(observer) = &*self.observer.read() {
            observer.observed(changes);
        }
    }
}

/// What a function's annotations ask for; nothing when they are wrong, which is the provider's to
/// refuse.
fn settings(id: &FunctionId, standing: &Standing) -> Settings {
    policy::settings(&standing.annotations).unwrap_or_else(|error| {
        tracing::debug!(function = full(id), %error, "an annotation has no effect");
        Settings::default()
    })
}

/// What one round of asking for lists brought.
pub(super) struct Lists {
    /// [`Known::changes`] when the round began.
    pub(super) asked_at: u64,
    /// Each function, how it stands, and how many of its replicas are ready.
    pub(super) rows: Vec<(FunctionId, Standing, u32)>,
    /// Namespaces that exist and whose list did not come: their functions stay as they are.
    pub(super) unheard: HashSet<String>,
}
