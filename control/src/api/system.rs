//! The routes that only pass on: secrets, logs, namespaces, telemetry, and the metrics page.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::{Method, Uri};

use super::body::Document;
use super::functions::order;
use super::query::Parameters;
use super::router::Api;
use crate::error::ApiError;
use crate::metrics;
use crate::provider::{Answer, LogRequest, LogStream, Verb};

pub(super) async fn secrets(
    State(api): State<Arc<Api>>,
    method: Method,
    parameters: Parameters,
    Document(body): Document,
) -> Result<Answer, ApiError> {
    let order = order(parameters, body);
    Ok(api.provider.secrets(verb(&method), order).await?)
}

/// The query passes on as it came: of a repeated parameter the provider takes the last one.
pub(super) async fn logs(State(api): State<Arc<Api>>, uri: Uri) -> Result<LogStream, ApiError> {
    let request = LogRequest {
        query: uri.query().unwrap_or_default().to_owned(),
    };
    Ok(api.provider.logs(request).await?)
}

pub(super) async fn namespaces(State(api): State<Arc<Api>>) -> Result<Answer, ApiError> {
    Ok(api.provider.namespaces().await?)
}

/// `/system/namespace/`: clients create a namespace by a body alone.
pub(super) async fn unnamed_namespace(
    api: State<Arc<Api>>,
    method: Method,
    body: Document,
) -> Result<Answer, ApiError> {
    namespace(api, method, Path(String::new()), body).await
}

pub(super) async fn namespace(
    State(api): State<Arc<Api>>,
    method: Method,
    Path(name): Path<String>,
    Document(body): Document,
) -> Result<Answer, ApiError> {
    Ok(api.provider.namespace(verb(&method), name, body).await?)
}

pub(super) async fn telemetry(State(api): State<Arc<Api>>) -> Result<Answer, ApiError> {
    Ok(api.provider.telemetry().await?)
}

pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    metrics::page(&api.facts)
}

/// The router lets no other method through.
fn verb(method: &Method) -> Verb {
    match *method {
        Method::POST => Verb::Create,
        Method::PUT => Verb::Replace,
        Method::DELETE => Verb::Remove,
        _ => Verb::Read,
    }
}
