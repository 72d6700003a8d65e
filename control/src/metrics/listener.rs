//! The metrics listener: `/metrics` and `/healthz`, never authenticated.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use ringway_proxy::metrics::Snapshot;

use super::text;
use crate::api::Api;
use crate::publish::Board;

/// Where the numbers come from.
pub struct Facts {
    /// What the data plane has counted.
    pub snapshot: Box<dyn Fn() -> Snapshot + Send + Sync>,
    /// How many replicas are wanted.
    pub board: Arc<Board>,
    /// Name of the driver in use.
    pub driver: &'static str,
    /// Whether the gateway drains.
    pub api: Arc<Api>,
}

/// The listener's routes.
pub fn router(facts: Arc<Facts>) -> Router {
    Router::new()
        .route("/metrics", get(metrics).post(metrics))
        .route("/healthz", get(health))
        .with_state(facts)
}

async fn metrics(State(facts): State<Arc<Facts>>) -> Response {
    let snapshot = (facts.snapshot)();
    let body = text::render(&snapshot, &facts.board.replicas(), facts.driver);
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(CONTENT_TYPE, kind)], body).into_response()
}

async fn health(State(facts): State<Arc<Facts>>) -> Response {
    if facts.api.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the gateway is draining\n").into_response();
    }
    "OK".into_response()
}
