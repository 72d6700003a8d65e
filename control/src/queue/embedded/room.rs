//! Room on the disk: some of it is kept for calls that were accepted, whose ends, replies and
//! removals have to be written too.

use std::path::Path;

use crate::queue::QueueError;

/// Checks that there is room for `bytes` more of calls that are not accepted yet.
///
/// # Errors
/// [`QueueError::Full`] says so.
pub(super) fn check(folder: &Path, bytes: u64) -> Result<(), QueueError> {
    // A system that cannot say keeps nobody away: the write itself will tell.
    let Ok(disk) = rustix::fs::statvfs(folder) else {
        return Ok(());
    };
    let size = disk.f_blocks.saturating_mul(disk.f_frsize);
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if is_enough(size, free, bytes) {
        return Ok(());
    }
    Err(QueueError::Full(format!(
        "the disk of {} has {free} bytes left, which are for calls that were accepted",
        folder.display()
    )))
}

fn is_enough(size: u64, free: u64, bytes: u64) -> bool {
    let kept = (size / 4).min(KEPT_BYTES);
    // A byte goes to the log first, and to its place later.
    free >= bytes.saturating_mul(2).saturating_add(kept)
}

/// The log of a few checkpoints.
const KEPT_BYTES: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_of_the_disk_is_for_what_was_accepted() {
        const MIB: u64 = 1024 * 1024;
        let big = 100_000 * MIB;
        assert!(is_enough(big, 66 * MIB, MIB));
        assert!(!is_enough(big, 66 * MIB - 1, MIB));
        assert!(is_enough(48 * MIB, 14 * MIB, MIB));
        assert!(!is_enough(48 * MIB, 14 * MIB - 1, MIB));
        assert!(!is_enough(big, 0, 0));
    }

    #[test]
    fn the_refusal_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let error = check(folder.path(), u64::MAX).unwrap_err().to_string();
        assert!(
            error.contains("disk") && error.contains("bytes left"),
            "{error}"
        );
        assert!(check("/nowhere/at/all".as_ref(), 1).is_ok());
    }
}
