//! `com.ringway.*` annotations and `com.openfaas.scale.*` labels become numbers. Pure.

use std::collections::BTreeMap;

use ringway_proxy::{Retry, Settings};

use crate::provider::Invalid;
use crate::settings::duration;

/// Bounds on the number of replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Replicas at deploy; `0 <= min`.
    pub min: u32,
    /// Most replicas a deploy keeps, `min <= max`.
    pub max: Option<u32>,
}

/// Limits and policies a function's annotations ask for.
///
/// # Errors
/// [`Invalid`] names the annotation; unknown names under `com.ringway.` are errors too, since a
/// misspelt limit would silently not hold.
pub fn settings(annotations: &BTreeMap<String, String>) -> Result<Settings, Invalid> {
    let mut settings = Settings::default();
    for (key, value) in annotations {
        let Some(name) = key.strip_prefix(PREFIX) else {
            continue;
        };
        let invalid =
            |rule: &str| Invalid::new(format!("annotations.{key}"), format!("{value:?}: {rule}"));
        match name {
            "timeout" => {
                let deadline = duration::parse(value).map_err(|e| invalid(&e.to_string()))?;
                if deadline.is_zero() {
                    return Err(invalid("must be above 0"));
                }
                settings.deadline = Some(deadline);
            }
            "async-concurrency" => {
                positive(value).ok_or_else(|| invalid("must be a whole number above 0"))?;
            }
            "max-inflight" => {
                settings.inflight_max =
                    Some(positive(value).ok_or_else(|| invalid("must be a whole number above 0"))?)
            }
            "max-parked" => {
                settings.parked_max =
                    Some(whole(value).ok_or_else(|| invalid("must be a whole number"))?)
            }
            "priority" => {
                let priority = whole(value).and_then(|n| u8::try_from(n).ok());
                settings.priority =
                    priority.ok_or_else(|| invalid("must be a whole number from 0 to 255"))?;
            }
            "retry" => {
                settings.retry = match value.as_str() {
                    "safe" => Retry::Safe,
                    "never" => Retry::Never,
                    _ => return Err(invalid("must be safe or never")),
                }
            }
            _ => {
                return Err(invalid(
                    "is not an annotation of Ringway; those are timeout, max-inflight, \
                     max-parked, priority, retry and async-concurrency",
                ));
            }
        }
    }
    Ok(settings)
}

/// How many replicas a function's labels ask for.
///
/// # Errors
/// [`Invalid`] names the label.
pub fn scale(labels: &BTreeMap<String, String>) -> Result<Scale, Invalid> {
    let bound = |key: &str| -> Result<Option<u32>, Invalid> {
        let Some(value) = labels.get(key) else {
            return Ok(None);
        };
        let count = whole(value).filter(|n| *n <= REPLICAS_MAX);
        let rule = || {
            let rule = format!("{value:?}: must be a whole number from 0 to {REPLICAS_MAX}");
            Invalid::new(format!("labels.{key}"), rule)
        };
        Ok(Some(count.ok_or_else(rule)?))
    };
    let (min, max) = (bound(MIN)?, bound(MAX)?);
    if max == Some(0) {
        return Err(Invalid::new(
            format!("labels.{MAX}"),
            "\"0\": must be above 0",
        ));
    }
    // Without a minimum there is one replica, or as many as the maximum allows.
    let scale = Scale {
        min: min.unwrap_or(1),
        max,
    };
    if max.is_some_and(|max| scale.min > max) {
        return Err(Invalid::new(
            format!("labels.{MIN}"),
            format!("must not exceed {MAX}"),
        ));
    }
    Ok(scale)
}

/// Digits and nothing else: `FromStr` would allow a sign.
pub(crate) fn whole(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn positive(text: &str) -> Option<u32> {
    whole(text).filter(|n| *n > 0)
}

/// Most replicas of one function on one machine; guards against a typing mistake.
pub const REPLICAS_MAX: u32 = 1_000;

/// What Ringway's own annotations begin with.
pub(crate) const PREFIX: &str = "com.ringway.";

const MIN: &str = "com.openfaas.scale.min";
const MAX: &str = "com.openfaas.scale.max";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        owned.collect()
    }

    #[test]
    fn annotations_become_settings() {
        let settings = settings(&map(&[
            ("com.ringway.timeout", "1m30s"),
            ("com.ringway.max-inflight", "10"),
            ("com.ringway.max-parked", "0"),
            ("com.ringway.priority", "255"),
            ("com.ringway.async-concurrency", "2"),
            ("com.ringway.retry", "never"),
            ("topic", "x"),
        ]));
        let expected = Settings {
            deadline: Some(Duration::from_secs(90)),
            inflight_max: Some(10),
            parked_max: Some(0),
            priority: 255,
            retry: Retry::Never,
        };
        assert_eq!(settings, Ok(expected));
    }

    #[test]
    fn bad_annotations_are_named() {
        for (key, value) in [
            ("com.ringway.timeout", "0"),
            ("com.ringway.timeout", "soon"),
            ("com.ringway.max-inflight", "0"),
            ("com.ringway.max-inflight", "+1"),
            ("com.ringway.async-concurrency", "0"),
            ("com.ringway.max-parked", "-1"),
            ("com.ringway.priority", "256"),
            ("com.ringway.retry", "always"),
            ("com.ringway.timeuot", "1s"),
        ] {
            let error = settings(&map(&[(key, value)])).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn labels_bound_the_replicas() {
        assert_eq!(scale(&map(&[])), Ok(Scale { min: 1, max: None }));
        assert_eq!(scale(&map(&[(MIN, "0")])), Ok(Scale { min: 0, max: None }));
        assert_eq!(
            scale(&map(&[(MIN, "2"), (MAX, "2")])),
            Ok(Scale {
                min: 2,
                max: Some(2)
            })
        );
        for bad in [
            &[(MIN, "-1")][..],
            &[(MIN, "one")],
            &[(MIN, "1001")],
            &[(MAX, "0")],
            &[(MAX, "")],
            &[(MIN, "3"), (MAX, "2")],
        ] {
            let error = scale(&map(bad)).unwrap_err().to_string();
            assert!(error.contains("com.openfaas.scale."), "{error}");
        }
    }
}
