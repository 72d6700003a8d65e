//! The `remote` provider: the trait's calls, passed on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dashmap::DashMap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use ringway_proxy::FunctionId;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time;

use super::known::{Known, Place};
use super::names::Names;
use super::order::{Complete, complete, query};
use super::{Direct, wake, watch};
use crate::client::{Client, Question};
use crate::percent::encoded;
use crate::provider::{
    Answer, Answering, Invalid, LogRequest, LogStream, Observer, Order, Provider, ProviderError,
    Standing, Target, Verb,
};
use crate::settings::{ProviderUrl, Settings};
use crate::supervise::{keep, once};
use crate::wire::{ProviderInfo, Rows, VersionInfo};

/// A provider behind `functions_provider_url`.
#[derive(Clone)]
pub struct RemoteProvider {
    shared: Arc<Shared>,
    tasks: Handle,
}

pub(super) struct Shared {
    pub(super) client: Client,
    /// How long `/system/info` waits for the provider: it is answered without it, and before who
    /// asks is told that nobody answers.
    info_patience: Duration,
    /// Where logs come from: the same server, or one of their own.
    logs: Client,
    pub(super) url: ProviderUrl,
    pub(super) names: Names,
    pub(super) known: Known,
    /// Asks for a look at the lists.
    pub(super) look: Notify,
    /// Asks for a look at the addresses.
    pub(super) resolve: Notify,
    /// Functions that are being woken, or asked about.
    pub(super) waking: DashMap<FunctionId, ()>,
    checking: DashMap<FunctionId, ()>,
    rotation: AtomicUsize,
    /// Set once the functions were listed.
    pub(super) heard: AtomicBool,
}

impl RemoteProvider {
    /// A provider at `url`; nothing is asked before [`Provider::watch`]. Runs its tasks on the
    /// runtime it is made in.
    #[must_use]
    pub fn new(settings: &Settings, url: ProviderUrl, names: Names) -> Self {
        let timeout = settings.upstream_timeout;
        let login = settings.credentials.clone();
        let logs_url = settings.logs_provider_url.clone();
        // Another server for logs gets no credentials: they open the whole installation.
        let apart = logs_url.as_ref().is_some_and(|logs| *logs != url);
        let logs_login = login.clone().filter(|_| !apart);
        let direct = settings.direct.as_ref().map(|direct| {
            let direct = Direct::new(names.clone(), &direct.suffix, direct.port);
            Arc::new(direct)
        });
        let namespace = settings.namespace.clone();
        let place = Place::new(&url, namespace, direct, settings.scale_from_zero);
        let shared = Shared {
            client: Client::new(url.clone(), login, timeout),
            info_patience: INFO_PATIENCE.min(timeout / 2),
            logs: Client::new(logs_url.unwrap_or_else(|| url.clone()), logs_login, timeout),
            url,
            names,
            known: Known::new(place),
            look: Notify::new(),
            resolve: Notify::new(),
            waking: DashMap::new(),
            checking: DashMap::new(),
            rotation: AtomicUsize::new(0),
            heard: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
            tasks: Handle::current(),
        }
    }
}

impl Shared {
    /// Where a bounded look at `count` candidates begins this time.
    pub(super) fn rotation(&self, count: usize) -> usize {
        let turn = self.rotation.fetch_add(61, Ordering::Relaxed);
        turn.checked_rem(count).unwrap_or(0)
    }

    /// The function a document or a target means; `None` when its name can be none.
    fn function(&self, name: &str, namespace: &str) -> Option<FunctionId> {
        self.known.id(&Standing {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            ..Standing::default()
        })
    }

    /// Sends a document to `/system/functions` and, when it was taken, learns how the function
    /// stands before the client does.
    async fn change(
        &self,
        method: Method,
        order: Order,
        name_field: &str,
    ) -> Result<Answer, ProviderError> {
        let complete = complete(&order)?;
        let id = self.function(complete.text(name_field), &complete.namespace);
        let target = format!("/system/functions{}", complete.query);
        let answer = self.tell(method, &target, complete).await?;
        if answer.status.is_success() {
            self.known.changed();
            if let Some(id) = id {
                self.check(&id).await;
            }
            self.look.notify_one();
        }
        Ok(answer)
    }

