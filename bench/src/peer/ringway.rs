//! Ringway as it is measured: the real binary with everything on that production has (metrics,
//! call ids, limits, timers), one shard.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use super::kind::Kind;
use crate::load::get_text;

/// What differs between the forms of Ringway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingwayForm {
    pub(crate) driver: &'static str,
    pub(crate) shards: usize,
    /// Functions run by the built-in provider, not behind `upstream`.
    pub(crate) built_in: bool,
}

impl RingwayForm {
    pub(crate) fn of(kind: Kind) -> Self {
        Self {
            driver: match kind {
                Kind::RingwayEpoll => "epoll",
                _ => "io_uring",
            },
            shards: 1,
            built_in: kind == Kind::RingwayUnix,
        }
    }

    /// The command that starts it.
    pub(crate) fn command(
        self,
        program: &Path,
        folder: &Path,
        listen: SocketAddr,
        metrics: SocketAddr,
        upstream: SocketAddr,
    ) -> Command {
        let mut command = Command::new(program);
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("RINGWAY_LISTEN", listen.to_string());
        command.env("RINGWAY_METRICS_LISTEN", metrics.to_string());
        command.env("RINGWAY_DATA", folder.join("data"));
        command.env("RINGWAY_SHARDS", self.shards.to_string());
        command.env("RINGWAY_DRIVER", self.driver);
        // Connections that are measured idle must stay.
        command.env("RINGWAY_IDLE_TIMEOUT", "1h");
        command.env("RINGWAY_LOG", "warn");
        if !self.built_in {
            command.env("functions_provider_url", format!("http://{upstream}/"));
        }
        command
    }
}

/// Deploys the function server as a function on a Unix socket.
pub(crate) fn deploy(address: &SocketAddr, program: &Path, processor: usize) -> anyhow::Result<()> {
    let program = program
        .to_str()
        .context("this program's path is not UTF-8")?;
    if program.contains(['"', '\\', '\'', ' ']) {
        bail!("{program}: a path that a deployment cannot name plainly");
    }
    let body = format!(
        "{{\"service\":\"f0\",\"image\":\"none\",\
         \"envProcess\":\"{program} serve --at-ringway-socket --processor {processor}\",\
         \"envVars\":{{\"mode\":\"http\",\"upstream_url\":\"unix:function\"}}}}"
    );
    let request = format!(
        "POST /system/functions HTTP/1.1\r\nHost: bench.local\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let socket = crate::wire::connect(address)?;
    crate::wire::send(&socket, request.as_bytes()).context("deploying the function")?;
    let mut buffer = [0; 4_096];
    loop {
        match crate::wire::receive(&socket, &mut buffer) {
            crate::wire::Got::Bytes(n) => {
                let text = String::from_utf8_lossy(&buffer[..n]);
                let status = text.split(' ').nth(1).unwrap_or_default();
                if status.starts_with('2') {
                    return Ok(());
                }
                bail!("the deployment is answered with {text}");
            }
            crate::wire::Got::Nothing => std::thread::sleep(std::time::Duration::from_millis(1)),
            crate::wire::Got::End => bail!("the deployment is not answered"),
        }
    }
}

/// A family of the metrics page by shard, in order.
pub(crate) fn by_shard(metrics: &SocketAddr, family: &str) -> anyhow::Result<Vec<u64>> {
    let page = get_text(metrics, "/metrics")?;
    let mark = format!("{family}{{shard=\"");
    let lines = page.lines().filter(|line| line.starts_with(&mark));
    Ok(lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .map(|value| value as u64)
        .collect())
}
