//! `ringway demo`: a gateway on loopback with three functions, gone when it ends.

mod function;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::{self, Instant};

use crate::cli;
use crate::provider::{Order, Provider, ProviderError, Standing, Target};
use crate::serve::{self, Running, StartError};
use crate::settings::{Given, Key, SettingError, Settings, Surroundings, own_binary};
use crate::wire::Deployment;

pub(crate) use function::run as function;

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error(
        "{0}\nIf another program has the port, choose others: \
         ringway demo --listen 127.0.0.1:18080 --metrics-listen 127.0.0.1:18082"
    )]
    Start(#[from] StartError),
    #[error("no folder for the demo's state: {0}")]
    Folder(std::io::Error),
    #[error("a demo function cannot be deployed: {0}")]
    Deploy(#[from] ProviderError),
}

/// Whether the demo has this setting: where its state lies, and that it is open to whoever is on
/// this machine, and to nobody else, is what makes it the demo.
pub(crate) const fn takes(key: Key) -> bool {
    !matches!(
        key,
        Key::Data
            | Key::Insecure
            | Key::BasicAuth
            | Key::SecretMountPath
            | Key::FunctionsProviderUrl
            | Key::LogsProviderUrl
            | Key::DirectFunctions
            | Key::DirectFunctionsSuffix
            | Key::DirectPort
            | Key::NatsAddress
    )
}

/// Serves the demo until a signal.
pub(crate) fn run(given: impl Fn(Key) -> Option<Given>, around: Surroundings) -> ExitCode {
    let private = Permissions::from_mode(0o700);
    let mut builder = tempfile::Builder::new();
    let folder = match builder
        .prefix("ringway-demo-")
        .permissions(private)
        .tempdir()
    {
        Ok(folder) => folder,
        Err(error) => return cli::fail(&DemoError::Folder(error)),
    };
    let data = folder.path().to_string_lossy().into_owned();
    let given = |key| match key {
        Key::Data => Some(Given {
            name: key.to_string(),
            text: data.clone(),
        }),
        key if !takes(key) => None,
        Key::Log => given(key).or_else(|| {
            Some(Given {
                name: key.to_string(),
                text: "warn".to_owned(),
            })
        }),
        other => given(other),
    };
    match start(given, around) {
        Ok(running) => running.wait(),
        Err(error) => cli::fail(&error),
    }
}

fn start(given: impl Fn(Key) -> Option<Given>, around: Surroundings) -> Result<Running, DemoError> {
    let mut settings = Settings::resolve(given, around)?;
    settings.data_is_temporary = true;
    serve::start_log(&settings.log);
    let running = Running::start(settings)?;
    let binary = own_binary().map_err(DemoError::Folder)?;
    running.block_on(async {
        for deployment in functions(&binary.to_string_lossy()) {
            let body = serde_json::to_vec(&deployment).unwrap_or_default().into();
            let order = Order {
                body,
                namespace: String::new(),
            };
            running.provider().deploy(order).await?;
        }
        ready(running.provider()).await;
        Ok::<_, ProviderError>(())
    })?;
    tell(&running);
    Ok(running)
}

/// Waits until every function serves, but not for ever.
async fn ready(provider: &dyn Provider) {
    let deadline = Instant::now() + READY_WAIT;
    for name in ["cat", "hello", "ticks"] {
        let target = || Target {
            name: name.to_owned(),
            namespace: String::new(),
        };
        while Instant::now() < deadline {
            let answer = provider.status(target(), false).await;
            let standing = answer.ok().and_then(|a| Standing::parse(&a.body));
            if standing.is_some_and(|s| s.available_replicas > 0) {
                break;
            }
            time::sleep(READY_LOOK).await;
        }
    }
}

fn functions(binary: &str) -> [Deployment; 3] {
    let function = |service: &str, env_process: String| Deployment {
        service: service.to_owned(),
        image: "demo".to_owned(),
        env_process,
        ..Deployment::default()
    };
    let mut hello = function("hello", format!("'{binary}' demo-function"));
    hello.env_vars.insert("mode".to_owned(), "http".to_owned());
    let ticks = "sh -c 'for i in 1 2 3 4 5; do echo tick $i; sleep 1; done'";
    let mut ticks = function("ticks", ticks.to_owned());
    ticks
        .env_vars
        .insert("content_type".to_owned(), "text/plain".to_owned());
    [function("cat", "cat".to_owned()), hello, ticks]
}

#[expect(
    clippy::print_stdout,
    reason = "these lines are what the command is for"
)]
fn tell(running: &Running) {
    let gateway = format!("http://{}", running.listen);
    let metrics = format!("http://{}/metrics", running.metrics_listen);
    let deploy = r#"{"service":"upper","image":"","envProcess":"tr a-z A-Z"}"#;
    println!(
        "Ringway serves on {gateway} with three functions. Try:

  curl {gateway}/function/cat -d 'a process per request: stdin in, stdout out'
  curl {gateway}/function/hello/some/path?name=you
  curl -N {gateway}/function/ticks
  curl {gateway}/system/functions
  curl {gateway}/system/scale-function/hello -d '{{\"serviceName\":\"hello\",\"replicas\":3}}'
  curl {gateway}/system/functions -d '{deploy}'
  curl {metrics}
  faas-cli list --gateway {gateway}

  {gateway}/ui/ shows them in a browser. Ctrl-C ends everything and leaves nothing behind."
    );
}

const READY_WAIT: Duration = Duration::from_secs(10);
const READY_LOOK: Duration = Duration::from_millis(10);
