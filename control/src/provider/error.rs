//! Why a provider did not do what was asked.

use std::fmt;

use crate::wire::WireError;

/// What the user is told, and apart from it what the log keeps.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The request breaks a rule.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// The request is not the document it should be.
    #[error("{0}")]
    Unreadable(#[from] WireError),
    /// There is no such thing.
    #[error("there is no {what} {name}")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// As the client wrote it.
        name: String,
    },
    /// There is one already.
    #[error("the {what} {name} exists already")]
    Exists {
        /// What kind of thing.
        what: &'static str,
        /// As the client wrote it.
        name: String,
    },
    /// The provider has no such operation.
    #[error("{external}")]
    Unsupported {
        /// For the user.
        external: &'static str,
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
    /// The provider, another server, cannot be talked to.
    #[error("the provider {external}")]
    Unreachable {
        /// For the user: what it did instead.
        external: &'static str,
        /// For the log.
        internal: String,
    },
    /// The provider, another server, did not answer in time.
    #[error("the provider did not answer within {seconds} s")]
    Silent {
        /// How long it was waited for.
        seconds: f64,
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
