//! Request bodies of the API, read whole up to a limit.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::error::ApiError;

/// The bytes of a JSON document; whether they are one is for the reader to find out.
pub(super) struct Document(pub(super) Bytes);

impl<S: Sync> FromRequest<S> for Document {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, ApiError> {
        match Limited::new(request.into_body(), BYTES_MAX).collect().await {
            Ok(body) => Ok(Self(body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body is over its limit of {BYTES_MAX} bytes"),
            )),
            Err(_) => Err(ApiError::bad_request("the body did not arrive whole")),
        }
    }
}

/// Most bytes of a JSON document.
pub(super) const BYTES_MAX: usize = 1024 * 1024;
