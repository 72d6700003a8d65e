//! Which deployments a provider refuses.

use serde_json::{Map, Value};

use super::kind::Kind;

/// Why a deployment is refused.
pub(super) fn deployment(
    kind: Kind,
    document: &Map<String, Value>,
    knows: impl Fn(&str) -> bool,
) -> Result<(), String> {
    let text = |field: &str| {
        document
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    if !is_dns_label(text("service")) {
        return Err(format!("service {:?} is no DNS label", text("service")));
    }
    if text("image").is_empty() {
        return Err("image is missing".to_owned());
    }
    let secrets = document.get("secrets").and_then(Value::as_array);
    for secret in secrets.into_iter().flatten().filter_map(Value::as_str) {
        if !knows(secret) {
            return Err(format!("there is no secret {secret:?}"));
        }
    }
    if kind == Kind::Netes {
        labels(document)?;
        annotations(document)?;
    }
    Ok(())
}

fn labels(document: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in pairs(document, "labels") {
        let refused = match name {
            "com.openfaas.scale.zero" => value == "true",
            "com.openfaas.scale.zero-duration"
            | "com.openfaas.scale.target"
            | "com.openfaas.scale.type" => true,
            "com.openfaas.scale.max" | "com.openfaas.scale.min" => {
                value.parse::<u32>().is_ok_and(|n| n > 5)
            }
            _ => false,
        };
        if refused {
            return Err(format!("label {name}={value} is not for this edition"));
        }
    }
    Ok(())
}

fn annotations(document: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in pairs(document, "annotations") {
        let cloud = name.contains("amazonaws.com") || name.contains("gke.io");
        if cloud || (name == "topic" && value.contains(',')) {
            return Err(format!("annotation {name}={value} is not for this edition"));
        }
    }
    Ok(())
}

fn pairs<'d>(
    document: &'d Map<String, Value>,
    field: &str,
) -> impl Iterator<Item = (&'d str, &'d str)> {
    let map = document.get(field).and_then(Value::as_object);
    let pairs = map.into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
}

/// RFC 1123: lower case letters, digits and inner dashes, at most 63.
pub(super) fn is_dns_label(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = name.starts_with('-') || name.ends_with('-');
    (1..=63).contains(&name.len()) && name.chars().all(allowed) && !ends
}
