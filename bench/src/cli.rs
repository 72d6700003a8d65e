//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::{Args, Parser, Subcommand};
use rustix::process::Pid;

use crate::peer::{self, Kind, Peer, Site};
use crate::report::{self, Conditions};
use crate::run::{self, Entrant, Field, Plan, Results};
use crate::target;
use crate::wire::Place;
use crate::workload::{FUNCTIONS, Workload};
use crate::{bare, proc, serve};

/// Ringway and other proxies under the same load on the same machine: processor time per request,
/// latency, memory, system calls. Proxies run on one core, load and function on another.
#[derive(Parser)]
#[command(
    name = "ringway-bench",
    version,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    run: RunArguments,
}

/// The programs that a run starts; hidden, for nobody else needs them.
#[derive(Subcommand)]
enum Part {
    /// The function server, for a proxy that this program did not start.
    Serve(ServeArguments),
    #[command(hide = true)]
    Relay(ProxyArguments),
    #[command(hide = true)]
    Hyper(ProxyArguments),
    #[command(hide = true, name = "monoio-http")]
    MonoioHttp(ProxyArguments),
}

#[derive(Args)]
struct ServeArguments {
    /// Where it listens, <ADDRESS>:<PORT> or unix:<PATH>
    #[arg(long, required_unless_present = "at_ringway_socket")]
    listen: Option<Place>,
    /// Listens at the Unix socket that Ringway's built-in provider names
    #[arg(long, conflicts_with = "listen")]
    at_ringway_socket: bool,
    /// As a provider it lists so many functions
    #[arg(long, default_value_t = 1)]
    functions: usize,
    /// Runs on this processor
    #[arg(long)]
    processor: Option<usize>,
}

#[derive(Args)]
struct ProxyArguments {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    upstream: SocketAddr,
}

#[derive(Args)]
struct RunArguments {
    /// Rounds; each measures every proxy once under every workload
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    rounds: u16,
    /// Length of a slice in milliseconds
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(50..=10_000))]
    slice: u16,
    /// Workloads, such as W1,W2 [default: all]
    #[arg(long, value_delimiter = ',', value_name = "WORKLOAD,…")]
    only: Vec<Workload>,
    /// Proxies, such as ringway,relay,nginx [default: all that are found]
    #[arg(long, value_delimiter = ',', value_name = "PROXY,…")]
    peers: Vec<Kind>,
    /// Another proxy that runs already and passes /function/f0/… to `ringway-bench serve`; its
    /// process tree is pinned, and stopped while others are measured
    #[arg(long = "peer", value_name = "NAME=URL@PID")]
    foreign: Vec<Foreign>,
    /// Leaves out start times, system calls and allocations
    #[arg(long)]
    no_extras: bool,
    /// Idle connections of W7
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(50..=100_000))]
    idle_connections: u32,
    /// Seconds they idle before memory is read
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=3_600))]
    idle_seconds: u16,
    /// Streams of W13
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    streams: u16,
    /// Processor of the proxies
    #[arg(long, default_value_t = 0)]
    proxy_core: usize,
    /// Processor of the load generator and the function server
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// The gateway's binary [default: ringway beside this program]
    #[arg(long)]
    ringway: Option<PathBuf>,
    /// The Pingora proxy of bench/pingora [default: ringway-bench-pingora beside this program]
    #[arg(long)]
    pingora: Option<PathBuf>,
    /// Envoy's binary [default: envoy in PATH]
    #[arg(long)]
    envoy: Option<PathBuf>,
    /// Stands for the machine in the name of the run's folder [default: the processor's model]
    #[arg(long, value_parser = label)]
    label: Option<String>,
    /// Runs are written to a new folder here
    #[arg(long, default_value = "bench/runs")]
    out: PathBuf,
    /// Writes no files
    #[arg(long)]
    no_files: bool,
    /// Ends with 1 when an aim that was measured is missed
    #[arg(long)]
    strict: bool,
    /// Says which proxies are found, and ends
    #[arg(long)]
    list: bool,
}

/// A label becomes a part of a folder's name.
fn label(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if text.is_empty() || !text.chars().all(plain) {
        return Err("it is not of letters, digits, - and _".to_owned());
    }
    Ok(text.to_owned())
}

