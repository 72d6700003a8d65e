//! A provider that only remembers.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::StatusCode;
use parking_lot::Mutex;
use ringway_proxy::FunctionId;
use serde_json::{Value, json};

use crate::provider::{
    Answer, Answering, Invalid, LogRequest, LogStream, Observer, Order, Provider, ProviderError,
    Target, Verb,
};
use crate::wire::{DeleteRequest, Deployment, ProviderInfo, VersionInfo};

/// Keeps deployments by name, and remembers the rest.
#[derive(Default)]
pub(crate) struct Memory {
    pub(super) functions: Mutex<BTreeMap<String, (Deployment, u64)>>,
    /// Calls that are only passed on.
    pub(crate) passed: Mutex<Vec<String>>,
}

impl Memory {
    fn put(&self, order: &Order, create: bool) -> Result<Answer, ProviderError> {
        let deployment = Deployment::parse(&order.body)?;
        let name = deployment.service.clone();
        let mut functions = self.functions.lock();
        if !create && !functions.contains_key(&name) {
            return Err(missing(name));
        }
        if name.is_empty() {
            return Err(Invalid::new("service", "must name the function").into());
        }
        functions.insert(name, (deployment, 1));
        Ok(Answer::empty(if create {
            StatusCode::ACCEPTED
        } else {
            StatusCode::OK
        }))
    }

    fn row(name: &str, deployment: &Deployment, replicas: u64) -> Value {
        json!({"name": name, "namespace": "ns", "replicas": replicas,
            "labels": deployment.labels})
    }

    fn pass(&self, what: String) -> Answering<'_> {
        self.passed.lock().push(what);
        ready(Ok(Answer::json(&json!(["passed"])))).boxed()
    }
}

fn missing(name: String) -> ProviderError {
    let what = "function";
    ProviderError::NotFound { what, name }
}

impl Provider for Memory {
    fn list(&self, _: String) -> Answering<'_> {
        let functions = self.functions.lock();
        let rows = functions
            .iter()
            .map(|(name, (d, n))| Self::row(name, d, *n));
        ready(Ok(Answer::json(&rows.collect::<Vec<_>>()))).boxed()
    }

    fn status(&self, target: Target, _: bool) -> Answering<'_> {
        let functions = self.functions.lock();
        let row = functions.get(&target.name);
        let row = row.map(|(d, n)| Answer::json(&Self::row(&target.name, d, *n)));
        ready(row.ok_or_else(|| missing(target.name))).boxed()
    }

    fn deploy(&self, order: Order) -> Answering<'_> {
        ready(self.put(&order, true)).boxed()
    }

    fn update(&self, order: Order) -> Answering<'_> {
        ready(self.put(&order, false)).boxed()
    }

    fn delete(&self, order: Order) -> Answering<'_> {
        let removed = DeleteRequest::parse(&order.body)
            .map_err(ProviderError::from)
            .and_then(|request| {
                order.namespace(&request.namespace)?;
                let name = request.function_name;
                if name.is_empty() {
                    return Err(Invalid::new("functionName", "must name the function").into());
                }
                let removed = self.functions.lock().remove(&name);
                removed.ok_or_else(|| missing(name))
            });
        ready(removed.map(|_| Answer::empty(StatusCode::OK))).boxed()
    }

    fn scale(&self, target: Target, replicas: u64) -> Answering<'_> {
        let mut functions = self.functions.lock();
        let result = match functions.get_mut(&target.name) {
            Some((_, count)) => {
                *count = replicas;
                Ok(Answer::empty(StatusCode::ACCEPTED))
            }
            None => Err(missing(target.name)),
        };
        ready(result).boxed()
    }

    fn secrets(&self, verb: Verb, order: Order) -> Answering<'_> {
        let body = String::from_utf8_lossy(&order.body).into_owned();
        self.pass(format!("secrets {verb:?} {} {body}", order.namespace))
    }

    fn logs(&self, request: LogRequest) -> Answering<'_, LogStream> {
        let query = Bytes::from(format!("{}\n", request.query));
        let lines = futures_util::stream::iter([Ok(query)]);
        ready(Ok(LogStream {
            status: StatusCode::OK,
            headers: http::HeaderMap::default(),
            body: Box::pin(lines),
        }))
        .boxed()
    }

    fn namespaces(&self) -> Answering<'_> {
        self.pass("namespaces".to_owned())
    }

    fn namespace(&self, verb: Verb, name: String, body: Bytes) -> Answering<'_> {
        self.pass(format!("namespace {verb:?} {name:?} {} bytes", body.len()))
    }

    fn telemetry(&self) -> Answering<'_> {
        self.pass("telemetry".to_owned())
    }

    fn info(&self) -> BoxFuture<'_, ProviderInfo> {
        let info = ProviderInfo {
            provider: "memory".to_owned(),
            orchestration: "none".to_owned(),
            version: VersionInfo::of_this_build(),
        };
        ready(info).boxed()
    }

    fn health(&self) -> Answering<'_, ()> {
        ready(Ok(())).boxed()
    }

    fn is_remote(&self) -> bool {
        false
    }

    fn watch(&self, _: Arc<dyn Observer>) {}

    /// Panics for the function of that name.
    fn wanted(&self, function: FunctionId) {
        let name = function.name.as_str();
        assert!(name != "panics", "as it was asked to");
        self.passed.lock().push(format!("wanted {name}"));
    }

    fn unready(&self, _: FunctionId) {}
}
