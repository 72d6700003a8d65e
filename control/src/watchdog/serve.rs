//! The watchdog's listener: connections, and an orderly end at SIGTERM.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::fs::Access;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::arguments::{Arguments, SMALL_PAGES};
use super::request::{Watchdog, log};
use crate::settings::variables;
use crate::{sys, unread};

/// Serves until SIGTERM, and then until the requests in flight are answered.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    // Otherwise it shows as `exe`, by which it was executed.
    let _ = rustix::thread::set_name(c"ringway-watchdog");
    let mut variables = variables();
    variables.retain(|(name, _)| name != SMALL_PAGES.0);
    let program = arguments.words.first().map_or("", String::as_str);
    if !can_run(program, &variables) {
        log(&format!("{program}: no such program"));
        return ExitCode::from(NOT_FOUND);
    }
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(serve(arguments, variables))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&format!("the watchdog failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: Arguments, variables: Vec<(String, String)>) -> io::Result<()> {
    let mut stop = signal(SignalKind::terminate())?;
    let listener = UnixListener::bind(&arguments.socket)?;
    let slots = usize::try_from(arguments.inflight_max).unwrap_or(Semaphore::MAX_PERMITS);
    let watchdog = Arc::new(Watchdog {
        arguments,
        variables,
        descriptors: sys::raise_descriptor_limit(),
        slots: Arc::new(Semaphore::new(slots)),
    });
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let watchdog = Arc::clone(&watchdog);
                    connections.spawn(connection(watchdog, stream, stopped.clone()));
                }
                // Out of descriptors: they come back as requests end.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
            _ = stop.recv() => break,
        }
    }
    drop(listener);
    // Receivers are the connections' own; none left is fine.
    let _ = stopping.send(true);
    while connections.join_next().await.is_some() {}
    Ok(())
}

async fn connection(
    watchdog: Arc<Watchdog>,
    stream: UnixStream,
    mut stopped: watch::Receiver<bool>,
) {
    let service = service_fn(|request| {
        let watchdog = Arc::clone(&watchdog);
        async move {
            let (request, body) = unread::watch(request);
            let mut reply = watchdog.answer(request).await;
            body.mark(&mut reply);
            Ok::<_, Infallible>(reply)
        }
    });
    let served = http1::Builder::new()
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    // A connection that breaks is the peer's business; its processes are killed by being dropped.
    tokio::select! {
        _ = &mut served => return,
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = served.await;
}

/// Whether a program is there and may be executed, so that a typing mistake shows before traffic.
fn can_run(program: &str, variables: &[(String, String)]) -> bool {
    let executable =
        |path: &Path| path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return executable(Path::new(program));
    }
    let path = variables.iter().find(|(name, _)| name == "PATH");
    let folders = path.map_or("/bin:/usr/bin", |(_, value)| value);
    folders
        .split(':')
        .any(|folder| executable(&Path::new(folder).join(program)))
}

/// The data plane takes 128 fields and adds a few.
const HEADERS_MAX: usize = 256;
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// What shells return for a program that is not there.
const NOT_FOUND: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_as_exec_does() {
        let path = |value: &str| vec![("PATH".to_owned(), value.to_owned())];
        assert!(can_run("sh", &path("/nowhere:/bin")));
        assert!(!can_run("sh", &path("/nowhere")));
        assert!(can_run("/bin/sh", &[]));
        assert!(!can_run("/etc/passwd", &[]));
        assert!(!can_run("/bin", &[]));
    }
}
