//! The scripted provider's public face.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::function::{Function, Readiness};
use super::kind::{DEFAULT_NAMESPACE, Kind, Options};
use super::script::Script;
use super::world::World;
use crate::server::{Answer, Seen, Server, Stream, Vice};

/// A running provider; ends when dropped.
pub struct Provider {
    world: Arc<World>,
    server: Server,
}

impl Provider {
    /// Starts one as it comes, without credentials.
    #[must_use]
    pub fn start(kind: Kind) -> Self {
        Self::with(Options::of(kind))
    }

    /// Starts one.
    #[must_use]
    pub fn with(options: Options) -> Self {
        let world = Arc::new(World::new(options));
        let server = Server::start(world.clone());
        Self { world, server }
    }

    /// Its setup.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.world.options
    }

    /// Which one it acts.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.world.kind()
    }

    /// Its address as a URL, with the base path and without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{}", self.server.address(), self.options().base)
    }

    /// The server: its record, its connections, its end and its return.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The requests so far whose `METHOD target` begins so; the method may be left out, the base
    /// path is not counted.
    #[must_use]
    pub fn requests(&self, beginning: &str) -> Vec<Seen> {
        let script = self.script_of(beginning);
        let mut seen = self.server.seen();
        seen.retain(|request| self.means(&script, request));
        seen
    }

    /// How many there are, without copying them.
    #[must_use]
    pub fn count(&self, beginning: &str) -> usize {
        let script = self.script_of(beginning);
        self.server.count(|request| self.means(&script, request))
    }

    fn script_of(&self, beginning: &str) -> Script {
        Script {
            requests: beginning.to_owned(),
            vice: Vice::Hold,
            left: None,
        }
    }

    fn means(&self, script: &Script, request: &Seen) -> bool {
        let target = request.target.strip_prefix(&self.options().base);
        script.means(request, target.unwrap_or(&request.target))
    }

    /// Gives it a function of the default namespace with one replica.
    pub fn add(&self, name: &str, readiness: Readiness) {
        self.add_document(&json!({"service": name, "image": "scripted"}), readiness, 1);
    }

    /// Gives it a function by its deployment, with this many replicas, whatever its edition
    /// allows.
    pub fn add_document(&self, document: &Value, readiness: Readiness, replicas: u32) {
        let document = document.as_object().cloned().unwrap_or_default();
        let name = document["service"].as_str().unwrap_or_default().to_owned();
        let namespace = document.get("namespace").and_then(Value::as_str);
        let namespace = namespace.unwrap_or(DEFAULT_NAMESPACE).to_owned();
        let mut state = self.world.state();
        state
            .namespaces
            .entry(namespace.clone())
            .or_insert_with(super::world::marked);
        let function = Function::new(document, readiness, replicas);
        state.functions.insert((namespace, name), function);
    }

    /// Gives it `fn-0` and so on, ready.
    pub fn add_many(&self, functions: usize) {
        for i in 0..functions {
            self.add(&format!("fn-{i}"), Readiness::AtOnce);
        }
    }

    /// How many functions it has.
    #[must_use]
    pub fn functions(&self) -> usize {
        self.world.state().functions.len()
    }

    /// Takes a function of the default namespace away.
    pub fn remove(&self, name: &str) {
        self.world.state().functions.remove(&key(name));
    }

    /// The deployment of a function of the default namespace.
    #[must_use]
    pub fn document(&self, name: &str) -> Option<Map<String, Value>> {
        let state = self.world.state();
        state.functions.get(&key(name)).map(|f| f.document.clone())
    }

    /// The replicas wanted of a function, by `name` or `name.namespace`.
    #[must_use]
    pub fn replicas(&self, name: &str) -> Option<u32> {
        self.world
            .state()
            .functions
            .get(&key(name))
            .map(|f| f.replicas)
    }

    /// Sets the replicas of a function, as somebody else than the gateway would.
    pub fn set_replicas(&self, name: &str, replicas: u32) {
        if let Some(function) = self.world.state().functions.get_mut(&key(name)) {
            function.scale(replicas);
        }
    }

    /// Changes when a function's replicas are available, counted from now.
    pub fn set_readiness(&self, name: &str, readiness: Readiness) {
        if let Some(function) = self.world.state().functions.get_mut(&key(name)) {
            function.set_readiness(readiness);
        }
    }

    /// How ready functions are that are deployed through the API from now on.
    pub fn set_deploy_readiness(&self, readiness: Readiness) {
        self.world.state().readiness = readiness;
    }

    /// A secret's value.
    #[must_use]
    pub fn secret(&self, namespace: &str, name: &str) -> Option<Vec<u8>> {
        let key = (namespace.to_owned(), name.to_owned());
        self.world.state().secrets.get(&key).cloned()
    }

    /// Gives it a namespace.
    pub fn add_namespace(&self, name: &str) {
        let mut state = self.world.state();
        state
            .namespaces
            .insert(name.to_owned(), super::world::marked());
    }

    /// Treats requests whose `METHOD target` begins so by a vice, until [`Provider::behave`].
    pub fn script(&self, requests: &str, vice: Vice) {
        self.add_script(requests, vice, None);
    }

    /// As [`Provider::script`], for so many requests.
    pub fn script_times(&self, requests: &str, times: u32, vice: Vice) {
        self.add_script(requests, vice, Some(times));
    }

    fn add_script(&self, requests: &str, vice: Vice, left: Option<u32>) {
        let requests = requests.to_owned();
        self.world.state().scripts.push(Script {
            requests,
            vice,
            left,
        });
        self.server.wake();
    }

    /// Answers such requests with a stream of this content type.
    #[must_use]
    pub fn stream(&self, requests: &str, content_type: &str) -> Stream {
        let stream = Stream::default();
        let head = Answer::status(200).header("Content-Type", content_type);
        self.script(requests, Vice::Stream(head, stream.clone()));
        stream
    }

    /// Takes every script back; held requests get their answers.
    pub fn behave(&self) {
        self.world.state().scripts.clear();
        self.server.wake();
    }

    /// Adds a line to a function's log.
    pub fn log(&self, name: &str, text: &str) {
        let (namespace, name) = key(name);
        let instance = match self.kind() {
            Kind::Netes => format!("{name}-5d6c7b8f9-abcde"),
            Kind::Faasd => "4711".to_owned(),
        };
        self.log_of(&namespace, &name, &instance, text);
    }

    /// Adds a line of one instance.
    pub fn log_of(&self, namespace: &str, name: &str, instance: &str, text: &str) {
        let kind = self.kind();
        let mut state = self.world.state();
        state.logs.add(kind, (namespace, name), instance, text);
    }

    /// How many clients follow logs and have not left.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.world.state().logs.followers()
    }

    /// Ends every log stream cleanly.
    pub fn end_logs(&self) {
        self.world.state().logs.end();
    }
}

/// `name` or `name.namespace`.
fn key(name: &str) -> (String, String) {
    let (name, namespace) = name.rsplit_once('.').unwrap_or((name, DEFAULT_NAMESPACE));
    (namespace.to_owned(), name.to_owned())
}
