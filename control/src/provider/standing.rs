//! How a function stands: the few fields of a `FunctionStatus` that decide about scaling.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use crate::policy::PREFIX;

/// A row of a list, or the document of one function, as far as the gateway understands it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The function's name.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// Its namespace; empty when the provider does not say.
    #[serde(default, deserialize_with = "or_default")]
    pub namespace: String,
    /// Replicas wanted; absent is 0.
    #[serde(default, deserialize_with = "count")]
    pub replicas: u32,
    /// Replicas that take traffic; absent is 0.
    #[serde(default, deserialize_with = "count")]
    pub available_replicas: u32,
    /// Labels; the scaling ones have a meaning.
    #[serde(default, deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// Annotations; the `com.ringway.*` ones have a meaning.
    #[serde(default, deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
}

impl Standing {
    /// Reads one document; `None` when it is none.
    #[must_use]
    pub fn parse(document: &[u8]) -> Option<Self> {
        // A sequence would be read field by field.
        let object = document.trim_ascii_start().starts_with(b"{");
        object.then(|| serde_json::from_slice(document).ok())?
    }

    /// Reads a list; `null` is an empty one. Of what a row may hold much of, labels and foreign
    /// annotations, nothing is kept: a list may have 10,000 rows.
    #[must_use]
    pub fn parse_list(document: &[u8]) -> Option<Vec<Self>> {
        let rows: Option<Vec<Option<Listed>>> = serde_json::from_slice(document).ok()?;
        let rows = rows.unwrap_or_default().into_iter().flatten();
        Some(rows.map(|row| row.0).collect())
    }
}

/// A row of a list.
struct Listed(Standing);

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Row {
            #[serde(default, deserialize_with = "or_default")]
            name: String,
            #[serde(default, deserialize_with = "or_default")]
            namespace: String,
            #[serde(default, deserialize_with = "count")]
            replicas: u32,
            #[serde(default, deserialize_with = "count")]
            available_replicas: u32,
            #[serde(default, deserialize_with = "or_default")]
            annotations: Ours,
        }
        let row = Row::deserialize(deserializer)?;
        Ok(Self(Standing {
            name: row.name,
            namespace: row.namespace,
            replicas: row.replicas,
            available_replicas: row.available_replicas,
            labels: BTreeMap::new(),
            annotations: row.annotations.0,
        }))
    }
}

/// Annotations that mean something to the gateway.
#[derive(Default)]
struct Ours(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Ours {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Chosen;

        impl<'de> Visitor<'de> for Chosen {
            type Value = Ours;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ours, A::Error> {
                let mut ours = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    if OURS.iter().any(|prefix| key.starts_with(prefix)) {
                        ours.insert(key, map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Ours(ours))
            }
        }

        deserializer.deserialize_map(Chosen)
    }
}

/// What the names of such annotations begin with.
const OURS: [&str; 2] = [PREFIX, "com.openfaas.retry."];

/// `null` is what is absent.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A count; one that is no count of replicas is 0, since one odd row must not hide the others.
fn count<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let whole = || value.as_f64().filter(|f| *f >= 0.0).map(|f| f as u64);
    let count = value.as_u64().or_else(whole).unwrap_or(0);
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_null_are_zero_and_empty() {
        let list = br#"[{"name":"a","replicas":null,"labels":null,"annotations":{"k":7,"com.ringway.retry":"never",
            "com.openfaas.retry.attempts":"3","com.openfaas.health.http.path":"/"}},
            {"name":"b","namespace":"n","replicas":2.0,"availableReplicas":1,"fromTheFuture":{}},
            null,{"name":"c","replicas":-1,"availableReplicas":"2"}]"#;
        let rows = Standing::parse_list(list).unwrap();
        assert_eq!((rows[0].replicas, rows[0].labels.len()), (0, 0));
        assert_eq!(rows[0].annotations["com.ringway.retry"], "never");
        assert_eq!(rows[0].annotations.len(), 2);
        assert_eq!((rows[1].replicas, rows[1].available_replicas), (2, 1));
        assert_eq!((rows[1].namespace.as_str(), rows[2].replicas), ("n", 0));
    }

    #[test]
    fn null_is_an_empty_list_and_an_object_is_none() {
        assert_eq!(Standing::parse_list(b"null"), Some(Vec::new()));
        assert_eq!(Standing::parse_list(b"{}"), None);
        assert_eq!(Standing::parse_list(b"<html>"), None);
        assert_eq!(Standing::parse(b"[]"), None);
    }
}
