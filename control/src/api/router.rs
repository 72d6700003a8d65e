//! The routes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, StatusCode, Uri};

use super::counts::Counts;
use super::{asynchronous, auth, calls, functions, health, info, jobs, scale, system, ui};
use crate::error::ApiError;
use crate::metrics::Facts;
use crate::name::Namespace;
use crate::provider::Provider;
use crate::queue::{Desk, Guard};
use crate::settings::Login;
use crate::unread;

/// What the routes work with.
pub struct Api {
    /// What runs the functions.
    pub provider: Arc<dyn Provider>,
    /// How often functions were called.
    pub counts: Counts,
    /// What everything but functions and health asks for; `None` asks for nothing.
    pub credentials: Option<Login>,
    /// Namespace of functions named without one.
    pub namespace: Namespace,
    /// Most replicas that calls and alerts may ask for.
    pub replicas_max: Option<u32>,
    /// Where the queue of asynchronous calls is.
    pub desk: Arc<Desk>,
    /// Whether asynchronous calls of functions that do not exist are queued.
    pub accept_unknown: bool,
    /// Where replies of asynchronous calls may be delivered to.
    pub guard: Guard,
    /// What the metrics page tells, and whether the gateway drains.
    pub facts: Arc<Facts>,
}

/// All routes behind the authentication layer.
pub fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route(
            "/system/functions",
            get(functions::list)
                .post(functions::deploy)
                .put(functions::update)
                .delete(functions::delete),
        )
        .route("/system/function/{name}", get(functions::status))
        .route("/system/scale-function/{name}", post(scale::scale))
        .route("/system/alert", post(scale::alert))
        .route("/system/info", get(info::info))
        .route(
            "/system/secrets",
            get(system::secrets)
                .post(system::secrets)
                .put(system::secrets)
                .delete(system::secrets),
        )
        .route("/system/logs", get(system::logs))
        .route("/system/namespaces", get(system::namespaces))
        .route(
            "/system/namespace/",
            get(system::unnamed_namespace)
                .post(system::unnamed_namespace)
                .put(system::unnamed_namespace)
                .delete(system::unnamed_namespace),
        )
        .route(
            "/system/namespace/{name}",
            get(system::namespace)
                .post(system::namespace)
                .put(system::namespace)
                .delete(system::namespace),
        )
        .route("/system/telemetry", get(system::telemetry))
        .route("/async-function/{*rest}", any(asynchronous::route))
        .route("/async-function", get(jobs::list))
        .route(
            "/system/async-calls",
            get(jobs::list).delete(jobs::purge_all),
        )
        .route("/system/async-calls/replay", post(jobs::replay_all))
        .route("/system/async-calls/{id}", delete(jobs::purge))
        .route("/system/async-calls/{id}/replay", post(jobs::replay))
        .route("/metrics", get(system::metrics))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/", get(ui::home))
        .route("/ui/", get(ui::page))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&api),
            calls::count,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&api),
            unless_frozen,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&api),
            auth::guard,
        ))
        .layer(middleware::from_fn(end_behind_unread_bodies))
        .with_state(api)
}

/// While another gateway takes over, what is stored is its own to change.
async fn unless_frozen(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    let changes = !reads && request.uri().path().starts_with("/system/");
    if changes && api.facts.frozen.load(Ordering::Relaxed) {
        let text = "another gateway is taking over; try again";
        let mut reply = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, text).into_response();
        reply
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return reply;
    }
    next.run(request).await
}

/// Whoever refuses a request early leaves its body unread.
async fn end_behind_unread_bodies(request: Request, next: Next) -> Response {
    let (request, body) = unread::watch(request);
    let mut reply = next.run(request.map(Body::new)).await;
    body.mark(&mut reply);
    reply
}

async fn unknown(State(_): State<Arc<Api>>, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        format!("there is no route {}", uri.path()),
    )
}

/// The router adds `Allow`.
async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    let text = format!("{method} is not a method of {}", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, text)
}
