//! Why a provider did not do what was asked.

use std::fmt;

/// What the user is told, and apart from it what the log keeps.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The request breaks a rule.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// There is no such function.
    #[error("there is no function {name}")]
    NotFound {
        /// As the client wrote it.
        name: String,
    },
    /// The provider cannot work at present.
    #[error("{external}")]
    Unavailable {
        /// For the user.
        external: &'static str,
    },
    /// The provider failed.
    #[error("{external}")]
    Failed {
        /// For the user.
        external: &'static str,
        /// For the log.
        internal: String,
    },
}

/// A field that breaks its rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The field, with its parents.
    pub field: String,
    /// What is allowed.
    pub rule: String,
}

impl Invalid {
    /// `field` must obey `rule`.
    #[must_use]
    pub fn new(field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            rule: rule.into(),
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.rule)
    }
}

impl std::error::Error for Invalid {}
