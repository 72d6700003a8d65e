//! Why the gateway does not start with these settings.

use std::io;
use std::path::PathBuf;

/// A setting that is wrong; the text names the variable or flag, the value and the rule.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// The value breaks the setting's rule.
    #[error("{name}={value:?}: {rule}")]
    Invalid {
        /// The variable, or the flag when it was given as one.
        name: String,
        /// What was given.
        value: String,
        /// What is allowed, and where it helps the cure.
        rule: String,
    },
    /// The setting has no default here and was not given.
    #[error("{name} is not set: {rule}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What would help.
        rule: &'static str,
    },
    /// A file with credentials cannot be read.
    #[error("basic_auth=true needs the file {path}: {source}; secret_mount_path names its folder")]
    SecretUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file with credentials holds only white space.
    #[error("basic_auth=true needs the file {path}, and it is empty")]
    SecretEmpty {
        /// The file.
        path: PathBuf,
    },
}
