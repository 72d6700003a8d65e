//! What a provider answers: a status, header fields, and a body that is not looked into.

use std::io;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status, as the client gets it.
    pub status: StatusCode,
    /// Fields about the body; none about the connection.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// An answer whose body comes as it arises.
pub struct LogStream {
    /// The status, as the client gets it.
    pub status: StatusCode,
    /// Fields about the body; none about the connection.
    pub headers: HeaderMap,
    /// The body in pieces. Dropping it ends its source.
    pub body: BoxStream<'static, io::Result<Bytes>>,
}

impl Answer {
    /// A status and nothing else.
    #[must_use]
    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// 200 with a JSON document.
    #[must_use]
    pub fn json(document: &impl Serialize) -> Self {
        // Documents of ours are plain structs, lists and maps with text keys.
        let body = serde_json::to_vec(document).unwrap_or_default();
        let kind = HeaderValue::from_static("application/json");
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, kind)]),
            body: body.into(),
        }
    }
}
