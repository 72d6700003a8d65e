//! `/system/functions` and `/system/function/{name}`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::answer::without_text;
use super::body::Document;
use super::query::Parameters;
use super::router::Api;
use crate::error::ApiError;
use crate::provider::{Answer, Order, Target};

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    parameters: Parameters,
) -> Result<Answer, ApiError> {
    let mut answer = api.provider.list(parameters.namespace()).await?;
    if answer.status == StatusCode::OK
        && let Some(list) = api.counts.into_list(&answer.body).await
    {
        answer.body = list.into();
    }
    Ok(answer)
}

pub(super) async fn status(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Response {
    let usage = matches!(parameters.last("usage"), "1" | "true");
    let namespace = parameters.namespace();
    let answer = api.provider.status(Target { name, namespace }, usage).await;
    let mut answer = match answer.map_err(ApiError::from) {
        Ok(answer) => answer,
        Err(error) => return without_text(error),
    };
    if answer.status == StatusCode::OK
        && !api.provider.is_remote()
        && let Some(document) = api.counts.into_one(&answer.body).await
    {
        answer.body = document.into();
    }
    answer.into_response()
}

pub(super) async fn deploy(
    State(api): State<Arc<Api>>,
    parameters: Parameters,
    Document(body): Document,
) -> Result<Answer, ApiError> {
    Ok(api.provider.deploy(order(parameters, body)).await?)
}

pub(super) async fn update(
    State(api): State<Arc<Api>>,
    parameters: Parameters,
    Document(body): Document,
) -> Result<Answer, ApiError> {
    Ok(api.provider.update(order(parameters, body)).await?)
}

pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    parameters: Parameters,
    Document(body): Document,
) -> Result<Answer, ApiError> {
    Ok(api.provider.delete(order(parameters, body)).await?)
}

pub(super) fn order(parameters: Parameters, body: bytes::Bytes) -> Order {
    Order {
        body,
        namespace: parameters.namespace(),
    }
}
