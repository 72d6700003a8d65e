//! Secrets: names in, never values out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::kind::{DEFAULT_NAMESPACE, Kind};
use super::validate::is_dns_label;
use super::world::{World, namespace_or_default};
use crate::server::{Answer, Seen};

impl World {
    pub(super) fn secrets(&self, request: &Seen) -> Answer {
        if request.method == "GET" {
            return self.secret_names(request);
        }
        let Value::Object(body) = request.json() else {
            return Answer::status(if self.kind() == Kind::Netes { 400 } else { 500 });
        };
        let text = |field: &str| body.get(field).and_then(Value::as_str);
        let name = text("name").unwrap_or_default().to_owned();
        // `rawValue` wins over `value`.
        let raw = text("rawValue").filter(|raw| !raw.is_empty());
        let value = match raw.map(|raw| STANDARD.decode(raw)) {
            Some(Ok(bytes)) => bytes,
            Some(Err(_)) => return Answer::status(400),
            None => text("value").unwrap_or_default().as_bytes().to_vec(),
        };
        match self.kind() {
            Kind::Netes => self.netes_secret(request, text("namespace"), name, value),
            Kind::Faasd => self.faasd_secret(request, text("namespace"), name, value),
        }
    }

    fn secret_names(&self, request: &Seen) -> Answer {
        let namespace = match self.namespace_of(request.parameter("namespace").as_deref()) {
            Ok(namespace) => namespace,
            Err(refusal) => return refusal,
        };
        let state = self.state();
        let keys = state.secrets.keys().filter(|(of, _)| *of == namespace);
        let rows: Vec<Value> = keys
            .map(|(of, name)| json!({"name": name, "namespace": of}))
            .collect();
        Answer::json(&rows.into())
    }

    /// Errors have empty bodies.
    fn netes_secret(
        &self,
        request: &Seen,
        namespace: Option<&str>,
        name: String,
        value: Vec<u8>,
    ) -> Answer {
        let namespace = namespace_or_default(namespace);
        if namespace != DEFAULT_NAMESPACE {
            return Answer::status(400);
        }
        if !is_dns_label(&name) {
            return Answer::status(422);
        }
        let mut state = self.state();
        let key = (namespace, name);
        let exists = state.secrets.contains_key(&key);
        match (request.method.as_str(), exists) {
            ("POST", true) => return Answer::status(409),
            ("PUT" | "DELETE", false) => return Answer::status(404),
            ("DELETE", true) => drop(state.secrets.remove(&key)),
            _ => drop(state.secrets.insert(key, value)),
        }
        Answer::status(202)
    }

    /// POST and PUT are one thing; DELETE reads the namespace from the query.
    fn faasd_secret(
        &self,
        request: &Seen,
        namespace: Option<&str>,
        name: String,
        value: Vec<u8>,
    ) -> Answer {
        if name.is_empty() || name.contains('/') || name.contains("..") {
            return Answer::text(400, "the secret's name is not allowed\n");
        }
        let mut state = self.state();
        if request.method == "DELETE" {
            let namespace = namespace_or_default(request.parameter("namespace").as_deref());
            return match state.secrets.remove(&(namespace, name)) {
                Some(_) => Answer::status(200),
                None => Answer::text(500, "the secret's file does not exist\n"),
            };
        }
        let key = (namespace_or_default(namespace), name);
        state.secrets.insert(key, value);
        Answer::status(200)
    }
}
