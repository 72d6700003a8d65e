//! The start, in the one order that works: state, spawner, listeners, data plane, table, API.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use parking_lot::Mutex;
use ringway_proxy::metrics::Snapshot;
use ringway_proxy::{Config, DriverReport, FunctionId, Gateway, OwnPorts, Publisher};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::backend::BuiltIn;
use super::base::Base;
use super::bounded;
use super::demand::{attend, demand};
use super::ground::Ground;
use super::handover::{Giver, functions_ready, inherit};
use super::later::Later;
use super::listen::supervise;
use super::login::follow;
use super::signals::Signals;
use super::systemd;
use crate::api::{self, Api, Counts};
use crate::metrics::{self, Facts, SystemCalls};
use crate::provider::Provider;
use crate::provider::process::StoreError;
use crate::publish::Board;
use crate::settings::{Key, Login, SettingError, Settings};
use crate::supervise::keep;
use crate::sys;
use crate::takeover::{Offer, Progress, Successor, TakeoverError};

/// Why the gateway did not start; the text names what to change.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state folder.
    #[error("{key}: {0}", key = Key::Data)]
    Store(#[from] StoreError),
    /// The metrics listener's address; the text is the data plane's for the like.
    #[error("{key}: {0}", key = Key::MetricsListen)]
    Metrics(ringway_proxy::StartError),
    /// The data plane; its text says what to do.
    #[error("{setting}{0}", setting = setting(.0))]
    Gateway(#[from] ringway_proxy::StartError),
    /// A setting that only shows to be wrong here.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The gateway that runs did not hand over.
    #[error("{key}: {0}", key = Key::Takeover)]
    Takeover(#[from] TakeoverError),
    /// Something the system refused.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// The data plane, while it runs. Shared with whoever reads its counters.
pub(super) type SharedGateway = Arc<Mutex<Option<Gateway>>>;

/// A gateway at work.
pub struct Running {
    pub(super) runtime: Runtime,
    pub(super) gateway: SharedGateway,
    pub(super) provider: Arc<dyn Provider>,
    /// The built-in provider, when it is the one.
    pub(super) built_in: Option<BuiltIn>,
    pub(super) facts: Arc<Facts>,
    pub(super) signals: Signals,
    /// The queue and what runs its calls.
    pub(super) later: Arc<Later>,
    /// How far another gateway is with taking over.
    pub(super) takeover: Arc<Progress>,
    /// Answers Prometheus.
    pub(super) metrics: JoinHandle<Infallible>,
    /// What `/system` asks for.
    pub(super) login: Option<Login>,
    /// Time between SIGTERM and the end of accepting.
    pub(super) grace: Duration,
    /// How long calls may finish at the end.
    pub(super) drain_bound: Duration,
    /// Public address, with the real port.
    pub listen: SocketAddr,
    /// Address of the metrics listener, with the real port.
    pub metrics_listen: SocketAddr,
    /// Sockets; removed at the end.
    pub(super) folder: TempDir,
}

impl Running {
    /// Starts everything. When this returns the gateway serves.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub fn start(mut settings: Settings) -> Result<Self, StartError> {
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        let mut inheritance = inherit(&mut settings)?;
        let lock = inheritance.as_mut().and_then(|i| i.lock.take());
        let base = Base::start(&settings, lock)?;
        let (runtime, provider) = (base.runtime, base.provider);
        let (demand, wanted) = demand(settings.scale_from_zero);
        // Stored functions are in the table before the first request can come.
        let publisher = Publisher::new(settings.shards);
        let board = Arc::new(Board::new(publisher.clone(), settings.namespace.clone()));
        runtime.block_on(async { provider.watch(Arc::clone(&board) as _) });
        let ground = Ground::take(inheritance, &settings, &base.socket, || {
            runtime.block_on(functions_ready(&*provider, &board));
        })?;
        let own = OwnPorts::default();
        let config = config(&settings, ground.listen, base.socket.clone(), own.clone());
        let gateway = ground.listeners.start(config, publisher, demand)?;
        let listen = gateway.local_addr();
        let driver = driver(&gateway.driver());
        warn(&settings, gateway.connections_max());
        let gateway: SharedGateway = Arc::new(Mutex::new(Some(gateway)));
        let later = Arc::new(Later::start(&settings, &board, (listen, own))?);
        let facts = facts(&gateway, board, driver, &later);
        let api = api(&gateway, &provider, &facts, &settings);
        let metrics_listen = system("ask for an address", || ground.metrics.local_addr())?;
        let offer = Offer {
            listen,
            metrics_listen,
            driver: driver.to_owned(),
            lock: base.built_in.is_some(),
        };
        let built_in = base.built_in.as_ref().map(|b| b.provider.clone());
        let kept = system("keep the metrics listener", || ground.metrics.try_clone())?;
        let owned = (built_in.zip(base.lock), kept, offer);
        let (giver, takeover) = Giver::new((&gateway, &facts, &later), owned);
        let metrics = runtime.block_on(async {
            tokio::spawn(attend(Arc::clone(&provider), wanted));
            tokio::spawn(supervise(
                base.socket.clone(),
                base.control,
                api::router(api),
            ));
            if let Some(login) = settings.credentials.clone() {
                tokio::spawn(keep("credentials", async move || follow(&login).await));
            }
            serve_metrics(ground.metrics, Arc::clone(&facts))
        })?;
        giver.wait_for_successors(&settings, base.socket);
        if let Some(Err(error)) = ground.successor.map(Successor::serving) {
            tracing::warn!(%error, "the gateway before this one was not told");
        }
        tell(&settings, listen, metrics_listen, driver);
        systemd::ready();
        Ok(Self {
            runtime,
            gateway,
            provider,
            built_in: base.built_in,
            facts,
            signals: base.signals,
            later,
            takeover,
            metrics,
            login: settings.credentials,
            grace: settings.edge.shutdown_grace,
            drain_bound: settings.write_timeout.unwrap_or(DRAIN_DEFAULT),
            listen,
            metrics_listen,
            folder: base.folder,
        })
    }

    /// Runs a future on the control plane's threads.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// What runs the functions.
    #[must_use]
    pub fn provider(&self) -> &dyn Provider {
        &*self.provider
    }
}

/// What was asked for and is not what one may think.
fn warn(settings: &Settings, connections_max: usize) {
    let wanted = settings.connections_max;
    if let Some(wanted) = wanted.filter(|wanted| *wanted > connections_max) {
        tracing::warn!(
            wanted,
            connections_max,
            "{} is more than the descriptor limit leaves for clients: raise the limit",
            Key::ConnectionsMax
        );
    }
}

/// The line that says what serves where.
fn tell(settings: &Settings, listen: SocketAddr, metrics: SocketAddr, driver: &str) {
    let provider = settings.provider_url.as_ref();
    let provider = provider.map_or_else(|| "built in".to_owned(), ToString::to_string);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        %listen,
        %metrics,
        shards = settings.shards,
        driver,
        provider,
        "ringway serves"
    );
}

pub(super) fn system<T>(
    what: &'static str,
    action: impl FnOnce() -> io::Result<T>,
) -> Result<T, StartError> {
    action().map_err(|source| StartError::System { what, source })
}

fn config(settings: &Settings, listen: SocketAddr, fallback: PathBuf, own: OwnPorts) -> Config {
    Config {
        listen,
        fallback,
        driver: settings.driver,
        served_by: format!("ringway/{}", env!("CARGO_PKG_VERSION")),
        upstream_timeout: settings.upstream_timeout,
        read_timeout: settings.read_timeout,
        write_timeout: settings.write_timeout,
        idle_timeout: settings.idle_timeout,
        stream_idle: settings.stream_idle,
        limits: settings.limits,
        trusted_proxies: settings.trusted_proxies.clone(),
        access_log: settings.access_log,
        half_close: settings.half_close,
        connections_max: settings.connections_max,
        connections_per_client_max: settings.edge.connections_per_client_max,
        own,
        memory: settings.edge.memory,
        give_back: sys::GIVE_BACK,
        cors: settings.cors.clone(),
        idle_max: settings.idle_max,
        idle_per_endpoint_max: settings.idle_per_endpoint_max,
    }
}

fn driver(report: &DriverReport) -> &'static str {
    if let Some(reason) = &report.fallback {
        tracing::warn!(driver = report.driver.name(), "I/O driver: {reason}");
    }
    report.driver.name()
}

