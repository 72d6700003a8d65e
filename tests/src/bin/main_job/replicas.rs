//! Real runtimes with three replicas: wrk, a replica killed, a rolling update.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringway_tests::{Client, Deployment, Gateway};

use crate::{kill, must, processes};

/// `http.server` of the standard library, HTTP/1.1, backlog 1024. A POST is logged when it is
/// received, and then takes 300 ms.
const PYTHON: &str = r#"
import os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True
log = os.open(os.environ["CALL_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT) if "CALL_LOG" in os.environ else None
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    def log_message(self, *args): pass
    def answer(self):
        body = b"python %d\n" % os.getpid()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
    do_GET = answer
    def do_POST(self):
        if log is not None: os.write(log, (self.headers["X-Call-Id"] + "\n").encode())
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(0.3)
        self.answer()
Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

const NODE: &str = r#"
const http = require("http");
http.createServer((request, reply) => {
  request.resume();
  request.on("end", () => reply.end("node " + process.pid + "\n"));
}).listen({ port: +process.env.PORT, host: "127.0.0.1", backlog: 1024 });
"#;

/// A function from a script of its own, three replicas ready.
fn three(
    name: &str,
    program: &str,
    text: &str,
    calls: Option<&PathBuf>,
) -> Result<(Gateway, tempfile::TempDir), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let script = folder.path().join(format!("{name}-script"));
    std::fs::write(&script, text).map_err(|e| e.to_string())?;
    let gateway = Gateway::start();
    let command = format!("{program} {}", script.display());
    let mut deployment = Deployment::http(name, &command).replicas(3);
    if let Some(calls) = calls {
        deployment = deployment.env("CALL_LOG", &calls.display().to_string());
    }
    gateway.deploy_ready(&deployment, 3);
    Ok((gateway, folder))
}

pub(crate) fn python() -> Result<String, String> {
    let (gateway, _folder) = three("py", "python3", PYTHON, None)?;
    hundred_thousand(&gateway, "py")
}

pub(crate) fn node() -> Result<String, String> {
    let (gateway, _folder) = three("js", "node", NODE, None)?;
    hundred_thousand(&gateway, "js")
}

/// wrk has no count of requests, so it runs in slices until there are 100,000.
fn hundred_thousand(gateway: &Gateway, name: &str) -> Result<String, String> {
    let (mut requests, mut seconds) = (0, 0);
    while requests < 100_000 {
        must(seconds < 300, || {
            format!("only {requests} requests in {seconds} s")
        })?;
        let run = wrk(gateway, name, 10)?;
        seconds += 10;
        requests += run.requests;
        must(run.errors.is_empty(), || run.errors.join("; "))?;
    }
    Ok(format!(
        "{requests} requests by wrk -c 64, 0 non-2xx, 0 socket errors"
    ))
}

struct Run {
    requests: u64,
    errors: Vec<String>,
}

fn wrk(gateway: &Gateway, name: &str, seconds: u32) -> Result<Run, String> {
    let url = format!("http://{}/function/{name}", gateway.address);
    let run = Command::new("wrk")
        .args([
            "-t",
            "1",
            "-c",
            "64",
            "-d",
            &format!("{seconds}s"),
            "--timeout",
            "20s",
            &url,
        ])
        .stderr(Stdio::inherit())
        .output();
    let out = run.map_err(|e| format!("wrk: {e}"))?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let requests = text
        .lines()
        .find_map(|l| l.trim().split_once(" requests in ")?.0.parse().ok());
    let bad = |l: &&str| l.contains("Non-2xx") || l.contains("Socket errors");
    let errors = text
        .lines()
        .filter(bad)
        .map(|l| l.trim().to_owned())
        .collect();
    Ok(Run {
        requests: requests.ok_or_else(|| format!("wrk said: {text}"))?,
        errors,
    })
}

/// The replicas themselves, not what started them.
fn replicas(script: &str, program: &str) -> Vec<u32> {
    let is_it = |pid: &u32| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.trim().starts_with(program)
    };
    processes(script).into_iter().filter(is_it).collect()
}

pub(crate) fn kill_under_get() -> Result<String, String> {
    let (gateway, _folder) = three("js", "node", NODE, None)?;
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(3));
        let victims = replicas("js-script", "node");
        if let Some(pid) = victims.first() {
            kill(*pid);
        }
        victims.len()
    });
    let run = wrk(&gateway, "js", 8)?;
    let victims = killer
        .join()
        .map_err(|_| "the killer panicked".to_owned())?;
    must(victims == 3, || format!("{victims} replicas were found"))?;
    must(run.errors.is_empty(), || run.errors.join("; "))?;
    gateway.await_replicas("js", 3);
    let retries = retries(&gateway);
    Ok(format!(
        "{} requests, 0 errors, 3 replicas again; retries {retries}",
        run.requests
    ))
}

