//! One function of a scripted provider: what was deployed, and how ready it is.

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Map, Value, json};

use super::kind::{DEFAULT_NAMESPACE, Kind};
use super::time;

/// When a function's replicas are available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// As soon as they are wanted.
    AtOnce,
    /// This long after there were none.
    After(Duration),
    /// Not at all.
    Never,
}

/// A function that was deployed.
#[derive(Clone, Debug)]
pub(super) struct Function {
    /// The deployment as it came, unknown fields included.
    pub(super) document: Map<String, Value>,
    pub(super) replicas: u32,
    pub(super) readiness: Readiness,
    /// When there last were no replicas.
    since: Instant,
    created: String,
    /// How often it was updated; faas-netes then shows a `uid` label.
    pub(super) updates: u32,
    /// The list's row, and the available replicas it shows.
    row: Option<(u32, String)>,
}

impl Function {
    pub(super) fn new(document: Map<String, Value>, readiness: Readiness, replicas: u32) -> Self {
        Self {
            document,
            replicas,
            readiness,
            since: Instant::now(),
            created: time::format(SystemTime::now()),
            updates: 0,
            row: None,
        }
    }

    /// Replaces the deployment; replicas stay.
    pub(super) fn update(&mut self, document: Map<String, Value>) {
        self.document = document;
        self.updates += 1;
        self.row = None;
    }

    /// Wants this many replicas.
    pub(super) fn scale(&mut self, replicas: u32) {
        if self.replicas == 0 {
            self.since = Instant::now();
        }
        self.replicas = replicas;
        self.row = None;
    }

    /// Changes when replicas become available, counted from now.
    pub(super) fn set_readiness(&mut self, readiness: Readiness) {
        self.readiness = readiness;
        self.since = Instant::now();
        self.row = None;
    }

    /// Replicas that answer now.
    pub(super) fn available(&self) -> u32 {
        match self.readiness {
            Readiness::AtOnce => self.replicas,
            Readiness::After(delay) if self.since.elapsed() >= delay => self.replicas,
            Readiness::After(_) | Readiness::Never => 0,
        }
    }

    /// Its row in a list, as text; made once per change.
    pub(super) fn row(&mut self, kind: Kind) -> &str {
        let available = self.available();
        if self
            .row
            .as_ref()
            .is_none_or(|(shown, _)| *shown != available)
        {
            let mut status = self.status(kind);
            if kind == Kind::Faasd {
                status.remove("availableReplicas");
            }
            self.row = Some((available, Value::Object(status).to_string()));
        }
        self.row.as_ref().map_or("", |(_, row)| row)
    }

    /// Its status document; zero counts are absent, `createdAt` never is.
    pub(super) fn status(&self, kind: Kind) -> Map<String, Value> {
        let mut status = Map::new();
        for (field, value) in &self.document {
            let shown = match field.as_str() {
                "service" | "registryAuth" | "network" => false,
                "envVars" => kind == Kind::Faasd,
                "constraints" => false,
                _ => !is_empty(value),
            };
            if shown {
                status.insert(field.clone(), value.clone());
            }
        }
        let service = &self.document["service"];
        status.insert("name".into(), service.clone());
        let namespace = self.document.get("namespace").and_then(Value::as_str);
        let namespace = namespace.filter(|n| !n.is_empty());
        status.insert(
            "namespace".into(),
            namespace.unwrap_or(DEFAULT_NAMESPACE).into(),
        );
        status.insert("createdAt".into(), self.created.clone().into());
        for (field, count) in [
            ("replicas", self.replicas),
            ("availableReplicas", self.available()),
        ] {
            if count > 0 {
                status.insert(field.into(), count.into());
            }
        }
        if kind == Kind::Netes {
            let labels = status.entry("labels").or_insert_with(|| json!({}));
            labels["faas_function"] = service.clone();
            if self.updates > 0 {
                labels["uid"] = (100_000_000 + self.updates).to_string().into();
            }
            let annotations = status.entry("annotations").or_insert_with(|| json!({}));
            annotations["prometheus.io.scrape"] = "false".into();
        }
        status
    }

    /// A label's value.
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.document.get("labels")?.get(name)?.as_str()
    }
}

/// What Go leaves out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}
