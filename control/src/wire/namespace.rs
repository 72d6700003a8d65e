//! `FunctionNamespace`: a namespace with its labels and annotations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fields::{Fields, WireError};

/// A namespace as a client wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamespaceDocument {
    /// Its name.
    pub name: String,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl NamespaceDocument {
    /// Reads a request body.
    ///
    /// # Errors
    /// [`WireError`] names the field.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let mut fields = Fields::parse(body)?;
        Ok(Self {
            name: fields.text("name")?,
            annotations: fields.text_map("annotations")?,
            labels: fields.text_map("labels")?,
        })
    }
}
