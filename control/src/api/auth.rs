//! Basic authentication: one layer in front of every route.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::AUTHORIZATION;

use super::asynchronous;
use super::router::Api;
use crate::error::ApiError;

/// Lets a request through that needs no credentials, or carries them.
pub(super) async fn guard(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let open = OPEN.contains(&path) || asynchronous::is_open(request.method(), path);
    let admitted = open
        || api.credentials.as_ref().is_none_or(|credentials| {
            let header = request.headers().get(AUTHORIZATION);
            header.is_some_and(|value| credentials.admits(value.as_bytes()))
        });
    if !admitted {
        let text = "these are not the user name and password";
        return ApiError::new(StatusCode::UNAUTHORIZED, text).into_response();
    }
    next.run(request).await
}

/// Probes carry no credentials, and `/` only leads to a page that asks for them.
const OPEN: [&str; 3] = ["/", "/healthz", "/readyz"];