fn facts(
    gateway: &SharedGateway,
    board: Arc<Board>,
    driver: &'static str,
    later: &Later,
) -> Arc<Facts> {
    Arc::new(Facts {
        snapshot: snapshots(gateway),
        board,
        driver,
        desk: Arc::clone(&later.desk),
        calls: SystemCalls::default(),
        draining: AtomicBool::new(false),
        frozen: AtomicBool::new(false),
        stuck: AtomicUsize::new(0),
    })
}

fn serve_metrics(
    listener: std::net::TcpListener,
    facts: Arc<Facts>,
) -> Result<JoinHandle<Infallible>, StartError> {
    let listener = system("serve the metrics", || {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    })?;
    let router = metrics::router(facts);
    let serve = async move || bounded::serve(&listener, &router).await;
    Ok(tokio::spawn(keep("metrics", serve)))
}

/// What the routes work with.
fn api(
    gateway: &SharedGateway,
    provider: &Arc<dyn Provider>,
    facts: &Arc<Facts>,
    settings: &Settings,
) -> Arc<Api> {
    let namespace = settings.namespace.clone();
    let prometheus = settings.prometheus.clone();
    Arc::new(Api {
        provider: Arc::clone(provider),
        counts: Counts::new(invocations(gateway), prometheus, namespace.clone()),
        credentials: settings.credentials.clone(),
        namespace,
        replicas_max: settings.replicas_max,
        desk: Arc::clone(&facts.desk),
        accept_unknown: settings.asynchronous.accept_unknown,
        guard: settings.asynchronous.guard.clone(),
        facts: Arc::clone(facts),
    })
}

/// Which setting an error of the data plane is about.
fn setting(error: &ringway_proxy::StartError) -> String {
    match error {
        ringway_proxy::StartError::Listen(..) => format!("{}: ", Key::Listen),
        ringway_proxy::StartError::Driver(_) => format!("{}: ", Key::Driver),
        ringway_proxy::StartError::Resources(_) => String::new(),
    }
}

fn snapshots(gateway: &SharedGateway) -> Box<dyn Fn() -> Snapshot + Send + Sync> {
    let gateway = Arc::clone(gateway);
    Box::new(move || {
        gateway
            .lock()
            .as_ref()
            .map(Gateway::metrics)
            .unwrap_or_default()
    })
}

type Invocations = Box<dyn Fn() -> Vec<(FunctionId, u64)> + Send + Sync>;

fn invocations(gateway: &SharedGateway) -> Invocations {
    let snapshot = snapshots(gateway);
    Box::new(move || {
        let functions = snapshot().functions.into_iter();
        functions
            .map(|f| (f.id, f.codes.iter().map(|c| c.count).sum()))
            .collect()
    })
}

/// How long calls may finish at the end when `write_timeout` is unlimited.
const DRAIN_DEFAULT: Duration = Duration::from_secs(60);
