//! A JSON object's fields, taken by name and type; an error names the field.
//!
//! `null` counts as absent and unknown fields are ignored, as Go's decoder has it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Why a body is not the document it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not JSON.
    #[error("the body is not JSON: {0}")]
    Syntax(String),
    /// JSON, but not an object.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// A field of the wrong type.
    #[error("{field}: must be {rule}")]
    Type {
        /// The field, with its parents.
        field: String,
        /// What it should be.
        rule: &'static str,
    },
}

/// The fields of one object.
#[derive(Debug)]
pub(super) struct Fields {
    values: Map<String, Value>,
    /// Put in front of a field's name in errors; empty or ends with a point.
    parent: String,
}

impl Fields {
    pub(super) fn parse(body: &[u8]) -> Result<Self, WireError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(values)) => Ok(Self {
                values,
                parent: String::new(),
            }),
            Ok(_) => Err(WireError::NotAnObject),
            Err(error) => Err(WireError::Syntax(error.to_string())),
        }
    }

    fn wrong(&self, field: &str, rule: &'static str) -> WireError {
        WireError::Type {
            field: format!("{}{field}", self.parent),
            rule,
        }
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        self.values.remove(field).filter(|v| !v.is_null())
    }

    /// A string, empty when absent.
    pub(super) fn text(&mut self, field: &str) -> Result<String, WireError> {
        match self.take(field) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(self.wrong(field, "a string")),
        }
    }

    /// A boolean, false when absent.
    pub(super) fn truth(&mut self, field: &str) -> Result<bool, WireError> {
        match self.take(field) {
            None => Ok(false),
            Some(Value::Bool(truth)) => Ok(truth),
            Some(_) => Err(self.wrong(field, "true or false")),
        }
    }

    /// A whole number that is not negative.
    pub(super) fn count(&mut self, field: &str) -> Result<Option<u64>, WireError> {
        match self.take(field) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(count) => Ok(Some(count)),
                None => Err(self.wrong(field, "a whole number, 0 or above")),
            },
        }
    }

    /// An array of strings, empty when absent.
    pub(super) fn texts(&mut self, field: &str) -> Result<Vec<String>, WireError> {
        let rule = "an array of strings";
        let values = match self.take(field) {
            None => return Ok(Vec::new()),
            Some(Value::Array(values)) => values,
            Some(_) => return Err(self.wrong(field, rule)),
        };
        let texts = values.into_iter().map(|value| match value {
            Value::String(text) => Ok(text),
            _ => Err(self.wrong(field, rule)),
        });
        texts.collect()
    }

    /// An object of strings, empty when absent.
    pub(super) fn text_map(&mut self, field: &str) -> Result<BTreeMap<String, String>, WireError> {
        let rule = "an object whose values are strings";
        let values = match self.take(field) {
            None => return Ok(BTreeMap::new()),
            Some(Value::Object(values)) => values,
            Some(_) => return Err(self.wrong(field, rule)),
        };
        let pairs = values.into_iter().map(|(key, value)| match value {
            Value::String(text) => Ok((key, text)),
            _ => Err(self.wrong(&format!("{field}.{key}"), "a string")),
        });
        pairs.collect()
    }

    /// An object's fields.
    pub(super) fn object(&mut self, field: &str) -> Result<Option<Self>, WireError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Object(values)) => {
                let parent = format!("{}{field}.", self.parent);
                Ok(Some(Self { values, parent }))
            }
            Some(_) => Err(self.wrong(field, "an object")),
        }
    }
}
