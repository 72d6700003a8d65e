//! Starting proxies, and finding which of them there are on this machine.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::child::Child;
use super::kind::Kind;
use super::ringway::{RingwayForm, deploy};
use super::{Peer, config};
use crate::load::get_text;

/// Where everything of a run is, and on which processors.
pub(crate) struct Site {
    pub(crate) folder: PathBuf,
    /// This program, which is also the function server and some of the peers.
    pub(crate) program: PathBuf,
    pub(crate) ringway: PathBuf,
    pub(crate) pingora: Option<PathBuf>,
    pub(crate) envoy: Option<PathBuf>,
    pub(crate) nginx: Option<PathBuf>,
    pub(crate) haproxy: Option<PathBuf>,
    /// The function server with one function, and that with a thousand.
    pub(crate) functions: [SocketAddr; 2],
    /// The proxies run here,
    pub(crate) proxy_processor: usize,
    /// and all else here.
    pub(crate) load_processor: usize,
}

/// A program by its path, or in the folders of `PATH` and where Debian puts servers.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    let places = folders.into_iter().map(|folder| folder.join(name));
    places.into_iter().find(|place| place.is_file())
}

impl Site {
    /// Whether a proxy can be started here; else what is missing.
    pub(crate) fn can_start(&self, kind: Kind) -> Result<(), &'static str> {
        let missing = match kind {
            Kind::Nginx | Kind::NginxLarge if self.nginx.is_none() => "no nginx in PATH",
            Kind::Haproxy | Kind::HaproxyLarge if self.haproxy.is_none() => "no haproxy in PATH",
            Kind::Envoy if self.envoy.is_none() => "no envoy in PATH; see --envoy",
            Kind::Pingora if self.pingora.is_none() => "it is not built; see --pingora",
            _ => return Ok(()),
        };
        Err(missing)
    }

    /// What a program says of its version, in one line.
    pub(crate) fn version(&self, kind: Kind) -> Option<String> {
        let (program, flag) = match kind {
            Kind::Nginx | Kind::NginxLarge => (self.nginx.as_ref()?, "-v"),
            Kind::Haproxy | Kind::HaproxyLarge => (self.haproxy.as_ref()?, "-v"),
            Kind::Envoy => (self.envoy.as_ref()?, "--version"),
            _ if kind.is_ours() => (&self.ringway, "--version"),
            _ => return None,
        };
        let output = Command::new(program).arg(flag).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().find(|line| !line.trim().is_empty())?;
        // Envoy names its own path first.
        Some(line.trim().rsplit("  version: ").next()?.to_owned())
    }

    /// A port that is free now.
    fn port() -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok(listener.local_addr()?)
    }

    /// A new folder for one proxy.
    fn own_folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = tempfile::Builder::new()
            .prefix(name)
            .tempdir_in(&self.folder)?;
        Ok(folder.keep())
    }

    fn processors(&self, shards: usize) -> Vec<usize> {
        if shards > 1 {
            return vec![self.proxy_processor, self.load_processor];
        }
        vec![self.proxy_processor]
    }

    /// Starts the function server.
    pub(crate) fn function_server(&self, functions: usize) -> anyhow::Result<(SocketAddr, Child)> {
        let address = Self::port()?;
        let mut command = Command::new(&self.program);
        command.args(["serve", "--listen", &address.to_string()]);
        command.args(["--functions", &functions.to_string()]);
        let own = [self.load_processor];
        let log = self.folder.join(format!("functions-{functions}.log"));
        let mut child = Child::start(command, &own, &own, &log)?;
        wait("the function server", address, "/readyz", &mut child, &log)?;
        Ok((address, child))
    }

    /// Starts a Ringway of any form.
    pub(crate) fn ringway(
        &self,
        name: &str,
        form: RingwayForm,
        functions: SocketAddr,
    ) -> anyhow::Result<Peer> {
        let folder = self.own_folder(name)?;
        let (address, metrics) = (Self::port()?, Self::port()?);
        let command = form.command(&self.ringway, &folder, address, metrics, functions);
        let log = folder.join("log");
        let processors = self.processors(form.shards);
        let mut child = Child::start(command, &processors, &[self.load_processor], &log)?;
        wait(name, address, "/readyz", &mut child, &log)?;
        if form.built_in {
            deploy(&address, &self.program, self.load_processor)?;
        }
        wait(name, address, READY_PATH, &mut child, &log)?;
        Ok(Peer {
            name: name.to_owned(),
            address,
            root: Some(child.pid()),
            metrics: Some(metrics),
            _child: Some(child),
        })
    }
}

