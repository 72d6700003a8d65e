//! DNS labels: the names functions and namespaces may have here.

use std::fmt;

use ringway_proxy::{FunctionId, Name};

/// The rule of [`label`], as error messages state it.
pub const LABEL_RULE: &str = "must be 1 to 63 lower-case letters, digits or '-', and neither begin \
                              nor end with '-'";

/// A namespace's name: a DNS label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace(Name);

/// The text is not a DNS label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{LABEL_RULE}")]
pub struct NotALabel;

impl Namespace {
    /// Parses a namespace.
    ///
    /// # Errors
    /// [`NotALabel`] when the text breaks [`LABEL_RULE`].
    pub fn parse(text: &str) -> Result<Self, NotALabel> {
        label(text).map(Self)
    }

    /// The namespace as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The namespace as a name.
    #[must_use]
    pub const fn as_name(&self) -> &Name {
        &self.0
    }

    /// The function `name` in this namespace.
    ///
    /// # Errors
    /// [`NotALabel`] when `name` breaks [`LABEL_RULE`].
    pub fn function(&self, name: &str) -> Result<FunctionId, NotALabel> {
        Ok(FunctionId {
            name: label(name)?,
            namespace: self.0.clone(),
        })
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `name.namespace`: how metrics, logs and files name a function.
#[must_use]
pub fn full(id: &FunctionId) -> String {
    format!("{}.{}", id.name, id.namespace)
}

/// The function that `name.namespace` names; `None` when it names none.
#[must_use]
pub fn parse_full(text: &str) -> Option<FunctionId> {
    let (name, namespace) = text.rsplit_once('.')?;
    Some(FunctionId {
        name: Name::parse(name).ok()?,
        namespace: Name::parse(namespace).ok()?,
    })
}

/// Parses a DNS label (RFC 1123 §2.1).
///
/// # Errors
/// [`NotALabel`] when the text breaks [`LABEL_RULE`].
pub fn label(text: &str) -> Result<Name, NotALabel> {
    let bytes = text.as_bytes();
    let edge = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    let fits = bytes.len() <= LABEL_BYTES_MAX && bytes.iter().all(inner);
    if !fits || !edge(bytes.first()) || !edge(bytes.last()) {
        return Err(NotALabel);
    }
    Name::parse(text).map_err(|_| NotALabel)
}

const LABEL_BYTES_MAX: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_accepted_and_everything_else_is_not() {
        for ok in ["a", "a-b", "9", "a9", &"x".repeat(63)] {
            assert!(label(ok).is_ok(), "{ok}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "A",
            "a_b",
            "a.b",
            "a/b",
            "é",
            &"x".repeat(64),
        ] {
            assert!(label(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_full_name_has_the_namespace() {
        let id = Namespace::parse("openfaas-fn")
            .unwrap()
            .function("cat")
            .unwrap();
        assert_eq!(full(&id), "cat.openfaas-fn");
        assert_eq!(parse_full("cat.openfaas-fn"), Some(id));
        assert_eq!(parse_full("cat"), None);
        assert_eq!(parse_full("a/b.c"), None);
    }
}
