//! The provider's state on disk: one file per function or
//! namespace, written whole or not at all.
//!
//! The folder holds `version`, `lock` (an exclusive lock while a gateway runs), `functions/`,
//! `namespaces/`, `secrets/` and `logs/`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::wire::{Deployment, NamespaceDocument};

/// The state folder, held for this process alone.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// Unlocked by the kernel when the process ends, however it ends.
    lock: File,
}

/// What is kept of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    /// What was deployed last.
    pub(super) deployment: Deployment,
    /// What still serves while `deployment` has never been ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fallback: Option<Deployment>,
    /// Replicas wanted.
    pub(super) replicas: u32,
    /// When it was first deployed, RFC 3339.
    pub(super) created_at: String,
}

/// Why the state folder cannot be used; the text names the folder.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another gateway runs on it.
    #[error("another gateway uses {folder}; give this one its own with --data")]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// Written by another version.
    #[error("{folder} has the state of version {found:?}, and this gateway reads {VERSION:?}")]
    Version {
        /// The folder.
        folder: PathBuf,
        /// What the version file says.
        found: String,
    },
    /// A file or folder cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Store {
    /// Opens the folder, making it if needed, and locks it; `lock` is the lock as another gateway
    /// handed it over.
    ///
    /// # Errors
    /// [`StoreError`] names the folder and the reason.
    pub fn open(folder: &Path, lock: Option<File>) -> Result<Self, StoreError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { path, source }
        };
        let inner = ["functions", "namespaces", "secrets", "logs"].map(|name| folder.join(name));
        for path in [folder]
            .into_iter()
            .chain(inner.iter().map(PathBuf::as_path))
        {
            // Only its owner may read it: environments hold passwords more often than they should.
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(fail(path))?;
        }
        let path = folder.join("lock");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let lock = match lock {
            Some(lock) => lock,
            None => options.open(&path).map_err(fail(&path))?,
        };
        // One that was handed over is the same open file, and locked already.
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(StoreError::Locked {
                folder: folder.to_owned(),
            });
        }
        let path = folder.join("version");
        match fs::read_to_string(&path) {
            Ok(found) if found.trim() == VERSION => {}
            Ok(found) => {
                let found = found.trim().to_owned();
                return Err(StoreError::Version {
                    folder: folder.to_owned(),
                    found,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_whole(&path, format!("{VERSION}\n").as_bytes()).map_err(fail(&path))?;
            }
            Err(error) => return Err(fail(&path)(error)),
        }
        Ok(Self {
            folder: folder.to_owned(),
            lock,
        })
    }

    /// The lock, to be handed over.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn lock(&self) -> io::Result<OwnedFd> {
        self.lock.as_fd().try_clone_to_owned()
    }

    /// The folder of logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// The folder of secrets.
    pub(super) fn secrets(&self) -> PathBuf {
        self.folder.join("secrets")
    }

    /// Keeps a namespace's document.
    pub(super) fn save_namespace(&self, document: &NamespaceDocument) -> io::Result<()> {
        let path = self.path("namespaces", &document.name);
        write_whole(&path, &serde_json::to_vec_pretty(document)?)
    }

    /// Forgets a namespace.
    pub(super) fn remove_namespace(&self, name: &str) -> io::Result<()> {
        remove(&self.path("namespaces", name))
    }

    /// Every namespace that is kept, and what is wrong with files that cannot be read.
    pub(super) fn load_namespaces(&self) -> (Vec<NamespaceDocument>, Vec<StoreError>) {
        load(&self.folder.join("namespaces"))
    }

    /// Keeps a function's state under `name`.
    pub(super) fn save(&self, name: &str, state: &Stored) -> io::Result<()> {
        let path = self.path("functions", name);
        write_whole(&path, &serde_json::to_vec_pretty(state)?)
    }

    /// Forgets a function.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        remove(&self.path("functions", name))
    }

    /// Every function that is kept, and what is wrong with files that cannot be read.
    pub(super) fn load(&self) -> (Vec<Stored>, Vec<StoreError>) {
        load(&self.folder.join("functions"))
    }

    fn path(&self, kind: &str, name: &str) -> PathBuf {
        // Names are DNS labels, with a point between them, so they cannot leave the folder.
        self.folder.join(kind).join(format!("{name}.json"))
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sync_folder(path),
    }
}

/// Every document in a folder.
fn load<T: DeserializeOwned>(folder: &Path) -> (Vec<T>, Vec<StoreError>) {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(source) => {
            let path = folder.to_owned();
            return (found, vec![StoreError::Io { path, source }]);
        }
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        match path.extension().and_then(|e| e.to_str()) {
            Some("json") => {}
            Some("new") => {
                // Left by a crash before the rename: it never was the state.
                let _ = fs::remove_file(&path);
                continue;
            }
            _ => continue,
        }
        let read = fs::read(&path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
        match read {
            Ok(stored) => found.push(stored),
            Err(source) => wrong.push(StoreError::Io { path, source }),
        }
    }
    (found, wrong)
}

/// Writes a file so that after a crash it is the old one or the new one.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_folder(path)
}

/// Makes a rename or a removal last.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Format of the folder.
const VERSION: &str = "ringway-state 1";

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(name: &str) -> Stored {
        let deployment = Deployment {
            service: name.into(),
            ..Deployment::default()
        };
        Stored {
            deployment,
            fallback: None,
            replicas: 2,
            created_at: "x".into(),
        }
    }

    #[test]
    fn state_survives_a_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        store.save("a.ns", &stored("a")).unwrap();
        store.save("b.ns", &stored("b")).unwrap();
        store
            .save(
                "a.ns",
                &Stored {
                    replicas: 3,
                    ..stored("a")
                },
            )
            .unwrap();
        store.remove("b.ns").unwrap();
        store.remove("b.ns").unwrap();
        drop(store);
        let (found, wrong) = Store::open(folder.path(), None).unwrap().load();
        assert!(wrong.is_empty());
        assert_eq!(
            found,
            [Stored {
                replicas: 3,
                ..stored("a")
            }]
        );
    }

    #[test]
    fn one_gateway_per_folder() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Store::open(folder.path(), None).unwrap();
        let error = Store::open(folder.path(), None).unwrap_err().to_string();
        assert!(error.contains(folder.path().to_str().unwrap()), "{error}");
    }

    #[test]
    fn another_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("version"), "ringway-state 2\n").unwrap();
        assert!(matches!(
            Store::open(folder.path(), None),
            Err(StoreError::Version { .. })
        ));
    }

    #[test]
    fn torn_files_are_reported_and_unfinished_ones_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        let functions = folder.path().join("functions");
        fs::write(functions.join("a.ns.json"), "{\"depl").unwrap();
        fs::write(functions.join("b.ns.json.new"), "{}").unwrap();
        let (found, wrong) = store.load();
        assert!(found.is_empty());
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].to_string().contains("a.ns.json"));
        assert!(!functions.join("b.ns.json.new").exists());
    }

    #[test]
    fn only_the_owner_may_read() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("state");
        let store = Store::open(&folder, None).unwrap();
        store.save("a.ns", &stored("a")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join("functions/a.ns.json")), 0o600);
    }
}
