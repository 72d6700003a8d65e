//! `/system/scale-function/{name}` and `/system/alert`.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::StatusCode;

use super::body::Document;
use super::query::Parameters;
use super::router::Api;
use crate::error::ApiError;
use crate::provider::{Answer, Order, Standing, Target};
use crate::scale::{Alert, Bounds, Status, alerts};
use crate::wire::ScaleRequest;

/// The name in the path decides; real clients repeat it in the body.
pub(super) async fn scale(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    parameters: Parameters,
    Document(body): Document,
) -> Result<Answer, ApiError> {
    let request = ScaleRequest::parse(&body)?;
    let order = Order {
        body,
        namespace: parameters.namespace(),
    };
    let namespace = order.namespace(&request.namespace)?;
    let most = api.replicas_max.map_or(u64::MAX, u64::from);
    let replicas = request.replicas.min(most);
    Ok(api
        .provider
        .scale(Target { name, namespace }, replicas)
        .await?)
}

/// Alertmanager's webhook. A function that is not there, or that the provider cannot tell of, is
/// no failure: Alertmanager would repeat the whole document for it.
pub(super) async fn alert(
    State(api): State<Arc<Api>>,
    Document(body): Document,
) -> Result<StatusCode, ApiError> {
    let alerts = alerts(&body)
        .map_err(|why| ApiError::bad_request(format!("the body is no alert document: {why}")))?;
    let mut failed = Vec::new();
    for alert in alerts {
        if let Err(error) = handle(&api, &alert).await {
            failed.push(format!("{}: {error}", alert.function_name));
        }
    }
    if failed.is_empty() {
        return Ok(StatusCode::OK);
    }
    let text = failed.join("\n");
    Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text))
}

async fn handle(api: &Api, alert: &Alert) -> Result<(), ApiError> {
    let name = alert.function_name.as_str();
    // The text behind the last point is the namespace, as everywhere.
    let (name, namespace) = name
        .rsplit_once('.')
        .unwrap_or((name, api.namespace.as_str()));
    if name.is_empty() {
        return Ok(());
    }
    let target = Target {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
    };
    let answer = api.provider.status(target.clone(), false).await;
    let standing = answer
        .ok()
        .filter(|answer| answer.status == StatusCode::OK)
        .and_then(|answer| Standing::parse(&answer.body));
    let Some(standing) = standing else {
        tracing::warn!(
            function = alert.function_name,
            "an alert names a function that is not known"
        );
        return Ok(());
    };
    let bounds = Bounds::of(&standing.labels);
    let wanted = match alert.status {
        Status::Firing => bounds.raised(standing.replicas, api.replicas_max),
        Status::Resolved => bounds.min,
    };
    if wanted == standing.replicas {
        return Ok(());
    }
    let answer = api.provider.scale(target, u64::from(wanted)).await?;
    if !answer.status.is_success() {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text));
    }
    tracing::info!(
        function = alert.function_name,
        from = standing.replicas,
        to = wanted,
        "scaled by an alert"
    );
    Ok(())
}
