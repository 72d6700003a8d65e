//! What a setting looks like.

use super::key::Key;

/// What a setting looks like to the operator.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub(super) key: Key,
    /// Long flag without its dashes; the variable in kebab case without `RINGWAY_`.
    pub flag: &'static str,
    /// Environment variable.
    pub variable: &'static str,
    /// Name of the value in the help text.
    pub value: &'static str,
    /// What it does, with its default.
    pub help: &'static str,
}

/// One setting's text and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The variable, or `--flag`.
    pub name: String,
    /// The value as typed.
    pub text: String,
}
