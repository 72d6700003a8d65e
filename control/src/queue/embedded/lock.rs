//! One gateway per folder.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::FlockOperation;

/// Makes the folder for its owner alone and locks it; unlocked by the kernel when the process
/// ends, however it ends.
///
/// # Errors
/// A text that names the folder and the reason.
pub(super) fn lock(folder: &Path) -> Result<File, String> {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| failed(folder, error))?;
    let path = folder.join("lock");
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    let lock = options.open(&path).map_err(|error| failed(&path, error))?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(_) => Err(format!("another gateway uses {}", folder.display())),
    }
}
