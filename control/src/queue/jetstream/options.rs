//! Where NATS is, and how it is spoken to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use parking_lot::Mutex;
use tokio::sync::watch;

/// What is to be known of NATS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsOptions {
    /// `host:port`, at least one.
    pub servers: Vec<String>,
    /// Subject of calls; letters, digits, `-` and `_`.
    pub channel: String,
    /// Who this is.
    pub login: NatsLogin,
    /// How the connection is protected.
    pub tls: NatsTls,
    /// Servers that keep each stream.
    pub replicas: usize,
    /// How long a worker may be silent.
    pub ack_wait: Duration,
}

/// How NATS is told who this is. Files are read at each connection's start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatsLogin {
    /// It does not ask.
    Nobody,
    /// User and password.
    Password {
        /// The user.
        user: String,
        /// File with the password.
        file: PathBuf,
    },
    /// File with a token.
    Token(PathBuf),
    /// File with a JWT and its seed.
    Creds(PathBuf),
    /// File with the seed of an nkey.
    Nkey(PathBuf),
}

/// TLS towards NATS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NatsTls {
    /// Whether nothing is said without it.
    pub required: bool,
    /// File with authorities; `None`: those of the system.
    pub authorities: Option<PathBuf>,
    /// Files of the own certificate and its key.
    pub pair: Option<(PathBuf, PathBuf)>,
}

/// What was heard of the connection.
#[derive(Default)]
pub(super) struct Heard {
    /// The last word, for those who ask why there is none.
    pub(super) last: Mutex<String>,
    /// Connections so far.
    connections: watch::Sender<u64>,
}

impl Heard {
    /// Resolves when there is a new connection, from now on.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.connections.subscribe()
    }

    /// The answer to a question; `None` when there is a new connection first.
    pub(super) async fn unless_anew<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        unless_anew(&mut self.changes(), answer).await
    }
}

/// The answer to a question; `None` when there is a new connection first: what was asked on one is
/// not answered on the next.
pub(super) async fn unless_anew<T>(
    changes: &mut watch::Receiver<u64>,
    answer: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        answer = answer => Some(answer),
        _ = changes.changed() => None,
    }
}

impl NatsOptions {
    /// Begins to connect; goes on trying for as long as the client lives.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) async fn connect(&self, heard: &Arc<Heard>) -> Result<Client, String> {
        let heard = Arc::clone(heard);
        let mut options = ConnectOptions::new()
            .name(concat!("ringway/", env!("CARGO_PKG_VERSION")))
            .retry_on_initial_connect()
            .max_reconnects(None)
            .connection_timeout(CONNECT_TIMEOUT)
            .request_timeout(Some(REQUEST_TIMEOUT))
            .reconnect_delay_callback(|tries| {
                let tries = u32::try_from(tries).unwrap_or(u32::MAX);
                RECONNECT_MIN.saturating_mul(tries).min(RECONNECT_MAX)
            })
            .event_callback(move |event| {
                note(&heard, &event);
                std::future::ready(())
            });
        options = match &self.login {
            NatsLogin::Nobody => options,
            NatsLogin::Password { user, file } => {
                options.user_and_password(user.clone(), text(file).await?)
            }
            NatsLogin::Token(file) => options.token(text(file).await?),
            NatsLogin::Nkey(file) => options.nkey(text(file).await?),
            NatsLogin::Creds(file) => options
                .credentials(&text(file).await?)
                .map_err(|error| format!("{}: {error}", file.display()))?,
        };
        let tls = &self.tls;
        if let Some(file) = &tls.authorities {
            readable(file).await?;
            options = options.add_root_certificates(file.clone());
        }
        if let Some((certificate, key)) = &tls.pair {
            readable(certificate).await?;
            readable(key).await?;
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        let connecting = options.require_tls(tls.required).connect(&self.servers[..]);
        connecting.await.map_err(|error| error.to_string())
    }

    /// The servers as a text.
    pub(super) fn place(&self) -> String {
        self.servers.join(", ")
    }
}

fn note(heard: &Heard, event: &Event) {
    match event {
        Event::Connected => {
            heard.connections.send_modify(|count| *count += 1);
            heard.last.lock().clear();
            tracing::info!("connected to NATS");
        }
        Event::Disconnected => tracing::warn!("the connection to NATS ended; it is tried again"),
        Event::SlowConsumer(_) => tracing::warn!("NATS: {event}"),
        other => {
            let text = other.to_string();
            let mut last = heard.last.lock();
            // The same word once, however often it is tried.
            if *last != text {
                tracing::warn!("NATS: {text}");
            }
            *last = text;
        }
    }
}

async fn text(file: &Path) -> Result<String, String> {
    let read = tokio::fs::read_to_string(file).await;
    let text = read.map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(text.trim().to_owned())
}

async fn readable(file: &Path) -> Result<(), String> {
    text(file).await.map(|_| ())
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Questions of JetStream that are not answered in this time are asked again.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const RECONNECT_MIN: Duration = Duration::from_millis(100);
const RECONNECT_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_not_there_is_named() {
        let mut options = NatsOptions {
            servers: vec!["127.0.0.1:1".to_owned()],
            channel: "a".to_owned(),
            login: NatsLogin::Token("/nowhere/token".into()),
            tls: NatsTls::default(),
            replicas: 1,
            ack_wait: Duration::from_secs(30),
        };
        let last = Arc::<Heard>::default();
        let error = options.connect(&last).await.unwrap_err();
        assert!(error.contains("/nowhere/token"), "{error}");
        options.login = NatsLogin::Nobody;
        options.tls.authorities = Some("/nowhere/ca".into());
        let error = options.connect(&last).await.unwrap_err();
        assert!(error.contains("/nowhere/ca"), "{error}");
        options.tls = NatsTls::default();
        assert!(options.connect(&last).await.is_ok(), "it goes on trying");
    }
}
