//! Namespaces: the default one, which is always there, and those that were made.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::StatusCode;
use parking_lot::RwLock;

use super::shared::{Shared, unwritten};
use crate::name::{LABEL_RULE, Namespace};
use crate::provider::{Answer, Invalid, ProviderError, Verb};
use crate::wire::NamespaceDocument;

/// What is known of every namespace.
#[derive(Debug)]
pub(super) struct Namespaces {
    default: Namespace,
    documents: RwLock<BTreeMap<String, NamespaceDocument>>,
}

impl Namespaces {
    pub(super) fn new(default: Namespace, stored: Vec<NamespaceDocument>) -> Self {
        let mut documents: BTreeMap<_, _> = stored
            .into_iter()
            .filter(|d| Namespace::parse(&d.name).is_ok())
            .map(|d| (d.name.clone(), d))
            .collect();
        let name = default.to_string();
        documents
            .entry(name.clone())
            .or_insert_with(|| NamespaceDocument {
                name,
                ..NamespaceDocument::default()
            });
        Self {
            default,
            documents: RwLock::new(documents),
        }
    }

    /// A namespace by its name, empty being the default one; `None` when there is none.
    pub(super) fn find(&self, name: &str) -> Option<Namespace> {
        if name.is_empty() {
            return Some(self.default.clone());
        }
        let known = self.documents.read().contains_key(name);
        known.then(|| Namespace::parse(name).ok())?
    }

    fn names(&self) -> Vec<String> {
        self.documents.read().keys().cloned().collect()
    }

    fn document(&self, name: &str) -> Option<NamespaceDocument> {
        self.documents.read().get(name).cloned()
    }
}

impl Shared {
    /// A namespace that exists.
    pub(super) fn existing_namespace(&self, name: &str) -> Result<Namespace, Invalid> {
        self.namespaces.find(name).ok_or_else(|| {
            let rule = format!("{name:?}: there is no such namespace");
            Invalid::new("namespace", rule)
        })
    }

    /// Answers `/system/namespaces`.
    pub(super) fn namespace_names(&self) -> Answer {
        Answer::json(&self.namespaces.names())
    }

    /// Answers `/system/namespace/{name}`.
    pub(super) async fn namespace(
        &self,
        verb: Verb,
        name: String,
        body: Bytes,
    ) -> Result<Answer, ProviderError> {
        match verb {
            Verb::Read => {
                let document = self.namespaces.document(&name);
                let document = document.ok_or_else(|| missing(&name))?;
                Ok(Answer::json(&document))
            }
            Verb::Create | Verb::Replace => {
                let document = document(&name, &body)?;
                self.put_namespace(verb, document).await
            }
            Verb::Remove => {
                if !body.is_empty() {
                    document(&name, &body)?;
                }
                self.remove_namespace(&name).await
            }
        }
    }

    async fn put_namespace(
        &self,
        verb: Verb,
        document: NamespaceDocument,
    ) -> Result<Answer, ProviderError> {
        let name = document.name.clone();
        Namespace::parse(&name)
            .map_err(|_| Invalid::new("name", format!("{name:?}: {LABEL_RULE}")))?;
        let _turn = self.world.turn.lock().await;
        let exists = self.namespaces.document(&name).is_some();
        let status = match (verb, exists) {
            (Verb::Create, true) => {
                let what = "namespace";
                return Err(ProviderError::Exists { what, name });
            }
            (Verb::Create, false) => StatusCode::CREATED,
            (_, false) => return Err(missing(&name)),
            (_, true) => StatusCode::ACCEPTED,
        };
        let saved = self.world.store.save_namespace(&document);
        saved.map_err(unwritten)?;
        self.namespaces
            .documents
            .write()
            .insert(name.clone(), document);
        tracing::info!(namespace = name, "namespace kept");
        Ok(Answer::empty(status))
    }

    /// Only what is empty can go: nothing is lost by a typing mistake.
    async fn remove_namespace(&self, name: &str) -> Result<Answer, ProviderError> {
        let _turn = self.world.turn.lock().await;
        if self.namespaces.document(name).is_none() {
            return Err(missing(name));
        }
        let refused = |rule: &str| Invalid::new("name", format!("{name:?}: {rule}"));
        if name == self.namespaces.default.as_str() {
            return Err(refused("the default namespace cannot be removed").into());
        }
        let functions = self.all();
        if functions.iter().any(|f| f.id.namespace.as_str() == name) {
            return Err(refused("has functions; remove them first").into());
        }
        if !self.vault.names(name).map_err(unwritten)?.is_empty() {
            return Err(refused("has secrets; remove them first").into());
        }
        let removed = self.world.store.remove_namespace(name);
        removed.map_err(unwritten)?;
        self.vault.forget(name);
        self.namespaces.documents.write().remove(name);
        tracing::info!(namespace = name, "namespace removed");
        Ok(Answer::empty(StatusCode::ACCEPTED))
    }
}

/// The document of a request; its name and that of the path must be the same.
fn document(path: &str, body: &[u8]) -> Result<NamespaceDocument, ProviderError> {
    let mut document = NamespaceDocument::parse(body)?;
    if document.name.is_empty() {
        path.clone_into(&mut document.name);
    }
    if !path.is_empty() && document.name != path {
        return Err(Invalid::new("name", "body and path name different namespaces").into());
    }
    Ok(document)
}

fn missing(name: &str) -> ProviderError {
    ProviderError::NotFound {
        what: "namespace",
        name: name.to_owned(),
    }
}
