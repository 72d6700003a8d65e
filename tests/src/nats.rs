//! A real nats-server with JetStream, on a free loopback port with a store of its own.
//! `scripts/install.sh` puts it where this looks for it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::port::free_port;
use crate::wait::eventually;

/// A server; killed when dropped.
pub struct Nats {
    child: Option<Child>,
    /// Where clients connect.
    pub address: SocketAddr,
    store: TempDir,
    arguments: Vec<String>,
}

impl Nats {
    /// Starts one.
    #[must_use]
    pub fn start() -> Self {
        let mut nats = Self::absent(&[]);
        nats.launch();
        nats
    }

    /// One that does not run yet, with more arguments of its command line.
    #[must_use]
    pub fn absent(arguments: &[&str]) -> Self {
        Self {
            child: None,
            address: ([127, 0, 0, 1], free_port()).into(),
            store: tempfile::tempdir().expect("a temporary folder"),
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
        }
    }

    /// Starts it, with what its store has.
    pub fn launch(&mut self) {
        let server = server();
        let child = Command::new(&server)
            .args(["--jetstream", "--addr", "127.0.0.1"])
            .args(["--port", &self.address.port().to_string()])
            .arg("--store_dir")
            .arg(self.store.path())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .arg("--log")
            .arg(self.log_path())
            .stderr(Stdio::null())
            .spawn();
        let child = child.unwrap_or_else(|error| {
            panic!(
                "{}: {error}; scripts/install.sh installs it",
                server.display()
            )
        });
        self.child = Some(child);
        let what = format!("nats-server at {}", self.address);
        eventually(&what, Duration::from_secs(20), || {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok()?);
            assert!(
                ended.is_none(),
                "nats-server ended; its log:\n{}",
                self.log()
            );
            TcpStream::connect(self.address).ok().map(|_| ())
        });
    }

    fn log_path(&self) -> PathBuf {
        self.store.path().join("log")
    }

    /// Its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Kills it as `kill -9` does, and waits.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Kills it and starts it again on the same port and store.
    pub fn restart(&mut self) {
        self.kill();
        self.launch();
    }

    /// Empties the store of one that does not run.
    pub fn forget(&self) {
        let _ = std::fs::remove_dir_all(self.store.path().join("jetstream"));
    }

    /// The address as the gateway's settings have it.
    #[must_use]
    pub fn settings(&self) -> Vec<(String, String)> {
        vec![
            ("faas_nats_address".into(), self.address.ip().to_string()),
            ("faas_nats_port".into(), self.address.port().to_string()),
        ]
    }

    /// Publishes a message as any client may.
    pub fn publish(&self, subject: &str, body: &[u8]) {
        let mut stream = TcpStream::connect(self.address).expect("a connection to nats-server");
        let hello = "CONNECT {\"verbose\":false}\r\n";
        let head = format!("{hello}PUB {subject} {}\r\n", body.len());
        let message = [head.as_bytes(), body, b"\r\nPING\r\n"].concat();
        stream.write_all(&message).expect("a message is sent");
        let lines = BufReader::new(stream).lines();
        let done = lines.map_while(Result::ok).any(|line| line == "PONG");
        assert!(done, "nats-server did not answer");
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The binary that `scripts/install.sh` installs.
fn server() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target"));
    target.unwrap_or_else(default).join("nats/bin/nats-server")
}
