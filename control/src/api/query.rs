//! Query parameters: of a repeated one the last counts, unknown ones are ignored.

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::error::ApiError;

/// The parameters of a request, decoded.
#[derive(Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Decodes a query (`application/x-www-form-urlencoded`).
    pub(super) fn parse(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// The last value of a parameter; empty when there is none.
    pub(super) fn last(&self, name: &str) -> &str {
        let found = self.0.iter().rev().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    pub(super) fn namespace(&self) -> String {
        self.last("namespace").to_owned()
    }
}

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_repeated_parameter_counts() {
        let parameters = Parameters::parse("namespace=a&x&namespace=b%2Fc+d&tail=");
        assert_eq!(parameters.namespace(), "b/c d");
        assert_eq!((parameters.last("tail"), parameters.last("none")), ("", ""));
    }
}
