//! User and password, and the folder a gateway reads them from.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

/// A user and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl Credentials {
    /// Takes both.
    #[must_use]
    pub fn new(user: &str, password: &str) -> Self {
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    /// The value of `Authorization`.
    #[must_use]
    pub fn header(&self) -> String {
        let pair = format!("{}:{}", self.user, self.password);
        format!("Basic {}", STANDARD.encode(pair))
    }
}

/// A folder with the files `basic-auth-user` and `basic-auth-password`.
pub struct SecretFolder {
    folder: TempDir,
    /// How often it was swapped.
    version: u32,
}

impl SecretFolder {
    /// Writes both as plain files.
    #[must_use]
    pub fn plain(credentials: &Credentials) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let plain = Self { folder, version: 0 };
        plain.rewrite(credentials);
        plain
    }

    /// Writes both as Kubernetes does: the files are links through the link `..data`.
    #[must_use]
    pub fn kubernetes(credentials: &Credentials) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut mounted = Self { folder, version: 0 };
        mounted.swap(credentials);
        for file in FILES {
            let target = Path::new("..data").join(file);
            std::os::unix::fs::symlink(target, mounted.path().join(file)).expect("a link");
        }
        mounted
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Overwrites the plain files in place.
    pub fn rewrite(&self, credentials: &Credentials) {
        write(self.path(), credentials);
    }

    /// Swaps both at once: a new folder, and `..data` renamed over the old link.
    pub fn swap(&mut self, credentials: &Credentials) {
        let old = format!("..{}", self.version);
        self.version += 1;
        let new = format!("..{}", self.version);
        std::fs::create_dir(self.path().join(&new)).expect("a new folder");
        write(&self.path().join(&new), credentials);
        let link = self.path().join("..data_tmp");
        std::os::unix::fs::symlink(&new, &link).expect("a link");
        std::fs::rename(&link, self.path().join("..data")).expect("the link in place");
        let _ = std::fs::remove_dir_all(self.path().join(old));
    }
}

fn write(folder: &Path, credentials: &Credentials) {
    for (file, text) in FILES.iter().zip([&credentials.user, &credentials.password]) {
        std::fs::write(folder.join(file), format!("{text}\n")).expect("a credential file");
    }
}

const FILES: [&str; 2] = ["basic-auth-user", "basic-auth-password"];
