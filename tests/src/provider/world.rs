//! Everything a scripted provider knows; the routes read and change it under one lock.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use super::function::{Function, Readiness};
use super::kind::{DEFAULT_NAMESPACE, Kind, Options};
use super::logs::Logs;
use super::script::Script;
use crate::server::{Act, Answer, App, Seen, Vice};

/// Namespace and name.
pub(super) type Key = (String, String);

/// The provider's state and its setup.
pub(super) struct World {
    pub(super) options: Options,
    state: Mutex<State>,
}

/// What changes.
pub(super) struct State {
    pub(super) functions: BTreeMap<Key, Function>,
    pub(super) secrets: BTreeMap<Key, Vec<u8>>,
    /// By name, with their labels.
    pub(super) namespaces: BTreeMap<String, Map<String, Value>>,
    pub(super) logs: Logs,
    /// The last one that means a request wins.
    pub(super) scripts: Vec<Script>,
    /// How ready functions are that come through the API.
    pub(super) readiness: Readiness,
}

impl World {
    pub(super) fn new(options: Options) -> Self {
        let state = State {
            functions: BTreeMap::new(),
            secrets: BTreeMap::new(),
            namespaces: BTreeMap::from([(DEFAULT_NAMESPACE.to_owned(), marked())]),
            logs: Logs::default(),
            scripts: Vec::new(),
            readiness: Readiness::AtOnce,
        };
        Self {
            options,
            state: Mutex::new(state),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.options.kind
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request's target without the base path.
    fn target<'r>(&self, request: &'r Seen) -> Option<&'r str> {
        let inside = request.target.strip_prefix(self.options.base.as_str());
        inside.filter(|target| target.starts_with('/'))
    }

    /// The vice for this request, counted.
    fn vice(&self, request: &Seen, target: &str) -> Option<Vice> {
        let mut state = self.state();
        let mut scripts = state.scripts.iter_mut().rev();
        let script = scripts.find(|script| script.means(request, target))?;
        if let Some(left) = &mut script.left {
            *left -= 1;
        }
        Some(script.vice.clone())
    }
}

impl App for World {
    fn act(&self, request: &Seen) -> Act {
        let Some(target) = self.target(request) else {
            return Act::Answer(super::routes::not_found());
        };
        match self.vice(request, target) {
            Some(vice) => vice.act(|| self.route(request, target)),
            None => self.route(request, target),
        }
    }

    fn early(&self, request: &Seen) -> Option<Answer> {
        let target = self.target(request)?;
        let state = self.state();
        let mut scripts = state.scripts.iter().rev();
        match &scripts.find(|script| script.means(request, target))?.vice {
            Vice::Early(answer) => Some(answer.clone()),
            _ => None,
        }
    }
}

/// The label that makes a namespace one of OpenFaaS.
pub(super) fn marked() -> Map<String, Value> {
    let labels = json!({"openfaas": "1"});
    labels.as_object().cloned().unwrap_or_default()
}

/// A namespace, the default one for none.
pub(super) fn namespace_or_default(namespace: Option<&str>) -> String {
    let given = namespace.filter(|n| !n.is_empty());
    given.unwrap_or(DEFAULT_NAMESPACE).to_owned()
}
