//! How a queued call stands, as a document.

use serde::Serialize;

use crate::queue::{CallbackStanding, CallbackUrl, Job, State};
use crate::rfc3339;

/// A queued call.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobDocument {
    job_id: String,
    call_id: String,
    function: String,
    state: &'static str,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    body_bytes: u64,
    queued_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback: Option<CallbackDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<ResultDocument>,
}

/// The delivery of its reply.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CallbackDocument {
    url: String,
    state: &'static str,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
}

/// Its stored reply.
#[derive(Clone, Debug, Serialize)]
struct ResultDocument {
    status: u16,
    bytes: u64,
    truncated: bool,
    path: String,
}

impl From<&Job> for JobDocument {
    fn from(job: &Job) -> Self {
        let at = |millis: crate::queue::Millis| rfc3339::nanos(millis.time());
        let due = |states: &[State]| states.contains(&job.state).then(|| at(job.due));
        Self {
            job_id: job.id.to_string(),
            call_id: job.call_id.clone(),
            function: job.function.clone(),
            state: job.state.word(),
            attempts: job.attempts,
            last_status: job.status,
            last_error: job.error.clone(),
            body_bytes: job.body_bytes,
            queued_at: at(job.queued_at),
            started_at: job.started_at.map(at),
            next_attempt_at: due(&[State::Waiting]),
            ended_at: due(&[State::Done, State::Dead, State::Cancelled]),
            callback: job.callback.as_ref().map(CallbackDocument::from),
            result: job.reply.as_ref().map(|reply| ResultDocument {
                status: reply.status,
                bytes: reply.bytes,
                truncated: reply.cut,
                path: format!("/async-function/{}/result", job.id),
            }),
        }
    }
}

impl From<&CallbackStanding> for CallbackDocument {
    fn from(standing: &CallbackStanding) -> Self {
        // Without user and password.
        let url = CallbackUrl::parse(&standing.url);
        Self {
            url: url.map(|url| url.to_string()).unwrap_or_default(),
            state: standing.delivery.map_or("none", |delivery| delivery.word()),
            attempts: standing.attempts,
            last_status: standing.status,
            last_error: standing.error.clone(),
            next_attempt_at: standing.due.map(|due| rfc3339::nanos(due.time())),
        }
    }
}
