//! Listeners of the control plane, and what the machine's addresses allow.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use tokio::net::UnixListener;

use crate::supervise::once;

/// The address itself, or its IPv4 counterpart where a wildcard asks for IPv6 and there is none.
pub(super) fn usable(address: SocketAddr) -> SocketAddr {
    let wildcard = address.ip() == Ipv6Addr::UNSPECIFIED;
    if wildcard && std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
    }
    address
}

/// Binds the control plane's socket, for this user alone.
pub(super) fn bind_control(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves the API, and starts it again should it ever end; invocations go on meanwhile.
pub(super) async fn supervise(path: PathBuf, first: UnixListener, router: Router) {
    let mut listener = Some(first);
    loop {
        let bound = listener.take().map_or_else(|| bind_control(&path), Ok);
        match bound {
            Ok(listener) => {
                let served = axum::serve(listener, router.clone()).into_future();
                let ended = once("API", served).await;
                tracing::error!(?ended, "the API ended and is started again");
            }
            Err(error) => tracing::error!(%error, "the API's socket cannot be bound"),
        }
        tokio::time::sleep(RESTART_PAUSE).await;
    }
}

const RESTART_PAUSE: Duration = Duration::from_millis(100);
