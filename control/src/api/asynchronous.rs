//! `/async-function/…`: calls are taken in, asked for, and cancelled.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
use http::header::{ALLOW, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use ringway_proxy::{FunctionId, Name};

use super::router::Api;
use crate::error::ApiError;
use crate::name::full;
use crate::provider::{ProviderError, Target};
use crate::publish::UNKNOWN;
use crate::queue::{Call, CallbackUrl, Cancelled, JobId, Millis, QueueError, lines, map, of_body};
use crate::wire::JobDocument;

/// Every method of `/async-function/…`: what it means depends on what the name looks like, and
/// the path must not be decoded on its way to the function.
pub(super) async fn route(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Response, ApiError> {
    let path = request.uri().path();
    let behind = path.strip_prefix(PREFIX).unwrap_or_default();
    let (name, rest) = behind
        .find('/')
        .map_or((behind, ""), |at| behind.split_at(at));
    let job = JobId::parse(name);
    match (request.method(), job, rest) {
        (&Method::POST, ..) => {
            let (name, rest) = (name.to_owned(), rest.to_owned());
            enqueue(&api, name, &rest, request).await
        }
        (&Method::GET | &Method::HEAD, Some(id), "") => job_document(&api, id).await,
        (&Method::GET | &Method::HEAD, Some(id), "/result") => result(&api, id).await,
        (&Method::DELETE, Some(id), "") => cancel(&api, id).await,
        (_, Some(_), "" | "/result") => Ok(not_allowed("GET, DELETE, POST", request.uri())),
        _ => Ok(not_allowed("POST", request.uri())),
    }
}

async fn enqueue(
    api: &Api,
    name: String,
    rest: &str,
    request: Request,
) -> Result<Response, ApiError> {
    let id = function(api, &name)?;
    let callback = callback(api, request.headers())?;
    let queue = api.desk.queue()?;
    if !api.accept_unknown {
        known(api, &id).await?;
    }
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let most = api.desk.limits.body_bytes_max;
    if length.is_some_and(|n| n > most) {
        return Err(QueueError::TooLarge(most).into());
    }
    let job = JobId::random().map_err(|error| QueueError::Failed(error.to_string()))?;
    let (head, body) = request.into_parts();
    let text = |name: &str| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let query = head
        .uri
        .query()
        .map_or_else(String::new, |q| format!("?{q}"));
    let call_id = text("x-call-id");
    let call = Call {
        id: job,
        function: full(&id),
        name,
        call_id: call_id.clone(),
        target: format!("{rest}{query}"),
        headers: lines(&head.headers),
        callback,
        store: text("x-store-result").eq_ignore_ascii_case("true"),
        queued_at: Millis::now(),
    };
    api.desk.check(&call)?;
    let function = call.function.clone();
    let pieces = Box::pin(body.into_data_stream().map_err(std::io::Error::other));
    queue.enqueue(call, pieces).await?;
    let is_known = api.facts.board.knows(&id);
    api.desk
        .tally
        .submitted(if is_known { &function } else { UNKNOWN });
    tracing::debug!(job_id = %job, call_id, function, "a call is queued");
    // The data plane adds the call's id and the time it came.
    let mut response = StatusCode::ACCEPTED.into_response();
    if let Ok(value) = HeaderValue::try_from(job.to_string()) {
        let name = HeaderName::from_static("x-job-id");
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// The function of `name` or `name.namespace`.
fn function(api: &Api, text: &str) -> Result<FunctionId, ApiError> {
    let parse = |text: &str| {
        Name::parse(text).map_err(|error| ApiError::new(StatusCode::NOT_FOUND, error.to_string()))
    };
    parse(text)?;
    let (name, namespace) = match text.rsplit_once('.') {
        Some((name, namespace)) => (parse(name)?, parse(namespace)?),
        None => (parse(text)?, api.namespace.as_name().clone()),
    };
    Ok(FunctionId { name, namespace })
}

fn callback(api: &Api, headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("x-callback-url").filter(|v| !v.is_empty()) else {
        return Ok(None);
    };
    let bad = |why: String| ApiError::bad_request(format!("X-Callback-Url {why}"));
    let text = value
        .to_str()
        .map_err(|_| bad("must be a URL in ASCII".to_owned()))?;
    let url = CallbackUrl::parse(text).map_err(bad)?;
    // Names are looked at when they are connected to; this only spares the detour.
    if let Some(address) = url.address() {
        let checked = api.guard.check(&address.to_string(), address);
        checked.map_err(|why| ApiError::bad_request(format!("X-Callback-Url: {why}")))?;
    }
    Ok(Some(text.to_owned()))
}

/// Whether there is such a function, as far as anybody can say.
async fn known(api: &Api, id: &FunctionId) -> Result<(), ApiError> {
    let unknown = || {
        let text = format!("there is no function {}", full(id));
        ApiError::new(StatusCode::NOT_FOUND, text)
    };
    if api.facts.board.knows(id) {
        return Ok(());
    }
    if !api.provider.is_remote() {
        return Err(unknown());
    }
    let target = Target {
        name: id.name.to_string(),
        namespace: id.namespace.to_string(),
    };
    match api.provider.status(target, false).await {
        // 400 is how some say that there is no such namespace.
        Ok(answer) if matches!(answer.status.as_u16(), 400 | 404) => Err(unknown()),
        Err(ProviderError::NotFound { .. }) => Err(unknown()),
        // A provider that cannot say does not keep a call from being queued.
        Ok(_) | Err(_) => Ok(()),
    }
}

async fn job_document(api: &Api, id: JobId) -> Result<Response, ApiError> {
    let job = api.desk.queue()?.job(id).await?;
    let job = job.ok_or_else(|| no_job(id))?;
    Ok(axum::Json(JobDocument::from(&job)).into_response())
}

async fn result(api: &Api, id: JobId) -> Result<Response, ApiError> {
    let queue = api.desk.queue()?;
    let job = queue.job(id).await?.ok_or_else(|| no_job(id))?;
    let none = || {
        let text = format!("the call {id} has no stored result");
        ApiError::new(StatusCode::NOT_FOUND, text)
    };
    let reply = job.reply.ok_or_else(none)?;
    let pieces = queue.reply(id).await?.ok_or_else(none)?;
    let mut response = Response::new(Body::from_stream(pieces));
    // Of the function's fields only what the body is: the others were meant for its caller, and
    // this is another request.
    let headers = response.headers_mut();
    headers.extend(of_body(&map(&reply.headers)));
    headers.insert(CONTENT_LENGTH, reply.bytes.into());
    headers.insert(
        HeaderName::from_static("x-function-status"),
        reply.status.into(),
    );
    if reply.cut {
        let cut = HeaderName::from_static("x-ringway-truncated");
        headers.insert(cut, HeaderValue::from_static("true"));
    }
    Ok(response)
}

async fn cancel(api: &Api, id: JobId) -> Result<Response, ApiError> {
    match api.desk.queue()?.cancel(id).await? {
        Cancelled::Done => Ok(StatusCode::ACCEPTED.into_response()),
        Cancelled::Unknown => Err(no_job(id)),
        Cancelled::TooLate(state) => {
            let text = format!("the call {id} is {} already", state.word());
            Err(ApiError::new(StatusCode::CONFLICT, text))
        }
    }
}

pub(super) fn no_job(id: JobId) -> ApiError {
    let text = format!("there is no call {id}, or not any more");
    ApiError::new(StatusCode::NOT_FOUND, text)
}

fn not_allowed(methods: &'static str, uri: &Uri) -> Response {
    let text = format!("{methods}: no other method of {}", uri.path());
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, text);
    let mut response = error.into_response();
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(methods));
    response
}

const PREFIX: &str = "/async-function/";