/// A proxy that a user started.
#[derive(Clone)]
struct Foreign {
    name: String,
    address: SocketAddr,
    pid: Pid,
}

impl std::str::FromStr for Foreign {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(name, rest)| {
            let (url, pid) = rest.rsplit_once('@')?;
            Some((name, url, pid))
        });
        let (name, url, pid) = parts.ok_or("it is not name=url@pid")?;
        label(name).map_err(|rule| format!("the name {name:?}: {rule}"))?;
        let address = url.strip_prefix("http://").unwrap_or(url);
        let address = address.trim_end_matches('/').parse();
        let address = address.map_err(|_| format!("{url} is not http://<address>:<port>"))?;
        let pid: i32 = pid.parse().map_err(|_| format!("{pid} is no process id"))?;
        let alive = std::path::Path::new(&format!("/proc/{pid}/task")).exists();
        let pid = Pid::from_raw(pid).filter(|_| alive && pid > 1);
        Ok(Self {
            name: name.to_owned(),
            address,
            pid: pid.ok_or("there is no process with that id")?,
        })
    }
}

/// Does what the command line says.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    match cli.part {
        Some(Part::Serve(arguments)) => serve_function(&arguments)?,
        Some(Part::Relay(proxy)) => bare::relay::run(proxy.listen, proxy.upstream)?,
        Some(Part::Hyper(proxy)) => bare::hyper::run(proxy.listen, proxy.upstream)?,
        Some(Part::MonoioHttp(proxy)) => bare::monoio_http::run(proxy.listen, proxy.upstream)?,
        None => return measure(&cli.run),
    }
    Ok(ExitCode::SUCCESS)
}

fn serve_function(arguments: &ServeArguments) -> anyhow::Result<()> {
    if let Some(processor) = arguments.processor {
        proc::pin_self(&[processor])?;
    }
    let place = match &arguments.listen {
        Some(place) => place.clone(),
        None => {
            let socket = std::env::var_os("RINGWAY_SOCKET");
            Place::Unix(socket.context("RINGWAY_SOCKET is not set")?.into())
        }
    };
    serve::run(&place, arguments.functions)
}

fn measure(arguments: &RunArguments) -> anyhow::Result<ExitCode> {
    ensure!(
        arguments.proxy_core != arguments.load_core,
        "--proxy-core and --load-core are the same: the proxies need a core of their own"
    );
    let cores = [arguments.proxy_core, arguments.load_core];
    proc::pin_self(&cores)
        .and_then(|()| proc::pin_self(&[arguments.load_core]))
        .with_context(|| format!("cores {cores:?} are not both this program's to use"))?;
    let folder = tempfile::tempdir()?;
    end_with_children(folder.path().to_owned())?;
    let mut site = site(arguments, folder.path().to_owned())?;
    let (one, _server) = site.function_server(1)?;
    let (thousand, _servers) = site.function_server(FUNCTIONS)?;
    site.functions = [one, thousand];
    let mut absent = Vec::new();
    let entrants = entrants(arguments, &site, &mut absent)?;
    if arguments.list {
        entrants.iter().for_each(|e| println!("{}", e.peer.name));
        absent
            .iter()
            .for_each(|(name, why)| println!("not {name}: {why}"));
        return Ok(ExitCode::SUCCESS);
    }
    let mut conditions = Conditions::here(arguments.label.clone());
    let plan = plan(arguments);
    conditions.add("command", command());
    conditions.add(
        "rounds",
        format!("{} of slices of {} ms", plan.rounds, arguments.slice),
    );
    let field = Field { site, entrants };
    let mut results = run::run(&field, &plan)?;
    results.absent = absent;
    versions(&field, &mut results);
    for table in report::tables(&results) {
        print!("{}", table.text());
    }
    if !arguments.no_files {
        let folder = report::write(&arguments.out, &conditions, &results)?;
        println!("\nwritten to {}", folder.display());
    }
    let missed = target::verdicts(&results)
        .iter()
        .any(|v| v.is_met() == Some(false));
    Ok(ExitCode::from(u8::from(arguments.strict && missed)))
}

