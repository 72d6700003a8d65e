//! A list of functions edited without being understood: whatever else a row holds stays as it is.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::rfc3339;

/// The rows of a JSON array of `FunctionStatus`, each read only when it is needed.
pub struct Rows<'a> {
    rows: Vec<&'a RawValue>,
    /// Of the whole text.
    bytes: usize,
}

/// One row.
struct Row<'a> {
    name: String,
    namespace: String,
    fields: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Rows<'a> {
    /// Reads a list, `null` being an empty one; `None` when it is no array of objects.
    #[must_use]
    pub fn parse(list: &'a [u8]) -> Option<Self> {
        let rows: Option<Vec<&'a RawValue>> = serde_json::from_slice(list).ok()?;
        let mut rows = rows.unwrap_or_default();
        // What is null is no function, and clients fail on it.
        rows.retain(|row| row.get() != "null");
        let objects = rows.iter().all(|row| row.get().starts_with('{'));
        objects.then_some(Self {
            rows,
            bytes: list.len(),
        })
    }

    /// Reads one row.
    #[must_use]
    pub fn parse_one(row: &'a [u8]) -> Option<Self> {
        let raw: &'a RawValue = serde_json::from_slice(row).ok()?;
        raw.get().starts_with('{').then(|| Self {
            rows: vec![raw],
            bytes: row.len(),
        })
    }

    /// The namespaces named in rows, in order, each once.
    #[must_use]
    pub fn namespaces(&self) -> Vec<String> {
        let names = self
            .rows
            .iter()
            .filter_map(|raw| Some(Row::of(raw)?.namespace));
        let names: BTreeSet<String> = names.collect();
        names.into_iter().collect()
    }

    /// The list again, each row with its number of invocations by name and namespace.
    #[must_use]
    pub fn with_counts(&self, count: impl Fn(&str, &str) -> u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes + self.bytes / 8);
        out.push(b'[');
        for row in self.rows.iter().filter_map(|raw| Row::of(raw)) {
            if out.len() > 1 {
                out.push(b',');
            }
            row.write(count(&row.name, &row.namespace), &mut out);
        }
        out.push(b']');
        out
    }

    /// The first row again, with its number of invocations.
    #[must_use]
    pub fn one_with_count(&self, count: impl Fn(&str, &str) -> u64) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(row) = self.rows.first().and_then(|raw| Row::of(raw)) {
            row.write(count(&row.name, &row.namespace), &mut out);
        }
        out
    }
}

impl<'a> Row<'a> {
    /// `None` for what is no object, of which a list has none.
    fn of(raw: &'a RawValue) -> Option<Self> {
        let fields: Fields<'a> = serde_json::from_str(raw.get()).ok()?;
        let text = |field: &str| {
            let found = fields.0.iter().find(|(key, _)| key == field);
            let text = found.and_then(|(_, raw)| serde_json::from_str(raw.get()).ok());
            text.unwrap_or_default()
        };
        Some(Self {
            name: text("name"),
            namespace: text("namespace"),
            fields: fields.0,
        })
    }

    fn write(&self, count: u64, out: &mut Vec<u8>) {
        let mut mark = b'{';
        let mut field = |key: &str, value: &str| {
            out.push(mark);
            mark = b',';
            // A string always becomes JSON.
            let _ = serde_json::to_writer(&mut *out, key);
            out.push(b':');
            out.extend_from_slice(value.as_bytes());
        };
        for (key, raw) in &self.fields {
            if key == "invocationCount" || (key == "createdAt" && !is_time(raw)) {
                continue;
            }
            field(key, raw.get());
        }
        if count > 0 {
            field("invocationCount", &count.to_string());
        }
        if mark == b'{' {
            out.push(b'{');
        }
        out.push(b'}');
    }
}

/// Clients fail on the whole list for one time that is none.
fn is_time(raw: &RawValue) -> bool {
    serde_json::from_str::<Cow<'_, str>>(raw.get())
        .is_ok_and(|text| rfc3339::parse(&text).is_some())
}

/// The fields of an object in their order, with their values as they were written.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    fields.push((key, map.next_value()?));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_the_count_stays_as_it_was_written() {
        let list = br#"[ {"name":"a","namespace":"n","invocationCount":1, "x" : {"y":[1.50, 1e3]},
            "createdAt":"0001-01-01T00:00:00Z"},
            {"name":"b","createdAt":"2026-05-13T10:00:00.123456789+02:00","\u006b":null}, {}]"#;
        let rows = Rows::parse(list).unwrap();
        assert_eq!(rows.namespaces(), ["", "n"]);
        let text = rows.with_counts(|name, namespace| match (name, namespace) {
            ("a", "n") => 7,
            _ => 0,
        });
        assert_eq!(
            String::from_utf8(text).unwrap(),
            r#"[{"name":"a","namespace":"n","x":{"y":[1.50, 1e3]},"createdAt":"0001-01-01T00:00:00Z","invocationCount":7},{"name":"b","createdAt":"2026-05-13T10:00:00.123456789+02:00","k":null},{}]"#
        );
    }

    #[test]
    fn a_time_that_is_none_is_left_out() {
        for bad in [r#""""#, r#""yesterday""#, "0", "null"] {
            let list = format!(r#"[{{"name":"a","createdAt":{bad}}}]"#);
            let text = Rows::parse(list.as_bytes()).unwrap().with_counts(|_, _| 0);
            assert_eq!(text, br#"[{"name":"a"}]"#);
        }
    }

    #[test]
    fn null_is_an_empty_list_and_the_rest_is_none() {
        assert_eq!(Rows::parse(b"null").unwrap().with_counts(|_, _| 1), b"[]");
        let list = Rows::parse(br#"[null,{"name":"a"}]"#).unwrap();
        assert_eq!(list.with_counts(|_, _| 0), br#"[{"name":"a"}]"#);
        assert!(Rows::parse(b"{}").is_none());
        assert!(Rows::parse(b"[1]").is_none());
        assert!(Rows::parse(b"<html>").is_none());
        let one = Rows::parse_one(br#"{"name":"a"}"#).unwrap();
        assert_eq!(
            one.one_with_count(|_, _| 2),
            br#"{"name":"a","invocationCount":2}"#
        );
    }
}
