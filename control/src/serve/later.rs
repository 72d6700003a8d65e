//! Threads of their own for asynchronous calls: they have time, and callers who wait do not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::running::{StartError, system};
use crate::provider::remote::Names;
use crate::publish::Board;
use crate::queue::{Desk, Engine, QueuePlace, Resolver};
use crate::settings::Settings;

/// The queue, and the threads that run its calls.
pub(super) struct Later {
    pub(super) desk: Arc<Desk>,
    runtime: Runtime,
}

impl Later {
    /// Opens the queue, or goes on trying; a gateway without one serves all the same.
    pub(super) fn start(
        settings: &Settings,
        board: &Arc<Board>,
        listen: SocketAddr,
    ) -> Result<Self, StartError> {
        let runtime = system("start the threads of asynchronous calls", || {
            Builder::new_multi_thread()
                .worker_threads(THREADS)
                .thread_name("queue")
                .on_thread_start(step_back)
                .enable_all()
                .build()
        })?;
        let resolver = {
            let _inside = runtime.enter();
            resolver(&settings.dns)?
        };
        let asynchronous = &settings.asynchronous;
        let engine = Engine {
            place: match &asynchronous.nats {
                Some(options) => QueuePlace::Nats(options.clone()),
                None => QueuePlace::Folder(settings.data.clone()),
            },
            limits: asynchronous.limits.clone(),
            rules: asynchronous.rules.clone(),
            works: asynchronous.worker,
            guard: asynchronous.guard.clone(),
            resolver,
            patience: asynchronous.patience,
            board: Arc::clone(board),
            namespace: settings.namespace.clone(),
            gateway: reachable(listen).to_string(),
        };
        let desk = Arc::new(Desk::new(&engine.limits));
        runtime.block_on(Arc::clone(&desk).open(engine));
        Ok(Self { desk, runtime })
    }

    /// Ends what is left; what is under way is done again at the next start.
    pub(super) fn end(self) {
        self.runtime.shutdown_timeout(END_WAIT);
    }
}

/// How receivers of replies are found; made inside the runtime it is used in.
pub(super) fn resolver(dns: &[SocketAddr]) -> Result<Resolver, StartError> {
    if dns.is_empty() {
        return Ok(Resolver::System);
    }
    let names = system("read the resolver's configuration", || Names::new(dns))?;
    Ok(Resolver::Servers(Box::new(names)))
}

/// Lets the shards' threads go first where there are more threads than cores.
fn step_back() {
    // On Linux this is the calling thread's alone (setpriority(2)). Without it calls that wait
    // compete with those that can wait, and that is all.
    let _ = rustix::process::setpriority_process(None, NICENESS);
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
const NICENESS: i32 = 10;
const END_WAIT: Duration = Duration::from_secs(1);

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
