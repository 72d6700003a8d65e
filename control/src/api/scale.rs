//! `/system/scale-function/{name}`.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use http::StatusCode;

use super::body::Document;
use super::functions::{Parameters, one_of};
use super::router::Api;
use crate::error::ApiError;
use crate::provider::Target;
use crate::wire::ScaleRequest;

/// The name in the path decides; real clients repeat it in the body.
pub(super) async fn scale(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
    Document(body): Document,
) -> Result<StatusCode, ApiError> {
    let request = ScaleRequest::parse(&body)?;
    let namespace = one_of(request.namespace, parameters.namespace)?;
    api.provider
        .scale(Target { name, namespace }, request.replicas)
        .await?;
    Ok(StatusCode::ACCEPTED)
}
