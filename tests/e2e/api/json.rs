//! What JSON of ours must look like for clients written in Go.

use serde_json::{Map, Value};

/// A list or a status: every field has the type that Go's struct has, nothing is null.
pub(crate) fn check_functions(rows: &Value) {
    for row in rows.as_array().unwrap() {
        check_function(row);
    }
}

/// See [`check_functions`].
pub(crate) fn check_function(row: &Value) {
    let fields = row.as_object().unwrap();
    for required in ["name", "image"] {
        assert!(
            fields.get(required).is_some_and(Value::is_string),
            "{required}: {row}"
        );
    }
    for text in ["namespace", "envProcess"] {
        let text = fields.get(text);
        assert!(text.is_none_or(Value::is_string), "{row}");
    }
    for count in ["replicas", "availableReplicas"] {
        let count = fields.get(count);
        assert!(count.is_none_or(Value::is_u64), "{row}");
    }
    let calls = fields.get("invocationCount");
    assert!(calls.is_none_or(Value::is_number), "{row}");
    for map in ["labels", "annotations", "envVars"] {
        let map = fields.get(map).map(|map| map.as_object().unwrap());
        let strings = |map: &Map<String, Value>| map.values().all(Value::is_string);
        assert!(map.is_none_or(strings), "{row}");
    }
    if let Some(created) = fields.get("createdAt") {
        assert!(is_rfc3339(created.as_str().unwrap()), "{row}");
    }
    assert!(!fields.values().any(Value::is_null), "{row}");
}

/// Date, `T`, time, maybe a fraction, `Z` or an offset.
pub(crate) fn is_rfc3339(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let Some(rest) = shape.strip_prefix("0000-00-00T00:00:00") else {
        return false;
    };
    let fraction = rest.strip_prefix('.').map(|r| r.trim_start_matches('0'));
    let zone = fraction.unwrap_or(rest);
    matches!(zone, "Z" | "+00:00" | "-00:00")
}
