//! One replica's life: start, get ready, serve, and again after a crash, until it is to leave.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{self, Instant};

use super::drain::drained;
use super::function::Function;
use super::launch::{self, Launch, Spot};
use super::ports::Port;
use super::ready::ready;
use super::recipe::Mode;
use super::spawner::Process;
use super::state::{Revision, State};
use crate::backoff::Backoff;
use crate::spawner::SignalKind;
use crate::supervise::{caught, keep};

/// Runs a replica until `left` turns true. One whose task panics has died: what it left is ended,
/// and it is started again.
pub(super) fn keep_running(
    function: Arc<Function>,
    key: u64,
    revision: Arc<Revision>,
    left: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send {
    let instance = instance(&function, key);
    let mut replica = Replica {
        function,
        key,
        revision,
        left,
        instance,
    };
    keep("a replica", async move || replica.run().await)
}

struct Replica {
    function: Arc<Function>,
    key: u64,
    revision: Arc<Revision>,
    left: watch::Receiver<bool>,
    /// Its name in logs, the same over crashes.
    instance: String,
}

/// Why a replica is not there any more.
enum End {
    /// It was asked to leave, and did.
    Left,
    /// It ended by itself, or never began.
    Died(String),
}

impl Replica {
    /// Lives and dies, until it is asked to leave.
    async fn run(&mut self) {
        if !self.bury().await {
            return;
        }
        let mut backoff = Backoff::new(BACKOFF_MAX, BACKOFF_RESET);
        while !*self.left.borrow() {
            let began = Instant::now();
            let reason = match self.live().await {
                End::Left => break,
                End::Died(reason) => reason,
            };
            self.function.starting(self.key, None);
            let pause = backoff.after(began.elapsed());
            tracing::warn!(
                function = self.function.full_name(),
                instance = self.instance,
                "replica died ({reason}); next start in {pause:?}{}",
                self.consequence()
            );
            tokio::select! {
                () = time::sleep(pause) => {}
                () = asked_to_leave(&mut self.left) => break,
            }
        }
        self.function.forget(self.key);
    }

    /// Ends the process that a panic left behind; whether this replica is still one of its
    /// function.
    async fn bury(&self) -> bool {
        let (function, key) = (&self.function, self.key);
        let find = |state: &State| state.replicas.iter().find(|r| r.key == key).cloned();
        let Some(known) = function.read(find) else {
            return false;
        };
        if let Some(process) = known.process {
            // Out of the table first; whether or not that panics, the process is not kept.
            caught("a replica", || function.starting(key, None));
            let spawner = &function.world.spawner;
            spawner.signal(process, SignalKind::Kill).await;
        }
        true
    }

    /// What the death means for an update under way.
    fn consequence(&self) -> &'static str {
        let number = self.revision.number;
        let updating = self
            .function
            .read(|s| s.current.number == number && s.fallback.is_some());
        if updating {
            "; the revision before it keeps serving"
        } else {
            ""
        }
    }

    /// One process, from start to end.
    async fn live(&mut self) -> End {
        let world = Arc::clone(&self.function.world);
        let id = world.spawner.next_id();
        let (spot, _port) = match self.spot(id) {
            Ok(spot) => spot,
            Err(reason) => return End::Died(reason),
        };
        let log = self.function.full_name();
        let secrets = world.secrets_of(&log);
        let launch = Launch {
            id,
            instance: &self.instance,
            log: &log,
            path: &world.path,
            home: &world.home,
            able: world.spawner.abilities(),
            secrets: &secrets,
        };
        let order = launch::order(&self.revision.recipe, &spot, &launch);
        let end = match world.spawner.start(order).await {
            Ok(mut process) => self.serve(&mut process, &spot).await,
            Err(error) => End::Died(error),
        };
        if let Some(path) = spot.socket() {
            // Not there when it never listened.
            let _ = std::fs::remove_file(path);
        }
        end
    }

    /// Where it will listen. The socket's name is new for each process, so that a late end of the
    /// last one cannot harm this one.
    fn spot(&self, id: u64) -> Result<(Spot, Option<Port>), String> {
        let world = &self.function.world;
        if Spot::wants_port(&self.revision.recipe.mode) {
            let port = world.ports.claim().ok_or("no free port")?;
            return Ok((Spot::Port(port.number), Some(port)));
        }
        Ok((Spot::Socket(world.runtime.join(format!("{id}.s"))), None))
    }

    async fn serve(&mut self, process: &mut Process, spot: &Spot) -> End {
        let address = spot.address();
        self.function.starting(self.key, Some(process.id));
        let path = match &self.revision.recipe.mode {
            Mode::Http { ready_path, .. } => ready_path.as_deref(),
            Mode::Streaming(_) => None,
        };
        let (function, instance) = (self.function.full_name(), self.instance.clone());
        let waiting = |waited: Duration| {
            tracing::warn!(
                function,
                instance,
                "replica is not ready after {waited:.0?}"
            );
        };
        tokio::select! {
            ending = process.ended() => return End::Died(ending.to_string()),
            () = ready(&address, path, waiting) => {}
            () = asked_to_leave(&mut self.left) => {
                self.end(process).await;
                return End::Left;
            }
        }
        tracing::info!(function, instance, "replica ready");
        self.function.ready(self.key, process.id, address.clone());
        tokio::select! {
            ending = process.ended() => return End::Died(ending.to_string()),
            () = asked_to_leave(&mut self.left) => {}
        }
        if !self.function.is_stopping() {
            let own = self.revision.recipe.write_timeout;
            let bound = own.unwrap_or(self.function.world.drain_bound);
            tokio::select! {
                _ = process.ended() => return End::Left,
                () = drained(&address, bound) => {}
            }
        }
        self.end(process).await;
        tracing::info!(function, instance, "replica ended");
        End::Left
    }

    /// Asks the process to end, and makes it.
    async fn end(&self, process: &mut Process) {
        let spawner = &self.function.world.spawner;
        spawner.signal(process.id, SignalKind::Terminate).await;
        if time::timeout(TERMINATE_WAIT, process.ended()).await.is_ok() {
            return;
        }
        tracing::warn!(
            function = self.function.full_name(),
            instance = self.instance,
            "replica did not end within {TERMINATE_WAIT:?} of SIGTERM and is killed"
        );
        spawner.signal(process.id, SignalKind::Kill).await;
        process.ended().await;
    }
}

/// Waits for the word; a function that is gone says the same.
async fn asked_to_leave(left: &mut watch::Receiver<bool>) {
    let _ = left.wait_for(|left| *left).await;
}

/// `<function>-<eight letters and digits>`, as pods are named.
fn instance(function: &Function, key: u64) -> String {
    let mut rest = RandomState::new().hash_one(key);
    let mut suffix = String::with_capacity(SUFFIX_LEN);
    for _ in 0..SUFFIX_LEN {
        let index = usize::try_from(rest % ALPHABET.len() as u64).unwrap_or(0);
        suffix.push(char::from(ALPHABET[index]));
        rest /= ALPHABET.len() as u64;
    }
    format!("{}-{suffix}", function.id.name)
}

const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const SUFFIX_LEN: usize = 8;
/// Between SIGTERM and SIGKILL.
const TERMINATE_WAIT: Duration = Duration::from_secs(10);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A process that lived this long has not crashed at start.
const BACKOFF_RESET: Duration = Duration::from_secs(10);
