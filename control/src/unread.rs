//! Replies to requests whose body was not read to its end: they announce that the connection ends.
//!
//! The server closes such a connection, since the rest of the body stands in front of the next
//! request. Without the announcement the data plane would put it into its pool, and the next
//! request would be sent into a closed socket.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use hyper::body::{Body, Frame, SizeHint};

/// A body that tells when its end was read.
pub(crate) struct Watched<B> {
    body: B,
    ended: Arc<AtomicBool>,
}

/// Knows whether a request's body was read to its end.
pub(crate) struct Watcher(Arc<AtomicBool>);

/// Watches the body of a request.
pub(crate) fn watch<B: Body>(request: Request<B>) -> (Request<Watched<B>>, Watcher) {
    let ended = Arc::new(AtomicBool::new(request.body().is_end_stream()));
    let watcher = Watcher(Arc::clone(&ended));
    (request.map(|body| Watched { body, ended }), watcher)
}

impl Watcher {
    /// Has the reply say what happens to the connection.
    pub(crate) fn mark<B>(&self, reply: &mut Response<B>) {
        if !self.0.load(Ordering::Acquire) {
            let close = HeaderValue::from_static("close");
            reply.headers_mut().insert(CONNECTION, close);
        }
    }
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.ended.store(true, Ordering::Release);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{BodyExt, Empty, Full};

    use super::*;

    fn is_marked(watcher: &Watcher) -> bool {
        let mut reply = Response::new(());
        watcher.mark(&mut reply);
        reply.headers().contains_key(CONNECTION)
    }

    #[tokio::test]
    async fn only_an_unread_body_ends_the_connection() {
        let (request, watcher) = watch(Request::new(Full::new(Bytes::from_static(b"body"))));
        assert!(is_marked(&watcher));
        request.into_body().collect().await.unwrap();
        assert!(!is_marked(&watcher));
        let (_, watcher) = watch(Request::new(Empty::<Bytes>::new()));
        assert!(!is_marked(&watcher));
    }
}
