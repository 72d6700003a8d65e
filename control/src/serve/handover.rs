//! Taking the place of a gateway that runs, and handing one's own place on.

use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringway_proxy::{DriverChoice, Gateway};
use tokio::time::{self, Instant};

use super::later::Later;
use super::listen::usable;
use super::running::{SharedGateway, StartError};
use super::systemd;
use crate::metrics::Facts;
use crate::provider::Provider;
use crate::provider::process::ProcessProvider;
use crate::publish::Board;
use crate::settings::{Key, SettingError, Settings};
use crate::takeover::{Hand, Incumbent, Inheritance, Offer, Progress};

/// Asks the gateway on the same data folder for its place, if that is wanted and there is one; the
/// settings then follow what is handed over.
pub(super) fn inherit(settings: &mut Settings) -> Result<Option<Inheritance>, StartError> {
    if !settings.edge.takeover {
        return Ok(None);
    }
    let Some(folder) = &settings.data else {
        let name = Key::Data.shape().variable;
        let rule = "a takeover needs the folder of the gateway that runs";
        return Err(SettingError::Missing { name, rule }.into());
    };
    let Some(inheritance) = Inheritance::ask(folder)? else {
        return Ok(None);
    };
    let driver = match settings.driver {
        DriverChoice::Auto => None,
        DriverChoice::IoUring => Some(IO_URING),
        DriverChoice::Epoll => Some(EPOLL),
    };
    let (listen, metrics) = (usable(settings.listen), usable(settings.metrics_listen));
    inheritance.agrees(listen, metrics, driver)?;
    settings.listen = inheritance.offer.listen;
    settings.metrics_listen = inheritance.offer.metrics_listen;
    // How the sockets wait is a property of the sockets, which both gateways use for a moment.
    settings.driver = if inheritance.offer.driver == EPOLL {
        DriverChoice::Epoll
    } else {
        DriverChoice::IoUring
    };
    let shards = inheritance.listeners.len();
    if settings.shards != shards {
        let had = settings.shards;
        tracing::warn!("{shards} shards instead of {had}: one per listener that is handed over");
        settings.shards = shards;
    }
    Ok(Some(inheritance))
}

/// Waits until every function that is to have replicas has one, but not for ever: what does not
/// start here would not start again there either.
pub(super) async fn functions_ready(provider: &dyn Provider, board: &Board) {
    let deadline = Instant::now() + READY_WAIT;
    let missing = || {
        let standings = board.standings();
        standings
            .iter()
            .filter(|s| s.replicas > 0 && s.ready == 0)
            .count()
    };
    while Instant::now() < deadline && (provider.health().await.is_err() || missing() > 0) {
        time::sleep(LOOK).await;
    }
    let missing = missing();
    if missing > 0 {
        tracing::warn!(missing, "functions have no ready replica yet");
    }
}

/// What this gateway hands over, and what it does meanwhile.
pub(super) struct Giver {
    gateway: SharedGateway,
    facts: Arc<Facts>,
    later: Arc<Later>,
    /// The built-in provider and the lock of its folder, when it is the one.
    built_in: Option<(ProcessProvider, OwnedFd)>,
    metrics: TcpListener,
    offer: Offer,
    progress: Arc<Progress>,
}

impl Giver {
    /// What works, and what is handed over of it; the progress tells how far that is.
    pub(super) fn new(
        (gateway, facts, later): (&SharedGateway, &Arc<Facts>, &Arc<Later>),
        (built_in, metrics, offer): (Option<(ProcessProvider, OwnedFd)>, TcpListener, Offer),
    ) -> (Self, Arc<Progress>) {
        let progress = Arc::new(Progress::new());
        let giver = Self {
            gateway: Arc::clone(gateway),
            facts: Arc::clone(facts),
            later: Arc::clone(later),
            built_in,
            metrics,
            offer,
            progress: Arc::clone(&progress),
        };
        (giver, progress)
    }

    /// From here on another gateway may take over, where there is a folder to meet in. `control`
    /// is the control plane's socket.
    pub(super) fn wait_for_successors(self, settings: &Settings, control: PathBuf) {
        let folder = settings.data.as_ref();
        let Some(folder) = folder.filter(|_| !settings.data_is_temporary) else {
            return;
        };
        let bound = Incumbent::bind(folder, control, Arc::clone(&self.progress));
        if let Err(error) = bound.and_then(|incumbent| incumbent.start(self)) {
            tracing::warn!(%error, "no other gateway can take over from this one");
        }
    }

    fn retire(&self, retired: bool) {
        self.facts.frozen.store(retired, Ordering::Relaxed);
        if let Some((provider, _)) = &self.built_in {
            provider.retire(retired);
        }
    }
}

impl Hand for Giver {
    fn offer(&self) -> Result<(Offer, Vec<OwnedFd>), String> {
        let listeners = self.gateway.lock().as_ref().map(Gateway::listeners);
        let listeners = listeners.ok_or("it has ended")?;
        let listeners = listeners.map_err(|e| e.to_string())?;
        let mut descriptors = Vec::new();
        let lock = self.built_in.as_ref().map(|(_, lock)| lock.as_fd());
        for fd in lock.into_iter().chain([self.metrics.as_fd()]) {
            descriptors.push(fd.try_clone_to_owned().map_err(|e| e.to_string())?);
        }
        descriptors.extend(listeners.into_iter().map(OwnedFd::from));
        tracing::info!("another gateway is taking over");
        Ok((self.offer.clone(), descriptors))
    }

    fn freeze(&self) {
        self.retire(true);
    }

    fn thaw(&self) {
        self.retire(false);
        // At the end no call is begun.
        if !self.facts.is_draining() {
            self.later.open();
        }
    }

    fn let_go(&self) {
        self.later.close();
    }

    fn over(&self, pid: u32) {
        systemd::succeeded_by(pid);
    }
}

/// As the data plane names them.
const IO_URING: &str = ringway_proxy::Driver::IoUring.name();
const EPOLL: &str = ringway_proxy::Driver::Epoll.name();
/// Less than the incumbent waits.
const READY_WAIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);
