//! The small request bodies: delete and scale.

use super::fields::{Fields, WireError};

/// `DeleteFunctionRequest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteRequest {
    /// Which function.
    pub function_name: String,
    /// Its namespace; empty is the default one.
    pub namespace: String,
}

/// `ScaleServiceRequest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleRequest {
    /// Which function; the path decides when both are given.
    pub service_name: String,
    /// Its namespace; empty is the default one.
    pub namespace: String,
    /// How many replicas.
    pub replicas: u64,
}

impl DeleteRequest {
    /// Reads a request body.
    ///
    /// # Errors
    /// [`WireError`] names the field.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let mut fields = Fields::parse(body)?;
        Ok(Self {
            function_name: fields.text("functionName")?,
            namespace: fields.text("namespace")?,
        })
    }
}

impl ScaleRequest {
    /// Reads a request body.
    ///
    /// # Errors
    /// [`WireError`] names the field.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let mut fields = Fields::parse(body)?;
        let replicas = fields.count("replicas")?;
        Ok(Self {
            service_name: fields.text("serviceName")?,
            namespace: fields.text("namespace")?,
            replicas: replicas.ok_or_else(|| WireError::Type {
                field: "replicas".to_owned(),
                rule: "a whole number, 0 or above",
            })?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_must_be_a_whole_number() {
        let parse = |text: &str| ScaleRequest::parse(text.as_bytes());
        assert_eq!(
            parse(r#"{"serviceName":"a","replicas":0}"#)
                .unwrap()
                .replicas,
            0
        );
        for bad in ["-1", "1.5", "\"2\"", "null", "1e99"] {
            let error = parse(&format!(r#"{{"replicas":{bad}}}"#))
                .unwrap_err()
                .to_string();
            assert!(error.starts_with("replicas: "), "{error}");
        }
    }

    #[test]
    fn delete_names_its_function() {
        let request = DeleteRequest::parse(br#"{"functionName":"a","namespace":"n"}"#).unwrap();
        assert_eq!(
            (request.function_name.as_str(), request.namespace.as_str()),
            ("a", "n")
        );
    }
}
