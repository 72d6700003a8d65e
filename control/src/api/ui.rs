//! `/` and `/ui/`: one static page.

use axum::response::{Html, IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION};
use http::{HeaderValue, StatusCode};

pub(super) async fn home() -> Response {
    let location = [(LOCATION, HeaderValue::from_static("/ui/"))];
    (StatusCode::TEMPORARY_REDIRECT, location).into_response()
}

pub(super) async fn page() -> Response {
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        // The page brings its own style and script, and talks to nobody but its gateway.
        (
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                 connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                 frame-ancestors 'none'",
            ),
        ),
    ];
    (headers, Html(include_str!("ui.html"))).into_response()
}
