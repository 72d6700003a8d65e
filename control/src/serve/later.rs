//! Threads of their own for asynchronous calls: they have time, and callers who wait do not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ringway_proxy::OwnPorts;
use tokio::runtime::{Builder, Runtime};

use super::running::{StartError, system};
use crate::provider::remote::Names;
use crate::publish::Board;
use crate::queue::{Desk, Engine, Limits, QueuePlace, Resolver, step_back};
use crate::settings::Settings;

/// The queue, and the threads that run its calls.
pub(super) struct Later {
    pub(super) desk: Arc<Desk>,
    engine: Engine,
    /// `None` while another gateway has the queue.
    runtime: Mutex<Option<Runtime>>,
}

impl Later {
    /// Opens the queue, or goes on trying; a gateway without one serves all the same.
    pub(super) fn start(
        settings: &Settings,
        board: &Arc<Board>,
        (listen, own): (SocketAddr, OwnPorts),
    ) -> Result<Self, StartError> {
        let runtime = system("start the threads of asynchronous calls", threads)?;
        let resolver = {
            let _inside = runtime.enter();
            resolver(&settings.dns)?
        };
        let asynchronous = &settings.asynchronous;
        let gateway = reachable(listen).to_string();
        let engine = Engine {
            place: match &asynchronous.nats {
                Some(options) => QueuePlace::Nats(options.clone()),
                None => QueuePlace::Folder(settings.data.clone()),
            },
            limits: Limits {
                head_bytes_max: settings.limits.head_bytes_max,
                host_bytes: match &asynchronous.nats {
                    // A queue worker may know it by another name.
                    Some(_) => HOST_BYTES_MAX,
                    None => gateway.len(),
                },
                ..asynchronous.limits.clone()
            },
            rules: asynchronous.rules.clone(),
            works: asynchronous.worker,
            guard: asynchronous.guard.clone(),
            resolver,
            patience: asynchronous.patience,
            board: Arc::clone(board),
            namespace: settings.namespace.clone(),
            gateway,
            own,
        };
        let desk = Arc::new(Desk::new(&engine.limits, engine.rules.late));
        runtime.block_on(Arc::clone(&desk).open(engine.clone()));
        Ok(Self {
            desk,
            engine,
            runtime: Mutex::new(Some(runtime)),
        })
    }

    /// Lets go of the queue for another gateway: no call is begun, those that run have a moment to
    /// end, and what then runs is run again there.
    pub(super) fn close(&self) {
        let Some(runtime) = self.runtime.lock().take() else {
            return;
        };
        self.desk.stop();
        runtime.block_on(self.desk.idle(Instant::now() + RUNNING_WAIT));
        self.desk.close();
        runtime.shutdown_timeout(END_WAIT);
    }

    /// Takes the queue back after [`Later::close`].
    pub(super) fn open(&self) {
        let mut place = self.runtime.lock();
        if place.is_some() {
            return;
        }
        match threads() {
            Ok(runtime) => {
                runtime.block_on(Arc::clone(&self.desk).open(self.engine.clone()));
                *place = Some(runtime);
            }
            Err(error) => tracing::error!(%error, "asynchronous calls are not available"),
        }
    }

    /// Ends what is left; what is under way is done again at the next start.
    pub(super) fn end(&self) {
        if let Some(runtime) = self.runtime.lock().take() {
            runtime.shutdown_timeout(END_WAIT);
        }
    }
}

fn threads() -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("queue")
        .on_thread_start(step_back)
        .enable_all()
        .build()
}

/// How receivers of replies are found; made inside the runtime it is used in.
pub(super) fn resolver(dns: &[SocketAddr]) -> Result<Resolver, StartError> {
    if dns.is_empty() {
        return Ok(Resolver::System);
    }
    let names = system("read the resolver's configuration", || Names::new(dns))?;
    Ok(Resolver::Servers(Box::new(names)))
}

/// Where a listener on this address is reached from this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Enough for some ten thousand calls per second, which the disk does not have.
const THREADS: usize = 2;
/// How long calls that run may take to end when the queue changes hands.
const RUNNING_WAIT: Duration = Duration::from_secs(5);
const END_WAIT: Duration = Duration::from_secs(1);
/// The longest name of a host, and a port.
const HOST_BYTES_MAX: usize = 253 + ":65535".len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listener_is_reached() {
        for (listen, reached) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("10.0.0.1:1", "10.0.0.1:1"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), reached);
        }
    }
}
