//! The start, in the one order that works: state, spawner, listeners, data plane, table, API.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use parking_lot::Mutex;
use ringway_proxy::metrics::Snapshot;
use ringway_proxy::{Config, DriverReport, FunctionId, Gateway, Publisher};
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Runtime;

use super::backend::{BuiltIn, launch, open_store, provide};
use super::demand::{attend, demand};
use super::folder::runtime_folder;
use super::later::Later;
use super::listen::{bind_control, supervise, usable};
use super::login::follow;
use super::signals::Signals;
use super::systemd;
use crate::api::{self, Api, Counts};
use crate::metrics::{self, Facts, SystemCalls};
use crate::provider::Provider;
use crate::provider::process::StoreError;
use crate::publish::Board;
use crate::settings::{Key, Login, Settings};
use crate::sys;

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
    pub(super) later: Later,
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
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        let store = open_store(&settings)?;
        let folder = system("make a folder for sockets", || {
            runtime_folder(&settings.surroundings.temp)
        })?;
        // Before any thread that owns shards, which must never fork.
        let launched = system("start the spawner", || launch(&settings, &folder, store))?;
        sys::raise_descriptor_limit();
        let runtime = system("start the control plane's threads", control_runtime)?;
        // From here on a signal waits for its orderly end.
        let signals = system("receive signals", || {
            let _inside = runtime.enter();
            Signals::new()
        })?;
        let path = folder.path();
        let (provider, built_in) = runtime.block_on(provide(&settings, path, launched))?;
        let socket = folder.path().join("control");
        let (control, metrics) = runtime.block_on(listeners(&socket, &settings))?;
        let metrics_listen = system("ask for an address", || metrics.local_addr())?;

        let (demand, wanted) = demand(settings.scale_from_zero);
        let listen = usable(settings.listen);
        // Stored functions are in the table before the first request can come.
        let publisher = Publisher::new(settings.shards);
        let board = Arc::new(Board::new(publisher.clone(), settings.namespace.clone()));
        runtime.block_on(async { provider.watch(Arc::clone(&board) as _) });
        let config = config(&settings, listen, socket.clone());
        let gateway = Gateway::start(config, publisher, demand)?;
        let listen = gateway.local_addr();
        let driver = driver(&gateway.driver());
        let gateway: SharedGateway = Arc::new(Mutex::new(Some(gateway)));
        let later = Later::start(&settings, &board, listen)?;
        let facts = Arc::new(Facts {
            snapshot: snapshots(&gateway),
            board: Arc::clone(&board),
            driver,
            desk: Arc::clone(&later.desk),
            calls: SystemCalls::default(),
            draining: AtomicBool::new(false),
            stuck: AtomicUsize::new(0),
        });
        let api = api(&gateway, &provider, &facts, &settings);
        runtime.block_on(async {
            tokio::spawn(attend(Arc::clone(&provider), wanted));
            tokio::spawn(supervise(socket, control, api::router(api)));
            let facts = Arc::clone(&facts);
            tokio::spawn(async move { axum::serve(metrics, metrics::router(facts)).await });
            if let Some(login) = settings.credentials.clone() {
                tokio::spawn(follow(login));
            }
        });
        tell(&settings, listen, metrics_listen, driver);
        systemd::ready();
        let drain_bound = settings.write_timeout.unwrap_or(DRAIN_DEFAULT);
        Ok(Self {
            runtime,
            gateway,
            provider,
            built_in,
            facts,
            signals,
            later,
            login: settings.credentials,
            grace: settings.edge.shutdown_grace,
            drain_bound,
            listen,
            metrics_listen,
            folder,
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

fn control_runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
}

async fn listeners(
    socket: &std::path::Path,
    settings: &Settings,
) -> Result<(UnixListener, TcpListener), StartError> {
    let control = system("bind the control plane's socket", || bind_control(socket))?;
    let address = usable(settings.metrics_listen);
    let metrics = TcpListener::bind(address).await;
    let failed = |source| ringway_proxy::StartError::Listen(address, source);
    let metrics = metrics.map_err(|e| StartError::Metrics(failed(e)))?;
    Ok((control, metrics))
}

fn config(settings: &Settings, listen: SocketAddr, fallback: PathBuf) -> Config {
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
        trusted_proxies: settings.trusted_proxies.clone(),
        access_log: settings.access_log,
        half_close: settings.half_close,
        connections_max: settings.connections_max,
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

/// The control plane's work is small, and the cores are for the shards.
const CONTROL_THREADS: usize = 2;
/// How long calls may finish at the end when `write_timeout` is unlimited.
const DRAIN_DEFAULT: Duration = Duration::from_secs(60);
