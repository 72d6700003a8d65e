//! Secrets: one file each, readable by nobody else, and copies of them for the functions that
//! name them.
//!
//! A value is never given back by the API. A function sees a folder of its own with the secrets
//! it names; a change of a secret changes the copies, so that running functions see it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::store::{sync_folder, write_whole};

/// Where secrets lie.
#[derive(Debug)]
pub(super) struct Vault {
    /// `<namespace>/<name>`, kept over restarts.
    kept: PathBuf,
    /// `<function>.<namespace>/<name>`, for as long as the gateway runs.
    shown: PathBuf,
}

impl Vault {
    pub(super) fn new(kept: PathBuf, shown: PathBuf) -> Self {
        Self { kept, shown }
    }

    /// Names of a namespace's secrets, in order.
    pub(super) fn names(&self, namespace: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.kept.join(namespace)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        let names = names.filter_map(|name| name.into_string().ok());
        let mut names: Vec<String> = names.filter(|name| is_name(name)).collect();
        names.sort_unstable();
        Ok(names)
    }

    pub(super) fn has(&self, namespace: &str, name: &str) -> bool {
        is_name(name) && self.path(namespace, name).is_file()
    }

    /// Keeps a secret's value, in place of the one it may have.
    pub(super) fn put(&self, namespace: &str, name: &str, value: &[u8]) -> io::Result<()> {
        private_folder(&self.kept.join(namespace))?;
        write_whole(&self.path(namespace, name), value)
    }

    pub(super) fn remove(&self, namespace: &str, name: &str) -> io::Result<()> {
        let path = self.path(namespace, name);
        fs::remove_file(&path)?;
        sync_folder(&path)
    }

    /// Forgets an empty namespace.
    pub(super) fn forget(&self, namespace: &str) {
        // Missing is what is wanted, and one with secrets is not forgotten.
        let _ = fs::remove_dir(self.kept.join(namespace));
    }

    /// The folder that a function sees.
    pub(super) fn folder_of(&self, function: &str) -> PathBuf {
        self.shown.join(function)
    }

    /// Makes the folder that a function sees hold these secrets and no others. Secrets that do
    /// not exist any more are left out.
    pub(super) fn show(&self, function: &str, namespace: &str, names: &[String]) -> io::Result<()> {
        let folder = self.folder_of(function);
        private_folder(&folder)?;
        for entry in fs::read_dir(&folder)?.flatten() {
            let stays = entry
                .file_name()
                .to_str()
                .is_some_and(|old| names.iter().any(|n| n == old));
            if !stays {
                fs::remove_file(entry.path())?;
            }
        }
        for name in names {
            self.show_one(function, namespace, name)?;
        }
        Ok(())
    }

    /// Brings one secret of a function's folder up to date.
    pub(super) fn show_one(&self, function: &str, namespace: &str, name: &str) -> io::Result<()> {
        let shown = self.folder_of(function).join(name);
        match fs::read(self.path(namespace, name)) {
            Ok(value) => write_whole(&shown, &value),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match fs::remove_file(&shown) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Removes the folder that a function saw.
    pub(super) fn hide(&self, function: &str) {
        let _ = fs::remove_dir_all(self.folder_of(function));
    }

    fn path(&self, namespace: &str, name: &str) -> PathBuf {
        debug_assert!(is_name(name));
        self.kept.join(namespace).join(name)
    }
}

/// Whether a secret may be called so: a DNS subdomain (RFC 1123 §2.1), as Kubernetes has it. Such
/// a name cannot leave its folder.
pub(super) fn is_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= NAME_BYTES_MAX && name.split('.').all(label) && !name.ends_with(".new")
}

/// The rule of [`is_name`], as error messages state it.
pub(super) const NAME_RULE: &str = "must be lower-case letters, digits, '-' and '.', at most 200 \
                                    of them, each part between points beginning and ending with a \
                                    letter or digit; and must not end with .new";

fn private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Leaves room for the suffix of a file that is being written.
const NAME_BYTES_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn vault(folder: &Path) -> Vault {
        Vault::new(folder.join("kept"), folder.join("shown"))
    }

    #[test]
    fn secrets_are_private_and_listed_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path());
        assert_eq!(vault.names("ns").unwrap(), [""; 0]);
        vault.put("ns", "b.c", b"2").unwrap();
        vault.put("ns", "a", b"\0\xff").unwrap();
        vault.put("other", "z", b"").unwrap();
        assert_eq!(vault.names("ns").unwrap(), ["a", "b.c"]);
        let mode = |path: &str| {
            let path = folder.path().join(path);
            fs::metadata(path).unwrap().permissions().mode() & 0o777
        };
        assert_eq!((mode("kept/ns"), mode("kept/ns/a")), (0o700, 0o600));
        vault.remove("ns", "a").unwrap();
        assert!(!vault.has("ns", "a") && vault.has("ns", "b.c"));
        assert!(vault.remove("ns", "a").is_err());
    }

    #[test]
    fn a_function_sees_its_secrets_and_their_changes() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path());
        vault.put("ns", "a", b"1").unwrap();
        vault.put("ns", "b", b"2").unwrap();
        let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        vault.show("f.ns", "ns", &names(&["a", "b"])).unwrap();
        let seen = vault.folder_of("f.ns");
        assert_eq!(fs::read(seen.join("b")).unwrap(), b"2");
        vault.show("f.ns", "ns", &names(&["a", "gone"])).unwrap();
        assert!(!seen.join("b").exists() && !seen.join("gone").exists());
        vault.put("ns", "a", b"new").unwrap();
        vault.show_one("f.ns", "ns", "a").unwrap();
        assert_eq!(fs::read(seen.join("a")).unwrap(), b"new");
        vault.remove("ns", "a").unwrap();
        vault.show_one("f.ns", "ns", "a").unwrap();
        assert!(!seen.join("a").exists());
        vault.hide("f.ns");
        assert!(!seen.exists());
    }

    #[test]
    fn no_name_leaves_its_folder() {
        for good in ["a", "a-b.c", "0"] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "../a",
            "a/b",
            "/a",
            "A",
            "a..b",
            "-a",
            "a-",
            ".a",
            "a.new",
            "a\0",
            &"x".repeat(201),
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