    async fn tell(
        &self,
        method: Method,
        target: &str,
        complete: Complete,
    ) -> Result<Answer, ProviderError> {
        let question = Question {
            method,
            target,
            body: complete.body,
        };
        self.client.ask(question).await
    }

    /// Names function and namespace wherever some provider looks for them.
    pub(super) async fn set_replicas(
        &self,
        id: &FunctionId,
        replicas: u64,
    ) -> Result<Answer, ProviderError> {
        self.scale(id.name.as_str(), id.namespace.as_str(), replicas)
            .await
    }

    async fn scale(
        &self,
        name: &str,
        namespace: &str,
        replicas: u64,
    ) -> Result<Answer, ProviderError> {
        let target = format!(
            "/system/scale-function/{}{}",
            encoded(name),
            query(namespace)
        );
        let mut body = json!({"serviceName": name, "replicas": replicas});
        if !namespace.is_empty() {
            body["namespace"] = Value::from(namespace);
        }
        let question = Question {
            method: Method::POST,
            target: &target,
            body: Bytes::from(body.to_string()),
        };
        self.client.ask(question).await
    }

    async fn secrets(&self, verb: Verb, order: Order) -> Result<Answer, ProviderError> {
        let complete = complete(&order)?;
        let target = format!("/system/secrets{}", complete.query);
        self.tell(method(verb), &target, complete).await
    }

    async fn namespace(
        &self,
        verb: Verb,
        name: String,
        body: Bytes,
    ) -> Result<Answer, ProviderError> {
        let target = format!("/system/namespace/{}", encoded(&name));
        let question = Question {
            method: method(verb),
            target: &target,
            body,
        };
        let answer = self.client.ask(question).await?;
        self.look.notify_one();
        Ok(answer)
    }

    async fn logs(&self, request: LogRequest) -> Result<LogStream, ProviderError> {
        let target = match request.query.as_str() {
            "" => "/system/logs".to_owned(),
            query => format!("/system/logs?{query}"),
        };
        self.logs.stream(Question::get(&target)).await
    }

    /// Who the provider is; what it does not tell is filled in, since clients read it all.
    async fn info(&self) -> ProviderInfo {
        let asked = self.client.ask(Question::get("/system/info"));
        let document: Value = match time::timeout(self.info_patience, asked).await {
            Ok(Ok(answer)) if answer.status == 200 => {
                serde_json::from_slice(&answer.body).unwrap_or_default()
            }
            _ => Value::Null,
        };
        let text = |pointer: &str| {
            let value = document.pointer(pointer).and_then(Value::as_str);
            value.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let unknown = || "unknown".to_owned();
        ProviderInfo {
            // The first providers called it `name`.
            provider: text("/provider")
                .or_else(|| text("/name"))
                .unwrap_or_else(unknown),
            orchestration: text("/orchestration").unwrap_or_else(unknown),
            version: VersionInfo {
                commit_message: text("/version/commit_message").unwrap_or_default(),
                sha: text("/version/sha").unwrap_or_else(unknown),
                release: text("/version/release").unwrap_or_else(unknown),
            },
        }
    }

    async fn health(&self) -> Result<(), ProviderError> {
        let answer = self.client.ask(Question::get("/healthz")).await?;
        let external = if !answer.status.is_success() {
            "the provider says that it is not healthy"
        } else if !self.heard.load(Ordering::Relaxed) {
            "the provider has not listed its functions yet"
        } else {
            return Ok(());
        };
        Err(ProviderError::Unavailable { external })
    }
}

/// Clients that ask who answers wait five seconds.
const INFO_PATIENCE: Duration = Duration::from_secs(2);

const fn method(verb: Verb) -> Method {
    match verb {
        Verb::Read => Method::GET,
        Verb::Create => Method::POST,
        Verb::Replace => Method::PUT,
        Verb::Remove => Method::DELETE,
    }
}

impl Provider for RemoteProvider {
    fn list(&self, namespace: String) -> Answering<'_> {
        async move {
            let target = format!("/system/functions{}", query(&namespace));
            let answer = self.shared.client.ask(Question::get(&target)).await?;
            if answer.status == StatusCode::OK && Rows::parse(&answer.body).is_none() {
                return Err(ProviderError::Unreachable {
                    external: "lists its functions in a way that cannot be read",
                    internal: target,
                });
            }
            Ok(answer)
        }
        .boxed()
    }

