//! The metrics listener: `/metrics` and `/healthz`, never authenticated.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

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
    /// Set while another gateway takes over: nothing may be changed here.
    pub frozen: AtomicBool,
    /// Shards that do not answer.
    pub stuck: AtomicUsize,
}

impl Facts {
    /// Whether the gateway drains.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Why the gateway should get no further calls, if so.
    #[must_use]
    pub fn trouble(&self) -> Option<&'static str> {
        if self.is_draining() {
            return Some("the gateway is draining");
        }
        let stuck = self.stuck.load(Ordering::Relaxed) > 0;
        stuck.then_some("a shard does not answer")
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
        stuck: facts.stuck.load(Ordering::Relaxed),
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
    match facts.trouble() {
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
        None => "OK".into_response(),
    }
}
