//! Follows the credential files, however they are replaced (Kubernetes swaps a symbolic link).

use std::time::Duration;

use tokio::time;

use crate::settings::Login;

/// Reads the files again and again. They are two small ones: what a file system tells of changes
/// is different for each kind, and none of it tells all.
pub(super) async fn follow(login: &Login) {
    let mut readable = true;
    loop {
        time::sleep(EVERY).await;
        let fresh = login.clone();
        let read = tokio::task::spawn_blocking(move || fresh.reload()).await;
        match read {
            Ok(Ok(changed)) => {
                readable = true;
                if changed {
                    tracing::info!("the credentials changed");
                }
            }
            Ok(Err(error)) if readable => {
                readable = false;
                tracing::warn!("the credentials stay as they were: {error}");
            }
            Ok(Err(_)) => {}
            Err(error) => tracing::error!(%error, "the credentials are not followed"),
        }
    }
}

const EVERY: Duration = Duration::from_secs(1);
