//! The call as a request to the gateway, and whether the gateway takes it. Pure.

use futures_util::StreamExt;
use http::header::{CONTENT_LENGTH, HOST, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use ringway_proxy::limits::{REQUEST_HEADERS_MAX, TARGET_BYTES_MAX};

use super::line::Outgoing;
use crate::queue::attempt::Work;
use crate::queue::front::Pieces;
use crate::queue::headers;
use crate::queue::job::Call;
use crate::queue::{Limits, QueueError};

/// The request.
pub(super) fn request(work: &Work, body: Pieces, host: &str) -> Result<Request<Outgoing>, String> {
    let target = target(&work.call);
    let uri = Uri::try_from(&target).map_err(|error| format!("{target:?}: {error}"))?;
    let mut request = Request::new(outgoing(work.body_bytes, body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = fields(&work.call, work.body_bytes, host);
    Ok(request)
}

/// A body of known length.
pub(in crate::queue) fn outgoing(bytes: u64, body: Pieces) -> Outgoing {
    if bytes == 0 {
        return Empty::new().map_err(|never| match never {}).boxed_unsync();
    }
    StreamBody::new(body.map(|piece| piece.map(Frame::data))).boxed_unsync()
}

/// Checks that the gateway will take the request: it is longer than that of the client, and a
/// call that was accepted must not be refused later.
pub(in crate::queue) fn check(call: &Call, limits: &Limits) -> Result<(), QueueError> {
    let target = target(call);
    if target.len() > TARGET_BYTES_MAX {
        return Err(QueueError::TargetTooLong(TARGET_BYTES_MAX));
    }
    let host = "h".repeat(limits.host_bytes);
    let fields = fields(call, limits.body_bytes_max, &host);
    if fields.len() > REQUEST_HEADERS_MAX {
        return Err(QueueError::TooManyFields(REQUEST_HEADERS_MAX));
    }
    let lines = fields.iter();
    let lines = lines.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    let line = "POST  HTTP/1.1\r\n".len() + target.len();
    let bytes = line + lines.sum::<usize>() + "\r\n".len();
    if bytes > limits.head_bytes_max {
        return Err(QueueError::HeadTooLong(limits.head_bytes_max));
    }
    Ok(())
}

fn target(call: &Call) -> String {
    format!("/function/{}{}", call.function, call.target)
}

fn fields(call: &Call, body_bytes: u64, host: &str) -> HeaderMap {
    let mut fields = headers::map(&call.headers);
    let mut put = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            fields.insert(name, value);
        }
    };
    put(HOST, host);
    put(CONTENT_LENGTH, &body_bytes.to_string());
    put(HeaderName::from_static("x-call-id"), &call.call_id);
    let job = call.id.to_string();
    put(HeaderName::from_static("x-job-id"), &job);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::job::{JobId, Millis};

    fn call(target: &str, headers: &str) -> Call {
        Call {
            id: JobId::from_bytes([1; 16]),
            function: "cat.openfaas-fn".into(),
            name: "cat".into(),
            call_id: "call".into(),
            target: target.into(),
            headers: headers.into(),
            callback: None,
            store: false,
            queued_at: Millis(0),
        }
    }

    fn limits(head_bytes_max: usize) -> Limits {
        Limits {
            body_bytes_max: 1_000,
            head_bytes_max,
            host_bytes: "127.0.0.1:8080".len(),
            ..Limits::default()
        }
    }

    #[test]
    fn what_the_gateway_would_refuse_is_refused_at_once() {
        let path = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
        let room = TARGET_BYTES_MAX - "/function/cat.openfaas-fn".len();
        let many = limits(64 * 1024);
        assert!(check(&call(&path(room), ""), &many).is_ok());
        let error = check(&call(&path(room + 1), ""), &many).unwrap_err();
        assert!(error.to_string().contains("8192"), "{error}");
        // host, content-length, x-call-id and x-job-id are added.
        let fields = |n: usize| (0..n).map(|i| format!("x-{i}: 1\r\n")).collect::<String>();
        assert!(check(&call("", &fields(REQUEST_HEADERS_MAX - 4)), &many).is_ok());
        let error = check(&call("", &fields(REQUEST_HEADERS_MAX - 3)), &many).unwrap_err();
        assert!(error.to_string().contains("128"), "{error}");
    }

    #[test]
    fn a_head_is_measured_as_it_is_sent() {
        let call = call("/a?b", "x-a: 1\r\n");
        let sent = "POST /function/cat.openfaas-fn/a?b HTTP/1.1\r\nx-a: 1\r\n\
             host: 127.0.0.1:8080\r\ncontent-length: 1000\r\nx-call-id: call\r\n\
             x-job-id: 01010101010101010101010101010101\r\n\r\n";
        assert!(check(&call, &limits(sent.len())).is_ok());
        let error = check(&call, &limits(sent.len() - 1)).unwrap_err();
        let limit = (sent.len() - 1).to_string();
        assert!(error.to_string().contains(&limit), "{error}");
    }
}