    fn status(&self, target: Target, usage: bool) -> Answering<'_> {
        async move {
            let mut path = format!(
                "/system/function/{}{}",
                encoded(&target.name),
                query(&target.namespace)
            );
            if usage {
                path.push(if target.namespace.is_empty() {
                    '?'
                } else {
                    '&'
                });
                path.push_str("usage=1");
            }
            self.shared.client.ask(Question::get(&path)).await
        }
        .boxed()
    }

    fn deploy(&self, order: Order) -> Answering<'_> {
        self.shared.change(Method::POST, order, "service").boxed()
    }

    fn update(&self, order: Order) -> Answering<'_> {
        self.shared.change(Method::PUT, order, "service").boxed()
    }

    fn delete(&self, order: Order) -> Answering<'_> {
        self.shared
            .change(Method::DELETE, order, "functionName")
            .boxed()
    }

    fn scale(&self, target: Target, replicas: u64) -> Answering<'_> {
        async move {
            let shared = &self.shared;
            let id = shared
                .function(&target.name, &target.namespace)
                .ok_or_else(|| Invalid::new("functionName", "is no name of a function"))?;
            let answer = shared
                .scale(&target.name, &target.namespace, replicas)
                .await?;
            if answer.status.is_success() {
                shared.known.changed();
                shared.check(&id).await;
                shared.look.notify_one();
            }
            Ok(answer)
        }
        .boxed()
    }

    fn secrets(&self, verb: Verb, order: Order) -> Answering<'_> {
        self.shared.secrets(verb, order).boxed()
    }

    fn logs(&self, request: LogRequest) -> Answering<'_, LogStream> {
        self.shared.logs(request).boxed()
    }

    fn namespaces(&self) -> Answering<'_> {
        self.shared
            .client
            .ask(Question::get("/system/namespaces"))
            .boxed()
    }

    fn namespace(&self, verb: Verb, name: String, body: Bytes) -> Answering<'_> {
        self.shared.namespace(verb, name, body).boxed()
    }

    fn telemetry(&self) -> Answering<'_> {
        self.shared
            .client
            .ask(Question::get("/system/telemetry"))
            .boxed()
    }

    fn info(&self) -> BoxFuture<'_, ProviderInfo> {
        self.shared.info().boxed()
    }

    fn health(&self) -> Answering<'_, ()> {
        self.shared.health().boxed()
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn watch(&self, observer: Arc<dyn Observer>) {
        self.shared.known.follow(observer);
        let shared = Arc::clone(&self.shared);
        let functions = async move || watch::functions(&shared).await;
        self.tasks.spawn(keep("lists of functions", functions));
        let shared = Arc::clone(&self.shared);
        let addresses = async move || watch::addresses(&shared).await;
        self.tasks.spawn(keep("addresses", addresses));
    }

    fn wanted(&self, function: FunctionId) {
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(wake::wake(shared, function));
    }

    fn unready(&self, function: FunctionId) {
        let shared = Arc::clone(&self.shared);
        if shared.checking.insert(function.clone(), ()).is_some() {
            return;
        }
        self.tasks.spawn(async move {
            once("a function's check", shared.check(&function)).await;
            shared.checking.remove(&function);
        });
    }

    fn refresh(&self) {
        self.shared.look.notify_one();
        self.shared.resolve.notify_one();
    }
}