fn retries(gateway: &Gateway) -> String {
    let text = gateway.metrics_text();
    let lines = text
        .lines()
        .filter(|l| l.starts_with("ringway_retries_total{") && !l.ends_with(" 0"));
    let lines: Vec<&str> = lines
        .map(|l| l.trim_start_matches("ringway_retries_total"))
        .collect();
    lines.join(" ")
}

pub(crate) fn kill_under_post() -> Result<String, String> {
    let calls = tempfile::NamedTempFile::new().map_err(|e| e.to_string())?;
    let (gateway, _folder) = three("py", "python3", PYTHON, Some(&calls.path().to_path_buf()))?;
    let stop = Arc::new(AtomicBool::new(false));
    let address = gateway.address;
    let callers: Vec<_> = (0..32)
        .map(|caller| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                let (mut sent, mut failed) = (0, Vec::new());
                let mut client = Client::connect(address).ok();
                while !stop.load(Ordering::Relaxed) {
                    sent += 1;
                    let id = format!("post-{caller}-{sent}");
                    let reply = client
                        .as_mut()
                        .ok_or_else(|| "no connection".to_owned())
                        .and_then(|c| {
                            c.request("POST", "/function/py", &[("X-Call-Id", &id)], b"x")
                                .map_err(|e| e.to_string())
                        });
                    match reply {
                        Ok(reply) if reply.status == 200 => {}
                        Ok(reply) => failed.push((id, reply.status.to_string())),
                        Err(e) => {
                            failed.push((id, e));
                            client = Client::connect(address).ok();
                        }
                    }
                }
                (sent, failed)
            })
        })
        .collect();
    std::thread::sleep(Duration::from_secs(2));
    let victims = replicas("py-script", "python");
    must(victims.len() == 3, || {
        format!("{victims:?} replicas were found")
    })?;
    kill(victims[0]);
    std::thread::sleep(Duration::from_secs(3));
    stop.store(true, Ordering::Relaxed);
    let (mut sent, mut failed) = (0, Vec::new());
    for caller in callers {
        let (s, f) = caller.join().map_err(|_| "a caller panicked".to_owned())?;
        sent += s;
        failed.extend(f);
    }
    let log = std::fs::read_to_string(calls.path()).unwrap_or_default();
    let received: std::collections::HashSet<&str> = log.lines().collect();
    for (id, how) in &failed {
        must(how == "502", || format!("{id} failed with {how}"))?;
    }
    must(log.lines().count() == received.len(), || {
        "a POST was delivered twice".into()
    })?;
    gateway.await_replicas("py", 3);
    let n = failed.len();
    // The others lay unread with the killed replica, which no sign tells from those it had read.
    let read = failed
        .iter()
        .filter(|(id, _)| received.contains(id.as_str()));
    let read = read.count();
    Ok(format!(
        "{sent} POSTs, {n} x 502, {read} of them in the functions' logs, none twice; retries {}",
        retries(&gateway)
    ))
}

pub(crate) fn rolling_update() -> Result<String, String> {
    let (gateway, folder) = three("js", "node", NODE, None)?;
    let script = folder.path().join("second-script");
    std::fs::write(&script, NODE.replace("node ", "second ")).map_err(|e| e.to_string())?;
    let body = Deployment::http("js", &format!("node {}", script.display()))
        .replicas(3)
        .json();
    let (address, put) = (gateway.address, body);
    let updater = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(2));
        ringway_tests::request(address, "PUT", "/system/functions", &[], put.as_bytes())
            .map(|r| r.status)
    });
    let run = wrk(&gateway, "js", 10)?;
    let status = updater
        .join()
        .map_err(|_| "the updater panicked".to_owned())?;
    must(matches!(status, Ok(200 | 202)), || {
        format!("PUT: {status:?}")
    })?;
    let after = gateway.call("GET", "/function/js", b"").text();
    must(after.starts_with("second"), || {
        format!("still the old version: {after}")
    })?;
    must(run.errors.is_empty(), || run.errors.join("; "))?;
    Ok(format!(
        "{} requests during the update, 0 failed",
        run.requests
    ))
}
