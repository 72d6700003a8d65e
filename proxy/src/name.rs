//! Function and namespace names, parsed once.
//!
//! The pattern is the one the OpenFaaS routes accept (`[-a-zA-Z0-9_.]+`), less the two
//! names that are path navigation (`.` and `..`), with a bound on the length.

use std::fmt;
use std::sync::Arc;

/// Longest name accepted in a path or a table, in bytes (DNS names end at 253).
pub(crate) const NAME_BYTES_MAX: usize = 253;

/// A function's or a namespace's name: 1 to 253 bytes of `[-a-zA-Z0-9_.]`,
/// never `.` or `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why bytes are not a [`Name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// No bytes at all.
    Empty,
    /// More than 253 bytes.
    TooLong,
    /// A byte outside `[-a-zA-Z0-9_.]`.
    BadByte(u8),
    /// `.` or `..`.
    Navigation,
}

impl Name {
    /// Parses a name.
    ///
    /// # Errors
    /// [`NameError`] says which rule the bytes break.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check(text.as_bytes())?;
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks bytes against the rules of [`Name`] without keeping them.
///
/// # Errors
/// [`NameError`] says which rule the bytes break.
pub(crate) fn check(bytes: &[u8]) -> Result<(), NameError> {
    if bytes.is_empty() {
        return Err(NameError::Empty);
    }
    if bytes.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong);
    }
    if let Some(&bad) = bytes.iter().find(|b| !is_name_byte(**b)) {
        return Err(NameError::BadByte(bad));
    }
    if bytes == b"." || bytes == b".." {
        return Err(NameError::Navigation);
    }
    Ok(())
}

/// Whether `byte` may stand in a name.
#[must_use]
pub(crate) const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name is empty"),
            Self::TooLong => write!(f, "the name is longer than {NAME_BYTES_MAX} bytes"),
            Self::BadByte(b) => write!(
                f,
                "the name has the byte {:?}; allowed are letters, digits, '-', '_' and '.'",
                char::from(*b)
            ),
            Self::Navigation => f.write_str("the name is '.' or '..'"),
        }
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_routes_accept() {
        for ok in ["a", "nodeinfo", "a-b_c.d", "A9", "...", &"x".repeat(253)] {
            assert_eq!(Name::parse(ok).unwrap().as_str(), ok);
        }
    }

    #[test]
    fn refuses_by_rule() {
        assert_eq!(Name::parse(""), Err(NameError::Empty));
        assert_eq!(Name::parse(&"x".repeat(254)), Err(NameError::TooLong));
        assert_eq!(Name::parse("a/b"), Err(NameError::BadByte(b'/')));
        assert_eq!(Name::parse("a%"), Err(NameError::BadByte(b'%')));
        assert_eq!(Name::parse("."), Err(NameError::Navigation));
        assert_eq!(Name::parse(".."), Err(NameError::Navigation));
    }
}
