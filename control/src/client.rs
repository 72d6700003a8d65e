//! HTTP to another server of the installation: pooled connections, bounded in time and size.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::header::{self, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, BodyStream, Full};
use hyper::body::{Body, Incoming};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time;

use crate::provider::{Answer, LogStream, ProviderError};
use crate::settings::{Login, ProviderUrl};

/// Asks one server.
#[derive(Clone)]
pub(crate) struct Client {
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    base: ProviderUrl,
    /// Presented to it; `None` presents nothing.
    login: Option<Login>,
    timeout: Duration,
}

/// One question.
pub(crate) struct Question<'a> {
    pub(crate) method: Method,
    /// Path and query behind the base path, percent-encoded.
    pub(crate) target: &'a str,
    pub(crate) body: Bytes,
}

impl<'a> Question<'a> {
    pub(crate) fn get(target: &'a str) -> Self {
        Self {
            method: Method::GET,
            target,
            body: Bytes::new(),
        }
    }
}

impl Client {
    pub(crate) fn new(base: ProviderUrl, login: Option<Login>, timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT.min(timeout)));
        connector.set_nodelay(true);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self {
            http,
            base,
            login,
            timeout,
        }
    }

    /// The whole answer, whatever its status.
    pub(crate) async fn ask(&self, question: Question<'_>) -> Result<Answer, ProviderError> {
        let asked = async {
            let (head, body) = self.send(question).await?.into_parts();
            let body = whole(body).await?;
            Ok(Answer {
                status: head.status,
                headers: about_the_body(head.headers),
                body,
            })
        };
        self.in_time(asked).await
    }

    /// The answer's head within the time, its body as it comes.
    pub(crate) async fn stream(&self, question: Question<'_>) -> Result<LogStream, ProviderError> {
        let (head, body) = self.in_time(self.send(question)).await?.into_parts();
        let pieces = BodyStream::new(body)
            .try_filter_map(|frame| std::future::ready(Ok(frame.into_data().ok())))
            .map_err(std::io::Error::other);
        Ok(LogStream {
            status: head.status,
            headers: about_the_body(head.headers),
            body: Box::pin(pieces),
        })
    }

    async fn in_time<T>(
        &self,
        asked: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let silent = || ProviderError::Silent {
            seconds: self.timeout.as_secs_f64(),
        };
        time::timeout(self.timeout, asked)
            .await
            .map_err(|_| silent())?
    }

    async fn send(&self, question: Question<'_>) -> Result<Response<Incoming>, ProviderError> {
        // An idle connection that the provider closes just now costs a question that may be
        // asked again only another try; the next may be closing too.
        let mut tries = if question.method == Method::GET {
            GET_TRIES
        } else {
            1
        };
        let sent = loop {
            let sent = self.once(&question).await;
            tries -= 1;
            // Who cannot be connected to has no connection that was just being closed.
            if tries == 0 || !sent.as_ref().is_err_and(|error| !error.is_connect()) {
                break sent;
            }
        };
        sent.map_err(|error| ProviderError::Unreachable {
            external: if error.is_connect() {
                "cannot be connected to"
            } else {
                "did not answer as an HTTP server does"
            },
            internal: describe(&error),
        })
    }

    async fn once(&self, question: &Question<'_>) -> Result<Response<Incoming>, legacy::Error> {
        let uri = format!("{}{}", self.base, question.target);
        let mut request = Request::builder()
            .method(question.method.clone())
            .uri(uri)
            .header(USER_AGENT, concat!("ringway/", env!("CARGO_PKG_VERSION")));
        if !question.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(authorization) = self.login.as_ref().map(Login::authorization) {
            request = request.header(AUTHORIZATION, authorization);
        }
        // Base and target are checked values, so a request can always be made of them.
        let request = request
            .body(Full::new(question.body.clone()))
            .unwrap_or_default();
        self.http.request(request).await
    }
}

/// All of a body, held once: a list may have megabytes.
async fn whole(mut body: Incoming) -> Result<Bytes, ProviderError> {
    let failed = |external, internal| ProviderError::Unreachable { external, internal };
    let announced = body.size_hint().exact().unwrap_or(0);
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(announced.min(ANSWER_BYTES_MAX));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| failed("ended its answer early", describe(&e)))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > ANSWER_BYTES_MAX {
            let limit = format!("limit {ANSWER_BYTES_MAX} bytes");
            return Err(failed("answered more than the gateway takes", limit));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into())
}

/// Fields that say something of the body, or of the provider; not those of the connection.
fn about_the_body(mut headers: HeaderMap) -> HeaderMap {
    let nominated: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_owned())
        .collect();
    for name in nominated
        .iter()
        .map(String::as_str)
        .chain(OF_THE_CONNECTION)
    {
        headers.remove(name);
    }
    headers
}

/// An error with its causes.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

const OF_THE_CONNECTION: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "date",
];

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Shorter than any provider keeps an idle connection (5 s and above).
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);
/// Idle connections kept: about as many as the API has callers at once.
const IDLE_MAX: usize = 32;
/// How often a question that may be asked again is asked.
const GET_TRIES: u32 = 3;
/// Largest answer: a list of 10,000 functions has about 10 MiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn fields_of_the_connection_stay_behind() {
        let headers = HeaderMap::from_iter(
            [
                ("connection", "keep-alive, x-hop"),
                ("x-hop", "1"),
                ("transfer-encoding", "chunked"),
                ("x-openfaas-eula", "openfaas-ce"),
                ("content-type", "text/plain"),
            ]
            .map(|(k, v)| {
                (
                    http::HeaderName::from_static(k),
                    HeaderValue::from_static(v),
                )
            }),
        );
        let kept = about_the_body(headers);
        let mut names: Vec<&str> = kept.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "x-openfaas-eula"]);
    }
}
