//! The real binary, started on free loopback ports with a data folder of its own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Reply, request};
use crate::credentials::{Credentials, SecretFolder};
use crate::deployment::Deployment;
use crate::port::free_port;
use crate::provider::Provider;
use crate::wait::eventually;

/// A running gateway; killed when dropped, its functions with it.
pub struct Gateway {
    child: Option<Child>,
    /// Where clients connect.
    pub address: SocketAddr,
    /// Where Prometheus scrapes.
    pub metrics: SocketAddr,
    /// The data folder; survives [`Gateway::restart`].
    pub data: TempDir,
    /// What [`Gateway::admin`] sends; set by [`Gateway::behind`] and [`Gateway::guarded`].
    pub credentials: Option<Credentials>,
    /// Where the gateway reads them from.
    pub secrets: Option<SecretFolder>,
    settings: Vec<(String, String)>,
    /// The command line of the program that starts it, if any.
    through: Vec<OsString>,
}

impl Gateway {
    /// Starts with default settings.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts with settings, by the names of their environment variables.
    #[must_use]
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let mut gateway = Self::prepare(settings);
        gateway.launch("/readyz");
        gateway
    }

    /// Starts through another program, which is given its command line behind these words.
    #[must_use]
    pub fn through(words: &[OsString], settings: &[(&str, &str)]) -> Self {
        let mut gateway = Self::prepare(settings);
        gateway.through = words.to_vec();
        gateway.launch("/readyz");
        gateway
    }

    /// Starts with basic auth and these credentials in plain files.
    #[must_use]
    pub fn guarded(credentials: &Credentials, settings: &[(&str, &str)]) -> Self {
        let mut gateway = Self::prepare(settings);
        gateway.guard(credentials, SecretFolder::plain(credentials));
        gateway.launch("/readyz");
        gateway
    }

    /// Starts with basic auth and the credentials of a folder of the test's making.
    #[must_use]
    pub fn guarded_by(
        secrets: SecretFolder,
        credentials: &Credentials,
        settings: &[(&str, &str)],
    ) -> Self {
        let mut gateway = Self::prepare(settings);
        gateway.guard(credentials, secrets);
        gateway.launch("/readyz");
        gateway
    }

    /// Starts in front of a provider, with its credentials if it has any, and waits until the
    /// gateway knows the functions that are there.
    #[must_use]
    pub fn behind(provider: &Provider, settings: &[(&str, &str)]) -> Self {
        let mut gateway = Self::prepare_behind(provider, settings);
        gateway.launch("/readyz");
        gateway.await_functions(provider.functions());
        gateway
    }

    /// As [`Gateway::behind`], but waits for nothing but `/readyz`.
    #[must_use]
    pub fn behind_ready(provider: &Provider, settings: &[(&str, &str)]) -> Self {
        let mut gateway = Self::prepare_behind(provider, settings);
        gateway.launch("/readyz");
        gateway
    }

    /// Waits until the metrics tell the replicas of this many functions.
    pub fn await_functions(&self, functions: usize) {
        let what = format!("{functions} functions to be known");
        eventually(&what, Duration::from_secs(30), || {
            let page = self.metrics_text();
            let known = page
                .lines()
                .filter(|line| line.starts_with("gateway_service_count{"));
            (known.count() >= functions).then_some(())
        });
    }

    /// As [`Gateway::behind`], but waits only until the gateway itself is healthy: the provider
    /// may be down or misbehave.
    #[must_use]
    pub fn behind_any(provider: &Provider, settings: &[(&str, &str)]) -> Self {
        let mut gateway = Self::prepare_behind(provider, settings);
        gateway.launch("/healthz");
        gateway
    }

    fn prepare_behind(provider: &Provider, settings: &[(&str, &str)]) -> Self {
        let mut gateway = Self::prepare(settings);
        gateway.set_default("functions_provider_url", &provider.url());
        if let Some((user, password)) = &provider.options().credentials {
            let credentials = Credentials::new(user, password);
            gateway.guard(&credentials, SecretFolder::plain(&credentials));
        }
        gateway
    }

    fn prepare(settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        Self {
            child: None,
            address: ([127, 0, 0, 1], free_port()).into(),
            metrics: ([127, 0, 0, 1], free_port()).into(),
            data: tempfile::tempdir().expect("a temporary folder"),
            credentials: None,
            secrets: None,
            settings: settings.collect(),
            through: Vec::new(),
        }
    }

    fn guard(&mut self, credentials: &Credentials, secrets: SecretFolder) {
        self.set_default("basic_auth", "true");
        self.set_default("secret_mount_path", &secrets.path().display().to_string());
        self.credentials = Some(credentials.clone());
        self.secrets = Some(secrets);
    }

    fn set_default(&mut self, name: &str, value: &str) {
        if !self.settings.iter().any(|(k, _)| k == name) {
            self.settings.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Starts the process and waits until this path answers 200.
    fn launch(&mut self, path: &str) {
        let mut command = self.command();
        // Emptied, then appended to, for a successor writes into it too.
        let emptied = std::fs::File::create(self.log_path());
        drop(emptied.expect("a log is made"));
        command.stderr(self.log_end());
        self.child = Some(command.spawn().expect("the ringway binary starts"));
        self.await_ready(path);
    }

    /// The command that starts it.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = command(&self.through);
        command
            .env("RINGWAY_LISTEN", self.address.to_string())
            .env("RINGWAY_METRICS_LISTEN", self.metrics.to_string())
            .env("RINGWAY_DATA", self.data.path())
            .env("RINGWAY_SHARDS", "2")
            .envs(self.settings.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null());
        command
    }

    /// Has a new process take over, and waits for the end of the old one; its exit code.
    pub fn succeed(&mut self) -> Option<i32> {
        let successor = self.successor();
        self.followed_by(successor)
    }

    /// Starts a process that is to take over, which writes into the same log.
    #[must_use]
    pub fn successor(&self) -> Child {
        let mut command = self.command();
        command.env("RINGWAY_TAKEOVER", "true");
        command.stderr(self.log_end());
        command.spawn().expect("the ringway binary starts")
    }

    /// The log's end, to write at.
    fn log_end(&self) -> std::fs::File {
        let log = std::fs::OpenOptions::new()
            .append(true)
            .open(self.log_path());
        log.expect("the log is there")
    }

    /// Waits for the end of the process before this one, and for this one to serve; the exit code
    /// of the one before.
    pub fn followed_by(&mut self, successor: Child) -> Option<i32> {
        let mut before = self.child.replace(successor)?;
        let code = before.wait().ok()?.code();
        self.await_ready("/readyz");
        code
    }

    fn await_ready(&mut self, path: &str) {
        let patience = Duration::from_secs(15);
        let ready = || request(self.address, "GET", path, &[], b"").is_ok_and(|r| r.status == 200);
        let until = Instant::now() + patience;
        while !ready() {
            let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok()?);
            assert!(
                ended.is_none(),
                "the gateway ended: {ended:?}; its log:\n{log}"
            );
            assert!(
                Instant::now() < until,
                "the gateway is not ready; its log:\n{log}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Where its log is written.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.data.path().with_extension("log")
    }

    /// Its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// How many descriptors it has open.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }

    /// A metric's sum over its series.
    #[must_use]
    pub fn sum(&self, family: &str) -> f64 {
        let page = self.metrics_text();
        let samples = page.lines().filter_map(|line| {
            let rest = line.strip_prefix(family)?;
            rest.starts_with(['{', ' ']).then_some(rest)
        });
        let values = samples.filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum()
    }

    /// Its resident memory in KiB.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        let number = line.and_then(|l| l.trim().strip_suffix(" kB")?.parse().ok());
        number.unwrap_or(0)
    }

    /// Kills it as `kill -9` does, and waits.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again on the same data folder and ports.
    pub fn restart(&mut self) {
        self.kill();
        // The folder's lock goes with the last process that holds it.
        std::thread::sleep(Duration::from_millis(200));
        self.launch("/readyz");
    }

    /// Asks it to end, and waits; the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal(libc::SIGTERM);
        self.ended()
    }

    /// Waits for its end; the exit code.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.take()?.wait().ok()?.code()
    }

    /// Sends it a signal.
    pub fn signal(&self, number: i32) {
        signal(self.pid(), number);
    }

    /// One request on a connection of its own.
    #[must_use]
    pub fn call(&self, method: &str, target: &str, body: &[u8]) -> Reply {
        let reply = request(self.address, method, target, &[], body);
        reply.unwrap_or_else(|e| panic!("{method} {target}: {e}\n{}", self.log()))
    }

    /// One request with the gateway's credentials, if it has any.
    #[must_use]
    pub fn admin(&self, method: &str, target: &str, body: &[u8]) -> Reply {
        self.admin_with(method, target, &[], body)
    }

    /// One request with the gateway's credentials, if it has any, and more headers.
    #[must_use]
    pub fn admin_with(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let authorization = self.credentials.as_ref().map(Credentials::header);
        let mut headers = headers.to_vec();
        if let Some(value) = &authorization {
            headers.push(("Authorization", value));
        }
        let reply = request(self.address, method, target, &headers, body);
        reply.unwrap_or_else(|e| panic!("{method} {target}: {e}\n{}", self.log()))
    }

    /// Deploys and expects 202, or faasd's 200.
    pub fn deploy(&self, deployment: &Deployment) {
        let body = deployment.json();
        let reply = self.admin("POST", "/system/functions", body.as_bytes());
        let accepted = matches!(reply.status, 200 | 202);
        assert!(accepted, "{body}: {} {}", reply.status, reply.text());
    }

    /// Deploys and waits until `replicas` are available.
    pub fn deploy_ready(&self, deployment: &Deployment, replicas: u64) {
        self.deploy(deployment);
        let name = deployment.body["service"].as_str().unwrap_or_default();
        self.await_replicas(name, replicas);
    }

    /// Waits until a function has exactly this many available replicas.
    pub fn await_replicas(&self, name: &str, replicas: u64) {
        eventually(
            &format!("{replicas} replicas of {name}"),
            Duration::from_secs(20),
            || {
                (self.status(name)?["availableReplicas"]
                    .as_u64()
                    .unwrap_or(0)
                    == replicas)
                    .then_some(())
            },
        );
    }

    /// A function's status document.
    #[must_use]
    pub fn status(&self, name: &str) -> Option<Value> {
        let reply = self.admin("GET", &format!("/system/function/{name}"), b"");
        (reply.status == 200).then(|| serde_json::from_slice(&reply.body).ok())?
    }

    /// Scales a function.
    pub fn scale(&self, name: &str, replicas: u64) {
        let body = json!({"serviceName": name, "replicas": replicas}).to_string();
        let target = format!("/system/scale-function/{name}");
        let reply = self.admin("POST", &target, body.as_bytes());
        let accepted = matches!(reply.status, 200 | 202);
        assert!(accepted, "{} {}", reply.status, reply.text());
    }

    /// The metrics page.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        request(self.metrics, "GET", "/metrics", &[], b"")
            .map(|r| r.text())
            .unwrap_or_default()
    }

    /// Waits until a series has this value: a reply may be read before its call is in the books.
    pub fn await_metric(&self, series: &str, value: f64) {
        let until = Instant::now() + Duration::from_secs(12);
        while self.metric(series) != Some(value) {
            let page = self.metrics_text();
            assert!(Instant::now() < until, "{series} is not {value} in\n{page}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// One metric's value by its full series, such as `name{label="value"}`.
    #[must_use]
    pub fn metric(&self, series: &str) -> Option<f64> {
        let text = self.metrics_text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.and_then(|v| v.trim().parse().ok())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_file(self.log_path());
    }
}

/// Asks a process by its id to end.
pub fn terminate(pid: u32) {
    signal(pid, libc::SIGTERM);
}

/// Sends a signal by process id.
#[expect(unsafe_code, reason = "kill(2) has no safe wrapper in std")]
pub(crate) fn signal(pid: u32, signal: i32) {
    let pid = libc::pid_t::try_from(pid).unwrap_or(0);
    assert!(pid > 1, "never a group, never everyone");
    // SAFETY: no memory is involved.
    unsafe { libc::kill(pid, signal) };
}

/// The command that starts the gateway under the driver the suite runs with:
/// `RINGWAY_TEST_DRIVER` is `io_uring` (default), `epoll`, or `refused` (a seccomp filter).
fn command(through: &[OsString]) -> Command {
    let driver = std::env::var("RINGWAY_TEST_DRIVER");
    let refused = driver.as_deref() == Ok("refused");
    let mut words = through.to_vec();
    if refused {
        words.push(sibling("without-io-uring").into());
    }
    words.push(binary().into());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    if !refused {
        command.env("RINGWAY_DRIVER", driver.as_deref().unwrap_or("io_uring"));
    }
    command
}

/// The `ringway` binary of this build, built if it is not there or not new; or the one that
/// `RINGWAY_TEST_BINARY` names.
#[must_use]
pub fn binary() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            if let Some(given) = std::env::var_os("RINGWAY_TEST_BINARY") {
                return given.into();
            }
            let mut build = Command::new(env!("CARGO"));
            // All of them, as scripts/build.sh does: other sets have other features.
            build.args(["build", "--quiet", "--locked", "--workspace", "--bins"]);
            if !cfg!(debug_assertions) {
                build.arg("--release");
            }
            let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status();
            assert!(
                status.is_ok_and(|s| s.success()),
                "the ringway binary does not build"
            );
            sibling("ringway")
        })
        .clone()
}

/// The command line of the function that misbehaves by path.
#[must_use]
pub fn vice() -> String {
    sibling("vice").display().to_string()
}

/// A binary beside the one that runs (which lies in `deps`).
#[must_use]
pub fn sibling(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().expect("this program's path");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.join(name)
}
