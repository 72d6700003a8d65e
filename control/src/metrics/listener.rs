//! The metrics listener: `/metrics` and `/healthz`, never authenticated.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use ringway_proxy::metrics::Snapshot;

use super::SystemCalls;
use super::process::Process;
use super::text::{self, Numbers};
use crate::publish::Board;
use crate::queue::Desk;

/// Where the numbers come from.
pub struct Facts {
    /// What the data plane has counted.
    pub snapshot: Box<dyn Fn() -> Snapshot + Send + Sync>,
    /// How many replicas are wanted and ready.
    pub board: Arc<Board>,
    /// Name of the driver in use.
    pub driver: &'static str,
    /// Where the queue of asynchronous calls is.
    pub desk: Arc<Desk>,
    /// Calls of the API.
    pub calls: SystemCalls,
    /// Set once the gateway drains.
    pub draining: AtomicBool,
}

impl Facts {
    /// Whether the gateway drains.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// The listener's routes.
pub fn router(facts: Arc<Facts>) -> Router {
    Router::new()
        .route("/metrics", axum::routing::any(metrics))
        .route("/healthz", get(health))
        .with_state(facts)
}

/// The routes of a queue worker: the numbers of the queue, and whether it is there.
pub fn queue_router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/metrics", get(queue_metrics))
        .route("/healthz", get(|| async { "OK" }))
        .route("/readyz", get(queue_ready))
        .with_state(desk)
}

async fn queue_metrics(State(desk): State<Arc<Desk>>) -> Response {
    let depths = desk.queue().ok().map(|queue| queue.depths());
    let body = text::render_queue(&desk.tally.counts(), depths.as_ref(), Process::observe());
    answer(body)
}

async fn queue_ready(State(desk): State<Arc<Desk>>) -> Response {
    match desk.queue() {
        Ok(_) => "OK".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

/// The metrics as Prometheus' text format.
pub fn page(facts: &Facts) -> Response {
    let queue = facts.desk.queue().ok();
    let depths = queue.map(|queue| queue.depths());
    let body = text::render(&Numbers {
        snapshot: &(facts.snapshot)(),
        standings: &facts.board.standings(),
        driver: facts.driver,
        calls: &facts.calls.series(),
        queue: (&facts.desk.tally.counts(), depths.as_ref()),
        process: Process::observe(),
    });
    answer(body)
}

fn answer(body: String) -> Response {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(CONTENT_TYPE, kind)], body).into_response()
}

async fn metrics(State(facts): State<Arc<Facts>>) -> Response {
    page(&facts)
}

async fn health(State(facts): State<Arc<Facts>>) -> Response {
    if facts.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the gateway is draining\n").into_response();
    }
    "OK".into_response()
}
