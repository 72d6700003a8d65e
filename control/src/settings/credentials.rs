//! The user and password of basic authentication, from files that may change.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use parking_lot::RwLock;

use super::error::SettingError;

/// The credentials in force, shared by all who ask for them or present them.
#[derive(Clone, Debug)]
pub struct Login {
    current: Arc<RwLock<Credentials>>,
    /// Where they come from; empty when they come from no file.
    folder: PathBuf,
}

/// What `Authorization` must carry; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `user:password`.
    expected: Vec<u8>,
}

impl Login {
    /// Reads the files in `folder`.
    ///
    /// # Errors
    /// As [`Credentials::load`].
    pub fn open(folder: &Path) -> Result<Self, SettingError> {
        Ok(Self {
            current: Arc::new(RwLock::new(Credentials::load(folder)?)),
            folder: folder.to_owned(),
        })
    }

    /// Credentials that stay as they are.
    #[must_use]
    pub fn fixed(credentials: Credentials) -> Self {
        Self {
            current: Arc::new(RwLock::new(credentials)),
            folder: PathBuf::new(),
        }
    }

    /// Whether the value of an `Authorization` header proves knowledge of the pair in force.
    #[must_use]
    pub fn admits(&self, authorization: &[u8]) -> bool {
        self.current.read().admits(authorization)
    }

    /// The `Authorization` that another server of the same installation asks for.
    #[must_use]
    pub fn authorization(&self) -> HeaderValue {
        self.current.read().authorization()
    }

    /// Reads the files again, however they were replaced; whether the pair changed. What was in
    /// force stays so when they cannot be read.
    ///
    /// # Errors
    /// As [`Credentials::load`].
    pub fn reload(&self) -> Result<bool, SettingError> {
        if self.folder.as_os_str().is_empty() {
            return Ok(false);
        }
        let fresh = Credentials::load(&self.folder)?;
        let changed = *self.current.read() != fresh;
        if changed {
            *self.current.write() = fresh;
        }
        Ok(changed)
    }
}

impl Credentials {
    /// A pair of user and password.
    #[must_use]
    pub fn new(user: &str, password: &str) -> Self {
        Self {
            expected: format!("{user}:{password}").into_bytes(),
        }
    }

    /// Reads `basic-auth-user` and `basic-auth-password` in `folder`, trimmed.
    ///
    /// # Errors
    /// A missing, unreadable or empty file.
    pub fn load(folder: &Path) -> Result<Self, SettingError> {
        let user = read(&folder.join("basic-auth-user"))?;
        let password = read(&folder.join("basic-auth-password"))?;
        Ok(Self::new(&user, &password))
    }

    /// Whether the value of an `Authorization` header proves knowledge of the pair. The time
    /// taken depends on the length of what was sent, not on where it differs.
    #[must_use]
    pub fn admits(&self, authorization: &[u8]) -> bool {
        let Some((scheme, encoded)) = authorization.split_at_checked(BASIC.len()) else {
            return false;
        };
        // RFC 9110 §11.1: the scheme is case-insensitive.
        if !scheme.eq_ignore_ascii_case(BASIC) {
            return false;
        }
        let Ok(sent) = STANDARD.decode(encoded.trim_ascii()) else {
            return false;
        };
        same(&sent, &self.expected)
    }

    fn authorization(&self) -> HeaderValue {
        let text = format!("Basic {}", STANDARD.encode(&self.expected));
        let mut value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Basic"));
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

fn read(path: &Path) -> Result<String, SettingError> {
    let text = fs::read_to_string(path).map_err(|source| SettingError::SecretUnreadable {
        path: path.to_owned(),
        source,
    })?;
    let text = text.trim();
    if text.is_empty() {
        return Err(SettingError::SecretEmpty {
            path: path.to_owned(),
        });
    }
    Ok(text.to_owned())
}

/// Equality that looks at every byte of `sent`.
fn same(sent: &[u8], expected: &[u8]) -> bool {
    let mut difference = u8::from(sent.len() != expected.len());
    for (at, byte) in sent.iter().enumerate() {
        // Wraps around so that every byte sent costs the same.
        let other = expected
            .get(at % expected.len().max(1))
            .copied()
            .unwrap_or(0);
        difference = std::hint::black_box(difference | (byte ^ other));
    }
    difference == 0
}

const BASIC: &[u8] = b"Basic ";

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(header: &str) -> bool {
        Credentials::new("admin", "s3cret:with:colons").admits(header.as_bytes())
    }

    #[test]
    fn the_pair_is_admitted_and_nothing_else() {
        let good = STANDARD.encode("admin:s3cret:with:colons");
        assert!(admits(&format!("Basic {good}")));
        assert!(admits(&format!("basic {good}")));
        for bad in [
            "admin:",
            "admin:s3cret",
            "admin:s3cret:with:colonsX",
            "",
            "a",
            ":",
        ] {
            assert!(
                !admits(&format!("Basic {}", STANDARD.encode(bad))),
                "{bad:?}"
            );
        }
        for bad in ["", "Basic", "Basic ", "Bearer ", "Basic !!!", &good] {
            assert!(!admits(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_repeated_secret_is_not_the_secret() {
        let credentials = Credentials::new("a", "b");
        let twice = format!("Basic {}", STANDARD.encode("a:ba:b"));
        assert!(!credentials.admits(twice.as_bytes()));
    }

    #[test]
    fn files_are_trimmed_and_missing_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("basic-auth-user"), "admin\n").unwrap();
        let error = Credentials::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("basic-auth-password"), "{error}");
        fs::write(folder.path().join("basic-auth-password"), " \n").unwrap();
        assert!(matches!(
            Credentials::load(folder.path()),
            Err(SettingError::SecretEmpty { .. })
        ));
        fs::write(folder.path().join("basic-auth-password"), " pw\r\n").unwrap();
        let login = Login::open(folder.path()).unwrap();
        assert!(login.admits(format!("Basic {}", STANDARD.encode("admin:pw")).as_bytes()));
        assert!(login.admits(login.authorization().as_bytes()));
    }

    #[test]
    fn a_changed_file_is_followed_and_a_missing_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("basic-auth-password");
        fs::write(folder.path().join("basic-auth-user"), "admin").unwrap();
        fs::write(&file, "old").unwrap();
        let login = Login::open(folder.path()).unwrap();
        let old = login.authorization();
        assert!(!login.reload().unwrap());
        fs::write(&file, "new").unwrap();
        assert!(login.reload().unwrap());
        assert!(!login.admits(old.as_bytes()));
        fs::remove_file(&file).unwrap();
        assert!(login.reload().is_err());
        assert!(login.admits(login.authorization().as_bytes()));
    }
}
