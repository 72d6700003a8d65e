//! The routes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::middleware;
use axum::routing::{get, post};
use http::{Method, StatusCode, Uri};
use ringway_proxy::FunctionId;

use super::{auth, functions, health, info, scale, ui};
use crate::error::ApiError;
use crate::provider::Provider;
use crate::settings::Credentials;

/// What the routes work with.
pub struct Api {
    /// What runs the functions.
    pub provider: Arc<dyn Provider>,
    /// Ended calls by function, from the data plane's counters.
    pub invocations: Box<dyn Fn() -> Vec<(FunctionId, u64)> + Send + Sync>,
    /// What `/system` asks for; `None` asks for nothing.
    pub credentials: Option<Credentials>,
    /// Set once the gateway drains.
    pub draining: AtomicBool,
}

impl Api {
    /// Whether the gateway drains.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
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
        .route("/system/info", get(info::info))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/", get(ui::home))
        .route("/ui/", get(ui::page))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&api),
            auth::guard,
        ))
        .with_state(api)
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
