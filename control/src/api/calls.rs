//! Counts the calls of `/system` routes, by route and not by path.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::router::Api;

/// Notes method, route, status and duration until the reply's head.
pub(super) async fn count(
    State(api): State<Arc<Api>>,
    route: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let response = next.run(request).await;
    if route.as_str().starts_with("/system/") {
        let calls = &api.facts.calls;
        calls.ended(&method, route.as_str(), response.status(), began.elapsed());
    }
    response
}
