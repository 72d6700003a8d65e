//! `/system/functions` and `/system/function/{name}`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;

use super::body::Document;
use super::router::Api;
use crate::error::ApiError;
use crate::provider::{Invalid, Target};
use crate::wire::{DeleteRequest, Deployment, FunctionStatus};

/// Query parameters of these routes; others are ignored.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Parameters {
    #[serde(default)]
    pub(super) namespace: String,
    #[serde(default)]
    usage: String,
}

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Vec<FunctionStatus>>, ApiError> {
    let mut rows = api.provider.list(parameters.namespace).await?;
    let invocations = invocations(&api);
    for row in &mut rows {
        count(row, &invocations);
    }
    Ok(Json(rows))
}

pub(super) async fn status(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, ApiError> {
    let usage = matches!(parameters.usage.as_str(), "1" | "true");
    let target = Target {
        name,
        namespace: parameters.namespace,
    };
    match api
        .provider
        .status(target, usage)
        .await
        .map_err(ApiError::from)
    {
        Ok(mut row) => {
            count(&mut row, &invocations(&api));
            Ok(Json(row).into_response())
        }
        // Providers answer this one with an empty body.
        Err(error) if error.status() == StatusCode::NOT_FOUND => {
            Ok(StatusCode::NOT_FOUND.into_response())
        }
        Err(error) => Err(error),
    }
}

pub(super) async fn deploy(
    State(api): State<Arc<Api>>,
    Document(body): Document,
) -> Result<StatusCode, ApiError> {
    api.provider.deploy(Deployment::parse(&body)?).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn update(
    State(api): State<Arc<Api>>,
    Document(body): Document,
) -> Result<StatusCode, ApiError> {
    api.provider.update(Deployment::parse(&body)?).await?;
    Ok(StatusCode::OK)
}

pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Query(parameters): Query<Parameters>,
    Document(body): Document,
) -> Result<StatusCode, ApiError> {
    let request = DeleteRequest::parse(&body)?;
    if request.function_name.is_empty() {
        return Err(Invalid::new("functionName", "must name the function").into());
    }
    let namespace = one_of(request.namespace, parameters.namespace)?;
    api.provider
        .delete(Target {
            name: request.function_name,
            namespace,
        })
        .await?;
    Ok(StatusCode::OK)
}

/// The namespace of the body or of the query; both must not name different ones.
pub(super) fn one_of(body: String, query: String) -> Result<String, ApiError> {
    match (body.as_str(), query.as_str()) {
        ("", _) => Ok(query),
        (_, "") => Ok(body),
        (a, b) if a == b => Ok(body),
        _ => Err(Invalid::new("namespace", "body and query name different ones").into()),
    }
}

fn invocations(api: &Api) -> HashMap<(String, String), u64> {
    let counts = (api.invocations)().into_iter();
    counts
        .map(|(id, n)| ((id.name.to_string(), id.namespace.to_string()), n))
        .collect()
}

fn count(row: &mut FunctionStatus, invocations: &HashMap<(String, String), u64>) {
    let key = (row.name.clone(), row.deployment.0.namespace.clone());
    row.invocation_count = invocations.get(&key).copied().unwrap_or(0);
}
