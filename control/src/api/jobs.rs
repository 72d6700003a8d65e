//! `/system/async-calls`: lists of queued calls, and what is done about dead ones.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use super::asynchronous::no_job;
use super::query::Parameters;
use super::router::Api;
use crate::error::ApiError;
use crate::name::parse_full;
use crate::queue::{Filter, JobId, Place, State as JobState, Which};
use crate::wire::JobDocument;

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let filter = filter(&api, &parameters)?;
    let page = api.desk.queue()?.list(filter).await?;
    let calls: Vec<JobDocument> = page.jobs.iter().map(JobDocument::from).collect();
    let mut document = json!({"calls": calls});
    if let Some(next) = page.next {
        document["next"] = next.text().into();
    }
    Ok(axum::Json(document).into_response())
}

/// Queues all dead calls again, or those of a function.
pub(super) async fn replay_all(
    State(api): State<Arc<Api>>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let which = Which::All(function(&api, &parameters));
    let count = api.desk.queue()?.replay(which).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(json!({"replayed": count}))).into_response())
}

/// Forgets all dead calls, or those of a function.
pub(super) async fn purge_all(
    State(api): State<Arc<Api>>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    if parameters.last("state") != JobState::Dead.word() {
        return Err(ApiError::bad_request(
            "only dead calls can be purged: say state=dead; others are cancelled one by one",
        ));
    }
    let which = Which::All(function(&api, &parameters));
    let count = api.desk.queue()?.purge(which).await?;
    Ok(axum::Json(json!({"purged": count})).into_response())
}

pub(super) async fn replay(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = job_id(&id)?;
    match api.desk.queue()?.replay(Which::One(id)).await? {
        0 => Err(not_dead(&api, id).await?),
        _ => Ok(StatusCode::ACCEPTED.into_response()),
    }
}

pub(super) async fn purge(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = job_id(&id)?;
    match api.desk.queue()?.purge(Which::One(id)).await? {
        0 => Err(not_dead(&api, id).await?),
        _ => Ok(StatusCode::OK.into_response()),
    }
}

async fn not_dead(api: &Api, id: JobId) -> Result<ApiError, ApiError> {
    let job = api.desk.queue()?.job(id).await?;
    Ok(job.map_or_else(
        || no_job(id),
        |job| {
            let text = format!("the call {id} is {}, not dead", job.state.word());
            ApiError::new(StatusCode::CONFLICT, text)
        },
    ))
}

fn job_id(text: &str) -> Result<JobId, ApiError> {
    JobId::parse(text).ok_or_else(|| ApiError::bad_request("a job id has 32 hexadecimal digits"))
}

fn filter(api: &Api, parameters: &Parameters) -> Result<Filter, ApiError> {
    let state = match parameters.last("state") {
        "" => None,
        word => Some(JobState::parse(word).ok_or_else(|| {
            let rule = "state must be queued, waiting, running, done, dead or cancelled";
            ApiError::bad_request(rule)
        })?),
    };
    let after = match parameters.last("after") {
        "" => None,
        text => {
            let place = Place::parse(text);
            Some(place.ok_or_else(|| ApiError::bad_request("after must be a page's next"))?)
        }
    };
    let limit = match parameters.last("limit") {
        "" => Some(LIMIT),
        text => crate::policy::whole(text).map(|n| n as usize),
    };
    let limit = limit
        .filter(|n| (1..=LIMIT_MAX).contains(n))
        .ok_or_else(|| {
            ApiError::bad_request(format!(
                "limit must be a whole number from 1 to {LIMIT_MAX}"
            ))
        })?;
    Ok(Filter {
        state,
        function: function(api, parameters),
        after,
        limit,
    })
}

/// `function`, in the default namespace unless it names one.
fn function(api: &Api, parameters: &Parameters) -> Option<String> {
    match parameters.last("function") {
        "" => None,
        full if parse_full(full).is_some() => Some(full.to_owned()),
        bare => Some(format!("{bare}.{}", api.namespace)),
    }
}

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;
