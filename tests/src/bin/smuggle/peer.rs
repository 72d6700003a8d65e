//! nginx and HAProxy, each in a folder of its own, ended by their ids.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ringway_tests::{eventually, free_port, request};
use tempfile::TempDir;

/// Which proxy, and how it is set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    Haproxy,
    /// HAProxy told to accept what it thinks invalid.
    LaxHaproxy,
}

/// A running proxy; ended when dropped.
pub(crate) struct Peer {
    /// Where it listens for each upstream.
    pub(crate) addresses: Vec<SocketAddr>,
    child: Child,
    _folder: TempDir,
}

impl Peer {
    /// Starts one in front of each of `upstreams`, and waits until requests pass through it. One
    /// process for all: two of HAProxy 2.6 may differ in what they refuse (`X : y` in trailers).
    pub(crate) fn start(kind: Kind, upstreams: &[SocketAddr]) -> Self {
        let address = |_: &SocketAddr| SocketAddr::from(([127, 0, 0, 1], free_port()));
        let addresses: Vec<SocketAddr> = upstreams.iter().map(address).collect();
        let ways: Vec<_> = addresses
            .iter()
            .copied()
            .zip(upstreams.iter().copied())
            .collect();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("config");
        let (name, config) = match kind {
            Kind::Nginx => ("nginx", nginx(folder.path(), &ways)),
            _ => ("haproxy", haproxy(&ways, kind == Kind::LaxHaproxy)),
        };
        std::fs::write(&file, config).expect("a file in the folder");
        let mut command = Command::new(program(name));
        if kind == Kind::Nginx {
            command.arg("-p").arg(folder.path()).arg("-c").arg(&file);
            command.arg("-e").arg(folder.path().join("error.log"));
        } else {
            command.arg("-f").arg(&file);
        }
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let child = command.spawn().unwrap_or_else(|e| panic!("{name}: {e}"));
        let peer = Self {
            addresses,
            child,
            _folder: folder,
        };
        for address in &peer.addresses {
            eventually(&format!("{name} to serve"), Duration::from_secs(10), || {
                let target = "/function/x/q0/ready";
                let reply = request(*address, "GET", target, &[], b"").ok()?;
                (reply.status == 200).then_some(())
            });
        }
        peer
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // A killed nginx would leave its worker.
        ringway_tests::terminate(self.child.id());
        let _ = self.child.wait();
    }
}

/// A program in the folders of `PATH`, or where Debian puts servers.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(name));
    let found = places.find(|place| place.is_file());
    found.unwrap_or_else(|| Path::new("/usr/sbin").join(name))
}

/// As little refused, buffered and repaired as it can be told to.
fn nginx(folder: &Path, ways: &[(SocketAddr, SocketAddr)]) -> String {
    let folder = folder.display();
    let mut config = format!(
        "daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_max_body_size 0;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  ignore_invalid_headers off;
  underscores_in_headers on;
  merge_slashes off;
  proxy_http_version 1.1;
  proxy_set_header Connection \"\";
  proxy_buffering off;
  proxy_request_buffering off;
  proxy_next_upstream off;
"
    );
    for (number, (listen, upstream)) in ways.iter().enumerate() {
        config.push_str(&format!(
            "  upstream function{number} {{ server {upstream} max_fails=0; keepalive 64; }}
  server {{
    listen {listen} backlog=1024;
    location / {{ proxy_pass http://function{number}; }}
  }}
"
        ));
    }
    config + "}\n"
}

fn haproxy(ways: &[(SocketAddr, SocketAddr)], lax: bool) -> String {
    let (request, reply) = match lax {
        true => (
            "option accept-invalid-http-request",
            "option accept-invalid-http-response",
        ),
        false => ("", ""),
    };
    let mut config = "global
  nbthread 1
  maxconn 4000
defaults
  mode http
  no log
  option http-no-delay
  http-reuse always
  retries 0
  timeout connect 5s
  timeout client 10s
  timeout server 10s
"
    .to_owned();
    for (number, (listen, upstream)) in ways.iter().enumerate() {
        config.push_str(&format!(
            "frontend front{number}
  {request}
  bind {listen} backlog 1024
  default_backend function{number}
backend function{number}
  {reply}
  server function {upstream} pool-max-conn 64
"
        ));
    }
    config
}