/// Starts a proxy and waits until a request passes through it.
pub(crate) fn start(site: &Site, kind: Kind) -> anyhow::Result<Peer> {
    let [one, thousand] = site.functions;
    let name = kind.name();
    if kind == Kind::Direct {
        return Ok(Peer {
            name: name.to_owned(),
            address: one,
            root: None,
            metrics: None,
            _child: None,
        });
    }
    if kind.is_ours() {
        let functions = match kind {
            Kind::RingwayThousand => thousand,
            _ => one,
        };
        return site.ringway(name, RingwayForm::of(kind), functions);
    }
    let folder = site.own_folder(name)?;
    let address = Site::port()?;
    let command = command(site, kind, &folder, address, one)?;
    let log = folder.join("log");
    let own = [site.load_processor];
    let mut child = Child::start(command, &[site.proxy_processor], &own, &log)?;
    wait(name, address, READY_PATH, &mut child, &log)?;
    Ok(Peer {
        name: name.to_owned(),
        address,
        root: Some(child.pid()),
        metrics: None,
        _child: Some(child),
    })
}

fn command(
    site: &Site,
    kind: Kind,
    folder: &Path,
    listen: SocketAddr,
    upstream: SocketAddr,
) -> anyhow::Result<Command> {
    let file = folder.join("config.yaml");
    let of = |path: &Option<PathBuf>| path.clone().context("it is not on this machine");
    let large = Some(config::LARGE_BYTES);
    let (program, text) = match kind {
        Kind::Nginx => (
            of(&site.nginx)?,
            config::nginx(folder, listen, upstream, None),
        ),
        Kind::NginxLarge => (
            of(&site.nginx)?,
            config::nginx(folder, listen, upstream, large),
        ),
        Kind::Haproxy => (of(&site.haproxy)?, config::haproxy(listen, upstream, None)),
        Kind::HaproxyLarge => (of(&site.haproxy)?, config::haproxy(listen, upstream, large)),
        Kind::Envoy => (of(&site.envoy)?, config::envoy(listen, upstream)),
        Kind::Pingora => (of(&site.pingora)?, String::new()),
        _ => (site.program.clone(), String::new()),
    };
    std::fs::write(&file, text)?;
    let mut command = Command::new(program);
    match kind {
        Kind::Nginx | Kind::NginxLarge => {
            command.arg("-p").arg(folder).arg("-c").arg(&file);
            command.arg("-e").arg(folder.join("error.log"));
        }
        Kind::Haproxy | Kind::HaproxyLarge => {
            command.arg("-f").arg(&file);
        }
        Kind::Envoy => {
            command.arg("-c").arg(&file);
            command.args(["--concurrency", "1", "--disable-hot-restart", "-l", "error"]);
        }
        Kind::Pingora => {
            command.arg(listen.to_string()).arg(upstream.to_string());
        }
        _ => {
            command
                .arg(kind.name())
                .args(["--listen", &listen.to_string()]);
            command.args(["--upstream", &upstream.to_string()]);
        }
    }
    Ok(command)
}

/// Waits until a path is answered with 200.
fn wait(
    name: &str,
    address: SocketAddr,
    path: &str,
    child: &mut Child,
    log: &Path,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        let Err(error) = get_text(&address, path) else {
            return Ok(());
        };
        if child.has_ended() || Instant::now() > deadline {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            bail!("{name} does not serve {path}: {error:#}\n{said}");
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// A request that passes through to the function.
const READY_PATH: &str = "/function/f0/tiny";
const READY_WITHIN: Duration = Duration::from_secs(20);
