//! Replicas between a spawner that obeys and starts nothing, and an observer that panics.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::time::{self, Instant};

use super::function::Function;
use super::recipe::Recipe;
use super::spawner::{Launched, Spawner};
use super::state::{Life, Revision, State};
use super::store::Store;
use super::world::World;
use crate::name::Namespace;
use crate::provider::{Observed, Observer};
use crate::spawner::{Abilities, Ending, HEADER_BYTES, Order, Report, SignalKind, frame, length};
use crate::wire::Deployment;

/// What the spawner was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Start(u64),
    Signal(u64, SignalKind),
}

type Book = Arc<Mutex<Vec<Asked>>>;

/// Listens where each process would.
fn obey(mut socket: UnixStream, runtime: &Path, book: &Book) {
    let mut heard = socket.try_clone().unwrap();
    let mut tell = |report| {
        let bytes = frame(&report).unwrap();
        let _ = socket.write_all(&bytes);
    };
    tell(Report::Hello(Abilities::default()));
    let mut listeners = Vec::new();
    let mut header = [0; HEADER_BYTES];
    while heard.read_exact(&mut header).is_ok() {
        let mut body = vec![0; length(header).unwrap()];
        heard.read_exact(&mut body).unwrap();
        match serde_json::from_slice(&body).unwrap() {
            Order::Start(order) => {
                let id = order.id;
                book.lock().push(Asked::Start(id));
                listeners.push(UnixListener::bind(runtime.join(format!("{id}.s"))).unwrap());
                tell(Report::Started { id });
            }
            Order::Signal { id, kind } => {
                book.lock().push(Asked::Signal(id, kind));
                let ending = Ending::Signal(9);
                tell(Report::Ended { id, ending });
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Panics at the first ready replica it is told of.
#[derive(Default)]
struct PanicsOnce {
    panicked: AtomicBool,
    ready: AtomicBool,
}

impl Observer for PanicsOnce {
    fn observed(&self, changes: Vec<Observed>) {
        for change in changes {
            if let Observed::Present(row) = change {
                let ready = row.ready > 0;
                assert!(!ready || self.panicked.swap(true, Ordering::Relaxed), "now");
                self.ready.store(ready, Ordering::Relaxed);
            }
        }
    }
}

async fn function(runtime: PathBuf, book: &Book, folder: &TempDir) -> Arc<Function> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (place, pages) = (runtime.clone(), Arc::clone(book));
    std::thread::spawn(move || obey(theirs, &place, &pages));
    let launched = Launched {
        process: Command::new("true").spawn().unwrap(),
        socket: ours,
    };
    let (spawner, mut process) = Spawner::connect(launched).await.unwrap();
    process.wait().unwrap();
    let store = Store::open(&folder.path().join("data"), None).unwrap();
    let bound = Duration::from_secs(1);
    let world = World::new(spawner, store, runtime, String::new(), "/".into(), bound);
    let deployment = Deployment {
        env_process: "cat".into(),
        ..Deployment::default()
    };
    let revision = Revision {
        number: world.next_number(),
        recipe: Recipe::parse(&deployment, world.spawner.abilities()).unwrap(),
        deployment,
    };
    let id = Namespace::parse("ns").unwrap().function("cat").unwrap();
    let state = State::new(Arc::new(revision), 1, String::new());
    Function::new(id, Arc::new(world), state)
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is() {
        assert!(Instant::now() < deadline, "{what}");
        time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_replica_whose_task_panics_is_ended_and_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let book = Book::default();
    let function = function(folder.path().to_owned(), &book, &folder).await;
    let observer = Arc::new(PanicsOnce::default());
    function.world.watch(Arc::clone(&observer) as _);
    function.change(|_| {});
    until("a replica that the observer knows", || {
        observer.ready.load(Ordering::Relaxed)
    })
    .await;
    let asked = book.lock().clone();
    let [Asked::Start(first), killed, Asked::Start(second)] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!(*killed, Asked::Signal(*first, SignalKind::Kill));
    assert_ne!(first, second);
    assert_eq!(function.read(|state| state.replicas.len()), 1);
    function.change(|state| state.life = Life::Stopping);
    until("its end", || {
        function.read(|state| state.replicas.is_empty())
    })
    .await;
    let last = book.lock().last().cloned();
    assert_eq!(last, Some(Asked::Signal(*second, SignalKind::Terminate)));
}
