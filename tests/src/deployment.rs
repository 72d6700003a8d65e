//! A function to deploy, built field by field.

use serde_json::{Value, json};

use crate::gateway::vice;

/// A function to deploy.
pub struct Deployment {
    pub(crate) body: Value,
}

impl Deployment {
    /// A function `name` that runs `command` per request.
    #[must_use]
    pub fn streaming(name: &str, command: &str) -> Self {
        let body = json!({"service": name, "image": "test", "envProcess": command, "envVars": {}});
        Self { body }
    }

    /// A long-lived function `name` that runs `command` and listens on `$PORT`.
    #[must_use]
    pub fn http(name: &str, command: &str) -> Self {
        Self::streaming(name, command).env("mode", "http")
    }

    /// The function that misbehaves by path.
    #[must_use]
    pub fn vice(name: &str) -> Self {
        Self::http(name, &vice())
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.body["envVars"][name] = value.into();
        self
    }

    /// Sets a label.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.body["labels"][name] = value.into();
        self
    }

    /// Sets an annotation.
    #[must_use]
    pub fn annotation(mut self, name: &str, value: &str) -> Self {
        self.body["annotations"][name] = value.into();
        self
    }

    /// Asks for this many replicas.
    #[must_use]
    pub fn replicas(self, n: u32) -> Self {
        self.label("com.openfaas.scale.min", &n.to_string())
    }

    /// The document.
    #[must_use]
    pub fn json(&self) -> String {
        self.body.to_string()
    }
}
