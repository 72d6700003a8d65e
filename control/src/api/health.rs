//! `/healthz`: can this gateway serve? `/readyz`: and can its provider work?

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;

use super::router::Api;
use crate::error::ApiError;

pub(super) async fn live(State(api): State<Arc<Api>>) -> Result<&'static str, ApiError> {
    match api.facts.trouble() {
        Some(text) => Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, text)),
        None => Ok("OK"),
    }
}

pub(super) async fn ready(State(api): State<Arc<Api>>) -> Result<&'static str, ApiError> {
    live(State(Arc::clone(&api))).await?;
    api.provider.health().await?;
    Ok("OK")
}
