//! `ringway queue-worker`: runs what gateways queue in NATS, in a process of its own; any number
//! of them share the work.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringway_proxy::{OwnPorts, Publisher};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use super::bounded;
use super::later::resolver;
use super::running::{StartError, system};
use super::signals::Signals;
use super::start_log;
use crate::cli;
use crate::metrics;
use crate::publish::Board;
use crate::queue::{Desk, Engine, QueuePlace};
use crate::settings::WorkerSettings;
use crate::supervise::keep;
use crate::sys;

/// Works until a signal.
#[must_use]
pub(crate) fn run(settings: WorkerSettings) -> ExitCode {
    start_log(&settings.log);
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    match work(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fail(&error),
    }
}

fn work(settings: WorkerSettings) -> Result<(), StartError> {
    sys::raise_descriptor_limit();
    let runtime = system("start the threads of asynchronous calls", || {
        Builder::new_multi_thread()
            .thread_name("queue")
            .enable_all()
            .build()
    })?;
    let ended = runtime.block_on(serve(settings));
    runtime.shutdown_timeout(END_WAIT);
    tracing::info!("ended");
    ended
}

async fn serve(settings: WorkerSettings) -> Result<(), StartError> {
    let mut signals = system("receive signals", Signals::new)?;
    let listener = match settings.metrics_listen {
        Some(address) => {
            let listener = TcpListener::bind(address).await;
            let failed = |source| ringway_proxy::StartError::Listen(address, source);
            Some(listener.map_err(|error| StartError::Metrics(failed(error)))?)
        }
        None => None,
    };
    let asynchronous = settings.asynchronous;
    // It knows no function: what their annotations ask for comes with each call.
    let board = Board::new(Publisher::new(1), settings.namespace.clone());
    let desk = Arc::new(Desk::new(&asynchronous.limits, asynchronous.rules.late));
    let engine = Engine {
        place: QueuePlace::Nats(settings.nats),
        limits: asynchronous.limits,
        rules: asynchronous.rules,
        works: true,
        guard: asynchronous.guard,
        resolver: resolver(&settings.dns)?,
        patience: asynchronous.patience,
        board: Arc::new(board),
        namespace: settings.namespace,
        gateway: settings.gateway.clone(),
        own: OwnPorts::default(),
    };
    Arc::clone(&desk).open(engine).await;
    if let Some(listener) = listener {
        let router = metrics::queue_router(Arc::clone(&desk));
        let serve = async move || bounded::serve(&listener, &router).await;
        tokio::spawn(keep("metrics", serve));
    }
    let gateway = settings.gateway;
    tracing::info!(
        gateway,
        version = env!("CARGO_PKG_VERSION"),
        "the queue worker works"
    );
    signals.end().await;
    tracing::info!("calls that run may finish; a second signal ends at once");
    desk.stop();
    let bound = settings.drain_bound.unwrap_or(FOR_EVER);
    tokio::select! {
        () = desk.idle(Instant::now() + bound) => {}
        () = signals.end() => {
            tracing::warn!("ended at once");
            desk.idle(Instant::now()).await;
        }
    }
    Ok(())
}

/// A year.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3_600);
const END_WAIT: Duration = Duration::from_secs(1);
