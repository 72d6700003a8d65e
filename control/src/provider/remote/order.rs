//! A client's document completed, so that providers which look in different places find the same:
//! faas-netes reads a namespace from the query where faasd reads it from the body. Pure.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::percent::encoded;
use crate::provider::{Invalid, Order};

/// What is sent to the provider.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complete {
    /// The client's own bytes, unless a namespace had to be put in.
    pub(super) body: Bytes,
    /// `?namespace=…`, or nothing.
    pub(super) query: String,
    /// The document's fields; empty when it is no JSON object, which is the provider's to say.
    pub(super) fields: Map<String, Value>,
    /// The namespace, empty when nobody named one.
    pub(super) namespace: String,
}

/// Puts the namespace into both places.
///
/// # Errors
/// Body and query name different ones.
pub(super) fn complete(order: &Order) -> Result<Complete, Invalid> {
    let mut fields = match serde_json::from_slice(&order.body) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let named = fields.get("namespace").and_then(Value::as_str);
    let in_body = named.unwrap_or_default().to_owned();
    let namespace = order.namespace(&in_body)?;
    let mut body = order.body.clone();
    if !namespace.is_empty() && in_body.is_empty() && !fields.is_empty() {
        fields.insert("namespace".to_owned(), Value::String(namespace.clone()));
        body = serde_json::to_vec(&fields).map_or(body, Bytes::from);
    }
    Ok(Complete {
        body,
        query: query(&namespace),
        fields,
        namespace,
    })
}

impl Complete {
    /// A text field of the document; empty when absent.
    pub(super) fn text(&self, field: &str) -> &str {
        let value = self.fields.get(field).and_then(Value::as_str);
        value.unwrap_or_default()
    }
}

/// `?namespace=…`, or nothing for no namespace.
pub(super) fn query(namespace: &str) -> String {
    if namespace.is_empty() {
        return String::new();
    }
    format!("?namespace={}", encoded(namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(body: &'static str, namespace: &str) -> Order {
        Order {
            body: Bytes::from_static(body.as_bytes()),
            namespace: namespace.to_owned(),
        }
    }

    #[test]
    fn a_body_with_its_namespace_is_not_touched() {
        let text = r#"{ "service": "a",  "namespace": "dev", "new": [1.50] }"#;
        let complete = complete(&order(text, "")).unwrap();
        assert_eq!(complete.body, text.as_bytes());
        assert_eq!(complete.query, "?namespace=dev");
        assert_eq!(complete.text("service"), "a");
    }

    #[test]
    fn a_namespace_of_the_query_is_put_into_the_body_in_front_of_nothing() {
        let complete = complete(&order(r#"{"z":1,"a":{"q":2}}"#, "dev")).unwrap();
        assert_eq!(complete.body, r#"{"z":1,"a":{"q":2},"namespace":"dev"}"#);
        assert_eq!(complete.query, "?namespace=dev");
    }

    #[test]
    fn without_a_namespace_nothing_is_added_and_what_is_no_document_passes() {
        for text in [r#"{"service":"a"}"#, "not json", "[]", ""] {
            let complete = complete(&order(text, "")).unwrap();
            assert_eq!(
                (complete.body, complete.query),
                (text.into(), String::new())
            );
        }
    }

    #[test]
    fn two_namespaces_are_refused() {
        assert!(complete(&order(r#"{"namespace":"a"}"#, "b")).is_err());
        assert!(complete(&order(r#"{"namespace":"a"}"#, "a")).is_ok());
    }
}