fn plan(arguments: &RunArguments) -> Plan {
    Plan {
        rounds: usize::from(arguments.rounds),
        slice_nanos: u64::from(arguments.slice) * 1_000_000,
        workloads: match arguments.only.as_slice() {
            [] => Workload::ALL.to_vec(),
            only => only.to_vec(),
        },
        extras: !arguments.no_extras,
        idle_connections: arguments.idle_connections as usize,
        idle_wait: Duration::from_secs(u64::from(arguments.idle_seconds)),
        streams: usize::from(arguments.streams),
    }
}

/// What was asked for, without paths of this machine.
fn command() -> String {
    let words = std::env::args().skip(1);
    let words = words.map(|word| match word.contains('/') {
        true => "…".to_owned(),
        false => word,
    });
    let words: Vec<String> = std::iter::once("ringway-bench".to_owned())
        .chain(words)
        .collect();
    format!("`{}`", words.join(" "))
}

fn site(arguments: &RunArguments, folder: PathBuf) -> anyhow::Result<Site> {
    let program = std::env::current_exe()?;
    let beside = |name: &str| program.with_file_name(name);
    let given = |path: &Option<PathBuf>, flag: &str| match path {
        Some(path) if !path.is_file() => bail!("{flag}: {} is no file", path.display()),
        path => Ok(path.clone()),
    };
    let ringway = given(&arguments.ringway, "--ringway")?;
    let ringway = ringway.unwrap_or_else(|| beside("ringway"));
    ensure!(
        ringway.is_file(),
        "there is no {}: build it with `scripts/build.sh`, or \
         name one with --ringway",
        ringway.display()
    );
    let pingora = given(&arguments.pingora, "--pingora")?;
    let pingora = pingora.or_else(|| Some(beside("ringway-bench-pingora")).filter(|p| p.is_file()));
    let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
    Ok(Site {
        folder,
        ringway,
        pingora,
        envoy: given(&arguments.envoy, "--envoy")?.or_else(|| peer::find("envoy")),
        nginx: peer::find("nginx"),
        haproxy: peer::find("haproxy"),
        functions: [unknown; 2],
        proxy_processor: arguments.proxy_core,
        load_processor: arguments.load_core,
        program,
    })
}

/// Starts whatever takes part.
fn entrants(
    arguments: &RunArguments,
    site: &Site,
    absent: &mut Vec<(String, String)>,
) -> anyhow::Result<Vec<Entrant>> {
    let asked = !arguments.peers.is_empty();
    let mut entrants = Vec::new();
    for kind in Kind::ALL {
        if asked && !arguments.peers.contains(&kind) {
            continue;
        }
        if let Err(why) = site.can_start(kind) {
            ensure!(!asked, "{} cannot take part: {why}", kind.name());
            absent.push((kind.name().to_owned(), why.to_owned()));
            continue;
        }
        let peer = peer::start(site, kind)?;
        proc::stop(&peer.pids());
        entrants.push(Entrant {
            kind: Some(kind),
            peer,
        });
    }
    for foreign in &arguments.foreign {
        let tree = proc::tree(foreign.pid);
        proc::pin(&tree, &[arguments.proxy_core]);
        entrants.push(Entrant {
            kind: None,
            peer: Peer {
                name: foreign.name.clone(),
                address: foreign.address,
                root: Some(foreign.pid),
                metrics: None,
                _child: None,
            },
        });
    }
    Ok(entrants)
}

fn versions(field: &Field, results: &mut Results) {
    for entrant in &field.entrants {
        if let Some(kind) = entrant.kind {
            let version = field.site.version(kind);
            let about = match version {
                Some(version) => format!("{version}; {}", kind.about()),
                None => kind.about().to_owned(),
            };
            results.versions.insert(kind.name().to_owned(), about);
        }
    }
}

/// When this process is told to end, what it started ends with it: stopped processes would stay.
fn end_with_children(folder: PathBuf) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut interrupt), Ok(mut terminate)) = (
                signal(SignalKind::interrupt()),
                signal(SignalKind::terminate()),
            ) else {
                return;
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            peer::end_all();
            let _ = std::fs::remove_dir_all(&folder);
            std::process::exit(130);
        });
    });
    Ok(())
}
