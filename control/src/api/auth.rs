//! Basic authentication: one layer in front of every route.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{Method, StatusCode};

use super::router::Api;
use crate::error::ApiError;

/// Lets a request through that needs no credentials (probes have none), or carries them.
pub(super) async fn guard(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let open = match request.uri().path() {
        "/healthz" | "/readyz" => true,
        // Only leads to a page that asks for them.
        "/" => reads,
        // Invocations ask for no credentials of the gateway's.
        path if path.starts_with("/async-function/") => *request.method() == Method::POST,
        _ => false,
    };
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
