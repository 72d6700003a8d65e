//! List, deploy, update, delete, status and scale.

use serde_json::{Map, Value};

use super::function::Function;
use super::kind::{DEFAULT_NAMESPACE, Kind};
use super::validate;
use super::world::{Key, World, namespace_or_default};
use crate::server::{Answer, Seen};

impl World {
    pub(super) fn list(&self, request: &Seen) -> Answer {
        let namespace = match self.namespace_of(request.parameter("namespace").as_deref()) {
            Ok(namespace) => namespace,
            Err(refusal) => return refusal,
        };
        let mut state = self.state();
        let mut body = String::from("[");
        for ((of, _), function) in &mut state.functions {
            if *of == namespace {
                if body.len() > 1 {
                    body.push(',');
                }
                body.push_str(function.row(self.kind()));
            }
        }
        body.push(']');
        Answer::raw_json(body)
    }

    pub(super) fn status(&self, request: &Seen, name: &str) -> Answer {
        let namespace = match self.namespace_of(request.parameter("namespace").as_deref()) {
            Ok(namespace) => namespace,
            Err(refusal) => return refusal,
        };
        let state = self.state();
        match state.functions.get(&(namespace, name.to_owned())) {
            Some(function) => Answer::json(&Value::Object(function.status(self.kind()))),
            None => Answer::status(404),
        }
    }

    pub(super) fn deploy(&self, request: &Seen) -> Answer {
        let (key, document) = match self.deployment(request) {
            Ok(deployment) => deployment,
            Err(refusal) => return refusal,
        };
        let mut state = self.state();
        let exists = state.functions.contains_key(&key);
        if exists && self.kind() == Kind::Netes {
            return Answer::text(500, &format!("deployment {:?} already exists\n", key.1));
        }
        if !exists && state.functions.len() >= self.options.functions_max {
            return Answer::text(400, "too many functions for this edition\n");
        }
        let mut function = Function::new(document, state.readiness, 0);
        let min = function.label("com.openfaas.scale.min");
        let min = min.and_then(|min| min.parse().ok()).unwrap_or(1);
        function.scale(self.replicas(min));
        state.functions.insert(key, function);
        Answer::status(self.kind().changed())
    }

    pub(super) fn update(&self, request: &Seen) -> Answer {
        let (key, document) = match self.deployment(request) {
            Ok(deployment) => deployment,
            Err(refusal) => return refusal,
        };
        match self.state().functions.get_mut(&key) {
            Some(function) => {
                function.update(document);
                Answer::status(self.kind().changed())
            }
            None => Answer::text(404, &format!("no function {:?}\n", key.1)),
        }
    }

    pub(super) fn delete(&self, request: &Seen) -> Answer {
        let body = request.json();
        let Some(name) = body["functionName"].as_str().filter(|n| !n.is_empty()) else {
            return Answer::text(400, "functionName is missing\n");
        };
        let namespace = match self.kind() {
            Kind::Netes => request.parameter("namespace"),
            Kind::Faasd => body["namespace"].as_str().map(str::to_owned),
        };
        let namespace = match self.namespace_of(namespace.as_deref()) {
            Ok(namespace) => namespace,
            Err(refusal) => return refusal,
        };
        let key = (namespace, name.to_owned());
        match self.state().functions.remove(&key) {
            Some(_) => Answer::status(self.kind().changed()),
            None => Answer::text(404, &format!("no function {name:?}\n")),
        }
    }

    pub(super) fn scale(&self, request: &Seen, name: &str) -> Answer {
        let body = request.json();
        let Some(replicas) = body["replicas"].as_u64() else {
            return Answer::text(400, "replicas is missing\n");
        };
        let (name, namespace) = match self.kind() {
            Kind::Netes => (name.to_owned(), request.parameter("namespace")),
            Kind::Faasd => (
                body["serviceName"].as_str().unwrap_or_default().to_owned(),
                body["namespace"].as_str().map(str::to_owned),
            ),
        };
        let namespace = match self.namespace_of(namespace.as_deref()) {
            Ok(namespace) => namespace,
            Err(refusal) => return refusal,
        };
        if replicas == 0 && !self.options.zero_allowed {
            return Answer::text(400, "replicas cannot be 0 in this edition\n");
        }
        let replicas = self.replicas(u32::try_from(replicas).unwrap_or(u32::MAX));
        match self.state().functions.get_mut(&(namespace, name.clone())) {
            Some(function) => {
                function.scale(replicas);
                Answer::status(self.kind().changed())
            }
            None => match self.kind() {
                Kind::Netes => Answer::text(500, &format!("unable to get {name:?}\n")),
                Kind::Faasd => Answer::text(404, &format!("no function {name:?}\n")),
            },
        }
    }

    /// What this edition makes of a wanted number of replicas.
    fn replicas(&self, wanted: u32) -> u32 {
        match self.kind() {
            Kind::Netes => wanted.min(5),
            Kind::Faasd => wanted.min(1),
        }
    }

    fn deployment(&self, request: &Seen) -> Result<(Key, Map<String, Value>), Answer> {
        let Value::Object(document) = request.json() else {
            return Err(Answer::text(400, "the body is no JSON object\n"));
        };
        let namespace = document.get("namespace").and_then(Value::as_str);
        let namespace = self.namespace_of(namespace)?;
        let knows = |secret: &str| {
            let key = (namespace.clone(), secret.to_owned());
            self.state().secrets.contains_key(&key)
        };
        validate::deployment(self.kind(), &document, knows)
            .map_err(|why| Answer::text(400, &format!("{why}\n")))?;
        let name = document["service"].as_str().unwrap_or_default().to_owned();
        Ok(((namespace, name), document))
    }

    /// The namespace that is meant, or 400 for one that this provider does not serve.
    pub(super) fn namespace_of(&self, namespace: Option<&str>) -> Result<String, Answer> {
        let namespace = namespace_or_default(namespace);
        let served = match self.kind() {
            Kind::Netes => namespace == DEFAULT_NAMESPACE,
            Kind::Faasd => self.state().namespaces.contains_key(&namespace),
        };
        let refusal = || Answer::text(400, &format!("namespace {namespace:?} is not served\n"));
        if served {
            Ok(namespace)
        } else {
            Err(refusal())
        }
    }
}
