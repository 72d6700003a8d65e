//! The API of secrets: documents in, names out, never a value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};

use super::shared::{Shared, unwritten};
use super::vault::{NAME_RULE, is_name};
use crate::provider::{Answer, Invalid, Order, ProviderError, Verb};
use crate::wire::SecretDocument;

impl Shared {
    /// Answers `/system/secrets`.
    pub(super) async fn secrets(&self, verb: Verb, order: Order) -> Result<Answer, ProviderError> {
        if verb == Verb::Read {
            return self.secret_names(&order.namespace);
        }
        let document = SecretDocument::parse(&order.body)?;
        let named = order.namespace(&document.namespace)?;
        let namespace = self.existing_namespace(&named)?.to_string();
        let name = document.name.as_str();
        if !is_name(name) {
            return Err(Invalid::new("name", format!("{name:?}: {NAME_RULE}")).into());
        }
        // In turn with deployments, which look whether their secrets are there.
        let _turn = self.world.turn.lock().await;
        let exists = self.vault.has(&namespace, name);
        let what = "secret";
        match verb {
            Verb::Create if exists => {
                let name = name.to_owned();
                return Err(ProviderError::Exists { what, name });
            }
            Verb::Replace | Verb::Remove if !exists => {
                let name = name.to_owned();
                return Err(ProviderError::NotFound { what, name });
            }
            _ => {}
        }
        let changed = if verb == Verb::Remove {
            self.vault.remove(&namespace, name)
        } else {
            self.vault.put(&namespace, name, &value(&document)?)
        };
        changed.map_err(unwritten)?;
        for function in self.all() {
            let uses = function.id.namespace.as_str() == namespace
                && function.read(|state| state.secrets().any(|secret| secret == name));
            if uses {
                let function = function.full_name();
                let shown = self.vault.show_one(&function, &namespace, name);
                shown.map_err(unwritten)?;
            }
        }
        tracing::info!(secret = name, namespace, "{}", done(verb));
        Ok(Answer::empty(match verb {
            Verb::Create => StatusCode::CREATED,
            // faas-cli takes the 204 of the API document for a failure.
            _ => StatusCode::OK,
        }))
    }

    fn secret_names(&self, asked: &str) -> Result<Answer, ProviderError> {
        let namespace = self.existing_namespace(asked)?;
        let names = self.vault.names(namespace.as_str()).map_err(unwritten)?;
        let rows = names.into_iter().map(|name| match asked {
            // `faas-cli secret apply` compares with the namespace it asked for.
            "" => json!({"name": name}),
            asked => json!({"name": name, "namespace": asked}),
        });
        Ok(Answer::json(&rows.collect::<Vec<Value>>()))
    }
}

/// The bytes to keep: `rawValue` where there is one, as with other providers.
fn value(document: &SecretDocument) -> Result<Vec<u8>, Invalid> {
    if document.raw_value.is_empty() {
        return Ok(document.value.clone().into_bytes());
    }
    let decoded = STANDARD.decode(&document.raw_value);
    decoded.map_err(|error| Invalid::new("rawValue", format!("must be base64: {error}")))
}

const fn done(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "secret created",
        Verb::Remove => "secret removed",
        Verb::Replace | Verb::Read => "secret replaced",
    }
}
