//! `Secret`: the body of a change of a secret.

use super::fields::{Fields, WireError};

/// A secret as a client wrote it; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretDocument {
    /// Which secret.
    pub name: String,
    /// Its namespace; empty is the default one.
    pub namespace: String,
    /// Its value as text.
    pub value: String,
    /// Its value in base64; where it is not empty it is the one that counts.
    pub raw_value: String,
}

impl SecretDocument {
    /// Reads a request body.
    ///
    /// # Errors
    /// [`WireError`] names the field.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let mut fields = Fields::parse(body)?;
        Ok(Self {
            name: fields.text("name")?,
            namespace: fields.text("namespace")?,
            value: fields.text("value")?,
            raw_value: fields.text("rawValue")?,
        })
    }
}
