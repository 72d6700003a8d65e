//! A provider's answer becomes the API's.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::error::ApiError;
use crate::provider::{Answer, LogStream};

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        // The text type axum gives to bytes is not the provider's.
        response.headers_mut().remove(CONTENT_TYPE);
        response.headers_mut().extend(self.headers);
        response
    }
}

impl IntoResponse for LogStream {
    fn into_response(self) -> Response {
        let mut response = (self.status, Body::from_stream(self.body)).into_response();
        response.headers_mut().remove(CONTENT_TYPE);
        response.headers_mut().extend(self.headers);
        response
    }
}

/// A function's own document is the one error that providers answer without a text.
pub(super) fn without_text(error: ApiError) -> Response {
    if error.status() == StatusCode::NOT_FOUND {
        return StatusCode::NOT_FOUND.into_response();
    }
    error.into_response()
}
