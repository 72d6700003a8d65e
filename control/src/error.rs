//! An error of the API: a status, a text for the user and one for the log.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::provider::{Invalid, ProviderError};
use crate::queue::{QueueError, seldom};
use crate::wire::WireError;

/// Why a call of the API failed.
#[derive(Debug, thiserror::Error)]
#[error("{external}")]
pub struct ApiError {
    status: StatusCode,
    /// What the user is told.
    external: String,
    /// What the log keeps besides.
    internal: Option<String>,
    /// Seconds after which it may be tried again.
    retry_after: Option<u32>,
}

impl ApiError {
    /// An error that the user can understand alone.
    pub fn new(status: StatusCode, external: impl Into<String>) -> Self {
        debug_assert!(status.is_client_error() || status.is_server_error());
        Self {
            status,
            external: external.into(),
            internal: None,
            retry_after: None,
        }
    }

    /// 400.
    pub fn bad_request(external: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, external)
    }

    /// The status it is answered with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<WireError> for ApiError {
    fn from(error: WireError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<Invalid> for ApiError {
    fn from(error: Invalid) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        let external = error.to_string();
        let (status, internal) = match error {
            QueueError::Absent(_) | QueueError::Full(_) => (StatusCode::SERVICE_UNAVAILABLE, None),
            QueueError::Failed(internal) => {
                let internal = seldom(&internal).then_some(internal);
                (StatusCode::SERVICE_UNAVAILABLE, internal)
            }
            QueueError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, None),
            QueueError::TargetTooLong(_) => (StatusCode::URI_TOO_LONG, None),
            QueueError::HeadTooLong(_) | QueueError::TooManyFields(_) => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, None)
            }
            QueueError::Incomplete => (StatusCode::BAD_REQUEST, None),
            QueueError::Unsupported(_) => (StatusCode::NOT_IMPLEMENTED, None),
        };
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(QUEUE_BACK);
        Self {
            status,
            external,
            internal,
            retry_after,
        }
    }
}

impl From<ProviderError> for ApiError {
    fn from(error: ProviderError) -> Self {
        let external = error.to_string();
        let (status, internal) = match error {
            ProviderError::Invalid(_) | ProviderError::Unreadable(_) => {
                (StatusCode::BAD_REQUEST, None)
            }
            ProviderError::NotFound { .. } => (StatusCode::NOT_FOUND, None),
            ProviderError::Exists { .. } => (StatusCode::CONFLICT, None),
            ProviderError::Unsupported { .. } => (StatusCode::NOT_IMPLEMENTED, None),
            ProviderError::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, None),
            ProviderError::Failed { internal, .. } => {
                (StatusCode::INTERNAL_SERVER_ERROR, Some(internal))
            }
            ProviderError::Unreachable { internal, .. } => {
                (StatusCode::BAD_GATEWAY, Some(internal))
            }
            ProviderError::Silent { .. } => (StatusCode::GATEWAY_TIMEOUT, Some(String::new())),
        };
        Self {
            status,
            external,
            internal,
            retry_after: None,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(internal) = &self.internal {
            tracing::error!(status = self.status.as_u16(), internal, "{}", self.external);
        }
        let mut response = (self.status, format!("{}\n", self.external)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        let internal = HeaderName::from_static("x-openfaas-internal");
        headers.insert(internal, HeaderValue::from_static("gateway"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let realm = HeaderValue::from_static("Basic realm=\"Restricted\"");
            headers.insert(WWW_AUTHENTICATE, realm);
        }
        response
    }
}

/// A queue that is away is looked for at least as often.
const QUEUE_BACK: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provider_errors_have_their_status() {
        let status = |error: ProviderError| ApiError::from(error).status().as_u16();
        assert_eq!(status(Invalid::new("f", "r").into()), 400);
        assert_eq!(
            status(ProviderError::NotFound {
                what: "function",
                name: "a".into()
            }),
            404
        );
        assert_eq!(status(ProviderError::Unavailable { external: "x" }), 503);
        let exists = ProviderError::Exists {
            what: "secret",
            name: "a".into(),
        };
        assert_eq!(status(exists), 409);
        let refused = ProviderError::Unreachable {
            external: "cannot be connected to",
            internal: "refused".into(),
        };
        assert_eq!(status(refused), 502);
        assert_eq!(status(ProviderError::Silent { seconds: 1.0 }), 504);
        let failed = ProviderError::Failed {
            external: "x",
            internal: "secret".into(),
        };
        let error = ApiError::from(failed);
        assert_eq!(error.status().as_u16(), 500);
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn a_queue_that_is_away_says_when_to_come_again() {
        let away = ApiError::from(QueueError::Absent("gone".into())).into_response();
        assert_eq!(away.status(), 503);
        assert_eq!(away.headers()[RETRY_AFTER], "5");
        let full = ApiError::from(QueueError::Full("the disk is full".into()));
        assert!(full.to_string().contains("the disk is full"));
        assert_eq!(full.into_response().headers()[RETRY_AFTER], "5");
        let large = ApiError::from(QueueError::TooLarge(1)).into_response();
        assert!(!large.headers().contains_key(RETRY_AFTER));
    }

    #[test]
    fn a_refusal_names_its_realm() {
        let response = ApiError::new(StatusCode::UNAUTHORIZED, "no").into_response();
        assert_eq!(
            response.headers()[WWW_AUTHENTICATE],
            "Basic realm=\"Restricted\""
        );
        assert_eq!(response.headers()["x-openfaas-internal"], "gateway");
    }
}
