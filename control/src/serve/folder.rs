//! The private folder of sockets.

use std::fs::Permissions;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

/// Makes a folder nobody else can enter, with a path short enough for the sockets in it.
pub(super) fn runtime_folder(temp: &Path) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    let builder = builder
        .prefix("ringway-")
        .permissions(Permissions::from_mode(0o700));
    if temp.as_os_str().as_bytes().len() <= PATH_BYTES_MAX {
        builder.tempdir_in(temp)
    } else {
        builder.tempdir_in("/tmp")
    }
}

/// `sun_path` holds 107 bytes and a NUL: room for `/ringway-xxxxxx/`, twenty digits and `.s`.
const PATH_BYTES_MAX: usize = 107 - 16 - 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_private_and_its_path_short() {
        let parent = tempfile::tempdir().unwrap();
        let deep = parent.path().join("x".repeat(80));
        std::fs::create_dir(&deep).unwrap();
        for temp in [parent.path(), &deep] {
            let folder = runtime_folder(temp).unwrap();
            let mode = std::fs::metadata(folder.path())
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o700);
            let socket = folder.path().join(format!("{}.s", u64::MAX));
            assert!(socket.as_os_str().as_bytes().len() <= 107);
        }
    }
}
