//! Reads one setting after the other: what was given, by its rule, or the default.

use std::cell::RefCell;
use std::time::Duration;

use super::duration;
use super::error::SettingError;
use super::key::Key;
use super::shape::Given;

/// What was given, and what had to be forgiven.
pub(super) struct Reader<F> {
    given: F,
    warnings: RefCell<Vec<String>>,
}

impl<F: Fn(Key) -> Option<Given>> Reader<F> {
    pub(super) const fn new(given: F) -> Self {
        Self {
            given,
            warnings: RefCell::new(Vec::new()),
        }
    }

    /// What was given. An empty variable is how composing tools say "unset".
    pub(super) fn get(&self, key: Key) -> Option<Given> {
        self.present(key)
            .filter(|g| !g.text.is_empty() || g.name.starts_with("--"))
    }

    /// What was given, even when it is empty.
    pub(super) fn present(&self, key: Key) -> Option<Given> {
        (self.given)(key)
    }

    /// What the text means by `parse`, whose error is the rule; `None` when nothing was given.
    ///
    /// # Errors
    /// The text breaks its rule. A variable of OpenFaaS whose bad values OpenFaaS replaces by
    /// the default is replaced here too, and the log says so.
    pub(super) fn maybe<T>(
        &self,
        key: Key,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, SettingError> {
        let Some(given) = self.get(key) else {
            return Ok(None);
        };
        match parse(&given.text) {
            Ok(value) => Ok(Some(value)),
            Err(rule) if key.is_forgiven() && given.name == key.shape().variable => {
                let error = invalid(&given, rule);
                self.warn(format!("{error}; the default is used"));
                Ok(None)
            }
            Err(rule) => Err(invalid(&given, rule)),
        }
    }

    /// As [`maybe`](Self::maybe), with a default.
    pub(super) fn or<T>(
        &self,
        key: Key,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, SettingError> {
        Ok(self.maybe(key, parse)?.unwrap_or(default))
    }

    pub(super) fn warn(&self, text: impl Into<String>) {
        self.warnings.borrow_mut().push(text.into());
    }

    pub(super) fn into_warnings(self) -> Vec<String> {
        self.warnings.into_inner()
    }
}

pub(super) fn invalid(given: &Given, rule: impl Into<String>) -> SettingError {
    SettingError::Invalid {
        name: given.name.clone(),
        value: given.text.clone(),
        rule: rule.into(),
    }
}

/// `true` or `false`, exactly (OpenFaaS reads anything else as false, which hides mistakes).
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// A whole number from 1 to `most`, in plain digits (`parse` alone would take a sign).
pub(super) fn count<T>(most: T) -> impl FnOnce(&str) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + From<u8> + std::fmt::Display,
{
    count_from(1, most)
}

/// A whole number from `least` on.
pub(super) fn count_from<T>(least: u8, most: T) -> impl FnOnce(&str) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + From<u8> + std::fmt::Display,
{
    move |text| {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let count = text.parse().ok();
        count
            .filter(|n| digits && *n >= T::from(least) && *n <= most)
            .ok_or_else(|| format!("must be a whole number from {least} to {most}"))
    }
}

/// The value of a word.
pub(super) fn one_of<T: Copy>(words: &[(&str, T)]) -> impl FnOnce(&str) -> Result<T, String> {
    move |text| {
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let list: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            format!("must be one of {}", list.join(", "))
        })
    }
}

/// A duration above 0.
pub(super) fn above_zero(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(value) if value.is_zero() => Err("must be above 0".to_owned()),
        Ok(value) => Ok(value),
        Err(error) => Err(error.to_string()),
    }
}

/// A duration of which 0 means unlimited.
pub(super) fn bound(text: &str) -> Result<Option<Duration>, String> {
    let value = duration::parse(text).map_err(|error| error.to_string())?;
    Ok((!value.is_zero()).then_some(value))
}

/// Pieces between commas, parsed.
pub(super) fn list<T>(
    rule: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> impl FnOnce(&str) -> Result<Vec<T>, String> {
    move |text| {
        let pieces = text.split(',').map(str::trim).filter(|p| !p.is_empty());
        let parsed = pieces.map(|piece| parse(piece).map_err(|why| format!("{rule}: {why}")));
        parsed.collect()
    }
}

/// A duration.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|error| error.to_string())
}

/// A number of bytes, from `least` to `most`.
pub(super) fn bytes(least: u64, most: u64) -> impl FnOnce(&str) -> Result<u64, String> {
    move |text| {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = match unit {
            "" => Some(1),
            "KiB" => Some(1 << 10),
            "MiB" => Some(1 << 20),
            "GiB" => Some(1 << 30),
            _ => None,
        };
        let product = number.parse().ok().zip(unit);
        let product = product.and_then(|(n, unit): (u64, u64)| n.checked_mul(unit));
        let allowed = product.filter(|n| (least..=most).contains(n));
        allowed.ok_or_else(|| {
            format!(
                "must be a number of bytes such as 65536, 256KiB or 16MiB, from {least} to {most}"
            )
        })
    }
}

/// What is given in a test.
#[cfg(test)]
pub(super) fn given(pairs: &[(Key, &str)]) -> impl Fn(Key) -> Option<Given> {
    move |key| {
        let found = pairs.iter().find(|(k, _)| *k == key);
        found.map(|(k, text)| Given {
            name: k.to_string(),
            text: (*text).to_owned(),
        })
    }
}

/// Asserts that an error names the variable, the value and the rule.
#[cfg(test)]
#[track_caller]
pub(super) fn assert_named(error: &str, (key, value): (Key, &str), rule: &str) {
    assert!(error.contains(&key.to_string()), "{error}");
    assert!(error.contains(value) && error.contains(rule), "{error}");
}
