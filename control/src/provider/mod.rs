//! What runs functions, as a trait: the one built in, or any OpenFaaS provider over HTTP.
//!
//! A provider is handed request bodies as the client wrote them, and answers with a status and a
//! body, so that what passes through a gateway is not rewritten by it.
//!
//! **Invariant:** endpoint tables are made only of what an [`Observer`] was told. A provider
//! tells it in the order things happened, and before the call that caused a change returns.

mod answer;
mod error;
pub mod process;
pub mod remote;
mod standing;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use ringway_proxy::{Address, FunctionId, Settings};

use crate::queue::Queueing;
use crate::wire::ProviderInfo;

pub use answer::{Answer, LogStream};
pub use error::{Invalid, ProviderError};
pub use standing::Standing;

/// What a call of a provider leads to.
pub type Answering<'a, T = Answer> = BoxFuture<'a, Result<T, ProviderError>>;

/// Something that runs functions.
///
/// Every method but the last three answers one API call. An `Ok` may carry any status: it is what
/// the client gets.
pub trait Provider: Send + Sync {
    /// The functions of a namespace (empty: the default one): an array of `FunctionStatus`.
    fn list(&self, namespace: String) -> Answering<'_>;

    /// One `FunctionStatus`; with `usage`, what it uses now.
    fn status(&self, target: Target, usage: bool) -> Answering<'_>;

    /// Deploys a function (`FunctionDeployment`), or updates it when it exists.
    fn deploy(&self, order: Order) -> Answering<'_>;

    /// Updates a function that exists (`FunctionDeployment`).
    fn update(&self, order: Order) -> Answering<'_>;

    /// Removes a function (`DeleteFunctionRequest`); calls in flight finish.
    fn delete(&self, order: Order) -> Answering<'_>;

    /// Sets the number of replicas.
    fn scale(&self, target: Target, replicas: u64) -> Answering<'_>;

    /// Lists the secrets of a namespace, or changes one (`Secret`, `SecretDescription`).
    fn secrets(&self, verb: Verb, order: Order) -> Answering<'_>;

    /// The log of a function, as newline-delimited `LogEntry` documents.
    fn logs(&self, request: LogRequest) -> Answering<'_, LogStream>;

    /// The names of all namespaces: an array of strings.
    fn namespaces(&self) -> Answering<'_>;

    /// Reads or changes a namespace; only its creation may leave `name` empty.
    fn namespace(&self, verb: Verb, name: String, body: Bytes) -> Answering<'_>;

    /// What the provider tells of its use.
    fn telemetry(&self) -> Answering<'_>;

    /// Who the provider is; placeholders when it cannot say.
    fn info(&self) -> BoxFuture<'_, ProviderInfo>;

    /// Whether it can do its work now.
    fn health(&self) -> Answering<'_, ()>;

    /// Whether its documents are another server's, and not to be added to.
    fn is_remote(&self) -> bool;

    /// Tells `observer` every function there is, and every change from then on.
    fn watch(&self, observer: Arc<dyn Observer>);

    /// Callers of `function` wait and there is no endpoint. Must not block.
    fn wanted(&self, function: FunctionId);

    /// A call was answered by another server that `function` has no replica after all, and its
    /// callers wait until the observer hears of it again. Must not block.
    fn unready(&self, function: FunctionId);

    /// Looks again at what it otherwise looks at from time to time. Must not block.
    fn refresh(&self) {}
}

/// Hears of functions; called under the provider's lock, so it must be quick.
pub trait Observer: Send + Sync {
    /// What changed, in order, to be seen as one change.
    fn observed(&self, changes: Vec<Observed>);
}

/// One change of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// The function is there, like this.
    Present(Row),
    /// The function is gone.
    Gone(FunctionId),
    /// Where calls of functions that are not known go to; no address: nowhere at present.
    Unknown(Via),
}

/// A function as the data plane and the gauges need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Name and namespace.
    pub id: FunctionId,
    /// Where its calls go.
    pub via: Via,
    /// Limits and policies.
    pub settings: Settings,
    /// How queued calls of it are run.
    pub queueing: Queueing,
    /// Replicas wanted.
    pub replicas: u32,
    /// Replicas that take traffic.
    pub ready: u32,
}

/// Where calls go, and what their target looks like there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// To replicas, with the path behind the function's name.
    Replicas(Vec<Address>),
    /// To a provider, with the path as it came.
    Provider {
        /// Where it listens; empty: callers wait.
        addresses: Arc<[Address]>,
        /// `Host`.
        authority: Arc<str>,
        /// In front of the path, without a slash at its end; often empty.
        base: Arc<str>,
    },
}

/// Which function a call means, as the client wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name.
    pub name: String,
    /// The namespace; empty is the default one.
    pub namespace: String,
}

/// A document to act on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// The document as the client wrote it.
    pub body: Bytes,
    /// The namespace of the query; empty when there was none.
    pub namespace: String,
}

/// What is done to a secret or a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// GET.
    Read,
    /// POST.
    Create,
    /// PUT.
    Replace,
    /// DELETE.
    Remove,
}

/// A request for logs.
#[derive(Clone, Debug, Default)]
pub struct LogRequest {
    /// The query as the client wrote it; of a repeated parameter the last one counts.
    pub query: String,
}

impl Order {
    /// The namespace a document names in its body or the client in the query.
    ///
    /// # Errors
    /// [`Invalid`] when both name different ones.
    pub fn namespace(&self, body: &str) -> Result<String, Invalid> {
        match (body, self.namespace.as_str()) {
            ("", query) => Ok(query.to_owned()),
            (body, query) if query.is_empty() || query == body => Ok(body.to_owned()),
            _ => Err(Invalid::new(
                "namespace",
                "body and query name different ones",
            )),
        }
    }
}
