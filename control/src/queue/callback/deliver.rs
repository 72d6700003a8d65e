//! One attempt to deliver one reply.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderName, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time;

use super::connect::{Unreached, send};
use super::guard::Guard;
use super::resolve::Resolver;
use super::url::CallbackUrl;
use crate::queue::front::Pieces;
use crate::queue::headers;
use crate::queue::letter::Letter;
use crate::queue::worker::outgoing;

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver took it, with this status.
    Taken(u16),
    /// It may not be delivered there.
    Refused(String),
    /// The receiver cannot take it at present.
    Later(Option<u16>, String),
    /// The receiver will not take it.
    Never(u16),
}

/// Delivers `letter`, whose body `body` reads from its beginning.
pub(super) async fn deliver(
    letter: &Letter,
    body: impl Fn() -> Pieces,
    guard: &Guard,
    resolver: &Resolver,
) -> Outcome {
    let mut url = match CallbackUrl::parse(&letter.url) {
        Ok(url) => url,
        Err(rule) => return Outcome::Refused(rule),
    };
    for _ in 0..=REDIRECTS_MAX {
        let request = match request(letter, &url, body()) {
            Ok(request) => request,
            Err(error) => return Outcome::Refused(error),
        };
        let sent = time::timeout(PATIENCE, send(&url, request, guard, resolver)).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(Unreached::Refused(why))) => return Outcome::Refused(why),
            Ok(Err(Unreached::Failed(why))) => return Outcome::Later(None, why),
            Err(_) => return Outcome::Later(None, "no answer in time".to_owned()),
        };
        let status = response.status().as_u16();
        match status {
            301 | 302 | 307 | 308 => match next(&url, &response) {
                Ok(next) => url = next,
                Err(why) => return Outcome::Refused(why),
            },
            // See other: it was taken, and tells so elsewhere.
            200..=299 | 303 => {
                finish(response).await;
                return Outcome::Taken(status);
            }
            400..=499 if !PASSING.contains(&status) => return Outcome::Never(status),
            _ => return Outcome::Later(Some(status), format!("it answered {status}")),
        }
    }
    Outcome::Refused(format!("more than {REDIRECTS_MAX} redirects"))
}

fn next(url: &CallbackUrl, response: &Response<Incoming>) -> Result<CallbackUrl, String> {
    let location = response.headers().get(LOCATION);
    let location = location.and_then(|value| value.to_str().ok());
    url.redirected(location.ok_or("a redirect without a place")?)
}

/// Lets the receiver say what it has to say, within bounds: some count an early end as a failure.
async fn finish(response: Response<Incoming>) {
    let mut body = response.into_body();
    let read = async {
        let mut left = ANSWER_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, bytes::Bytes::len);
            left = left.saturating_sub(bytes);
            if left == 0 {
                break;
            }
        }
    };
    let _ = time::timeout(ANSWER_WAIT, read).await;
}

/// The reply as a request to its receiver.
fn request(
    letter: &Letter,
    url: &CallbackUrl,
    body: Pieces,
) -> Result<Request<crate::queue::worker::Outgoing>, String> {
    let uri = Uri::try_from(&url.target).map_err(|error| error.to_string())?;
    let mut request = Request::new(outgoing(letter.bytes, body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = fields(letter, url);
    Ok(request)
}

fn fields(letter: &Letter, url: &CallbackUrl) -> HeaderMap {
    let mut fields = headers::map(&letter.headers);
    // The call's own, not those of a connection to the gateway.
    for name in ["x-served-by", "retry-after", "x-start-time"] {
        fields.remove(name);
    }
    let micros = letter.took_micros;
    let retries = letter.attempts.saturating_sub(1).to_string();
    for (name, value) in [
        ("x-call-id", letter.call_id.clone()),
        ("x-job-id", letter.id.to_string()),
        ("x-function-name", letter.name.clone()),
        (
            "x-function-status",
            letter.status.unwrap_or(503).to_string(),
        ),
        (
            "x-duration-seconds",
            format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000),
        ),
        ("x-retry", retries),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            fields.insert(HeaderName::from_static(name), value);
        }
    }
    if letter.cut {
        let cut = HeaderName::from_static("x-ringway-truncated");
        fields.insert(cut, HeaderValue::from_static("true"));
    }
    if let Ok(host) = HeaderValue::from_str(&url.authority) {
        fields.insert(HOST, host);
    }
    fields.insert(CONTENT_LENGTH, letter.bytes.into());
    let agent = concat!("ringway/", env!("CARGO_PKG_VERSION"));
    fields.insert(USER_AGENT, HeaderValue::from_static(agent));
    fields.remove(AUTHORIZATION);
    if let Some(authorization) = &url.authorization {
        fields.insert(AUTHORIZATION, authorization.clone());
    }
    fields
}

/// Statuses of receivers that may answer otherwise later: not deployed yet, slow, or busy.
const PASSING: [u16; 4] = [404, 408, 425, 429];
const REDIRECTS_MAX: usize = 5;
/// From the connection to the answer's head, the reply's body included.
const PATIENCE: Duration = Duration::from_secs(120);
const ANSWER_BYTES: usize = 64 * 1024;
const ANSWER_WAIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::job::{JobId, Millis};

    #[test]
    fn a_receiver_is_told_what_was_called_and_how_it_went() {
        let letter = Letter {
            seq: 1,
            id: JobId::from_bytes([7; 16]),
            call_id: "call".into(),
            function: "cat.ns".into(),
            name: "cat".into(),
            url: "http://u:p@a/x".into(),
            tried: 0,
            since: Millis(0),
            attempts: 3,
            status: None,
            took_micros: 1_000_002,
            headers: b"content-type: text/x\r\nauthorization: secret\r\nx-call-id: other\r\n"
                .into(),
            bytes: 0,
            cut: false,
        };
        let fields = fields(&letter, &CallbackUrl::parse(&letter.url).unwrap());
        for (name, value) in [
            ("x-call-id", "call"),
            ("x-job-id", "07070707070707070707070707070707"),
            ("x-function-name", "cat"),
            ("x-function-status", "503"),
            ("x-duration-seconds", "1.000002"),
            ("x-retry", "2"),
            ("content-type", "text/x"),
            ("content-length", "0"),
            ("host", "a"),
            ("authorization", "Basic dTpw"),
        ] {
            assert_eq!(fields[name], value, "{name}");
        }
    }
}
