//! One request, one process: start it, feed it, and end it whatever happens.

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Incoming};
use rustix::process::{Pid, Signal};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time;

use super::arguments::Arguments;
use super::environment;
use super::output::{Beginning, Delivered, Outcome, Output};
use crate::sys::{self, ChildRules};
use crate::unread::Watched;

/// What every request of this replica needs.
pub(super) struct Watchdog {
    pub(super) arguments: Arguments,
    /// The function's environment, without the request's part.
    pub(super) variables: Vec<(String, String)>,
    /// Soft limit of descriptors that processes start with.
    pub(super) descriptors: Option<u64>,
    /// One permit per process.
    pub(super) slots: Arc<Semaphore>,
}

/// A request's body on its way to the process.
pub(super) type RequestBody = Watched<Incoming>;

/// A reply: output as it comes, or a short text.
pub(super) type Reply = Response<Either<Output, Full<Bytes>>>;

impl Watchdog {
    /// Answers one request. Dropping the future, or the reply's body, kills the process.
    pub(super) async fn answer(&self, request: Request<RequestBody>) -> Reply {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            let mut reply = text(
                StatusCode::TOO_MANY_REQUESTS,
                "this replica is at max_inflight",
            );
            reply
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("1"));
            return reply;
        };
        let (head, body) = request.into_parts();
        let (child, output) = match self.start(&head, body, slot) {
            Ok(started) => started,
            Err(error) => {
                log(&format!("{}: {error}", self.program()));
                return text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the process cannot be started",
                );
            }
        };
        tokio::spawn(child);
        let outcome = if head.method == Method::HEAD {
            output.discard().await
        } else {
            match output.begin().await {
                Beginning::Bytes(output) => return self.streamed(output),
                Beginning::Nothing(outcome) => outcome,
            }
        };
        self.without_output(outcome)
    }

    fn program(&self) -> &str {
        self.arguments.words.first().map_or("", String::as_str)
    }

    fn streamed(&self, output: Output) -> Reply {
        self.typed(Response::new(Either::Left(output)))
    }

    fn typed(&self, mut reply: Reply) -> Reply {
        // The gateway has checked that it is a header value.
        if let Ok(value) = HeaderValue::from_str(&self.arguments.content_type) {
            reply.headers_mut().insert(CONTENT_TYPE, value);
        }
        reply
    }

    fn without_output(&self, outcome: Outcome) -> Reply {
        match outcome {
            Outcome::Success => self.typed(Response::new(Either::Right(Full::default()))),
            Outcome::Failure => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the process failed without output",
            ),
            Outcome::TimedOut => text(
                StatusCode::GATEWAY_TIMEOUT,
                "the process was killed at exec_timeout",
            ),
            Outcome::BodyFailed => text(
                StatusCode::REQUEST_TIMEOUT,
                "the request body did not arrive whole",
            ),
        }
    }

    /// Starts the process; the future keeps it until it has ended.
    fn start(
        &self,
        head: &http::request::Parts,
        body: RequestBody,
        slot: OwnedSemaphorePermit,
    ) -> io::Result<(impl Future<Output = ()> + Send + 'static, Output)> {
        let mut child = self.command(head, body.size_hint().exact()).spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let stdout = stdout.ok_or_else(|| io::Error::other("no standard output"))?;
        let pid = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pid = pid.ok_or_else(|| io::Error::other("no process"))?;
        let (outcome, wanted) = oneshot::channel();
        let delivered = Delivered::default();
        let keeper = Keeper {
            child,
            group: Group(pid),
            outcome,
            exec_timeout: self.arguments.exec_timeout,
            write_timeout: self.arguments.write_timeout,
            delivered: Arc::clone(&delivered),
            slot,
        };
        let input = feed(stdin, body, self.arguments.read_timeout);
        Ok((keeper.keep(input), Output::new(stdout, wanted, delivered)))
    }

    fn command(&self, head: &http::request::Parts, length: Option<u64>) -> Command {
        let mut command = std::process::Command::new(self.program());
        command
            .args(&self.arguments.words[1..])
            .env_clear()
            .envs(self.variables.iter().map(|(k, v)| (k, v)))
            .envs(environment::variables(head, length))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let rules = ChildRules {
            data_bytes: self.arguments.data_bytes,
            descriptors: self.descriptors,
            ..ChildRules::default()
        };
        sys::prepare(&mut command, rules);
        Command::from(command)
    }
}

/// A process group that is killed when it goes out of scope: nothing outlives its request.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = rustix::process::kill_process_group(self.0, Signal::KILL);
    }
}

/// Owns a process until it has ended.
struct Keeper {
    child: Child,
    group: Group,
    outcome: oneshot::Sender<Outcome>,
    exec_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    delivered: Delivered,
    /// Given back when the process is gone, not when the reply is.
    slot: OwnedSemaphorePermit,
}

impl Keeper {
    /// Waits for the end: of the process, of its time, of its input, or of the reader.
    async fn keep(mut self, input: impl Future<Output = Fed> + Send) {
        tokio::pin!(input);
        let limit = self.exec_timeout;
        let deadline = async {
            match limit {
                Some(limit) => time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(deadline);
        let stalled = stalled(self.write_timeout, &self.delivered);
        tokio::pin!(stalled);
        let mut feeding = true;
        let outcome = loop {
            tokio::select! {
                status = self.child.wait() => {
                    break match status {
                        Ok(status) if status.success() => Outcome::Success,
                        Ok(status) => {
                            log(&format!("the process of a request ended: {status}"));
                            Outcome::Failure
                        }
                        Err(_) => Outcome::Failure,
                    };
                }
                () = &mut deadline => {
                    log("exec_timeout: the process was killed");
                    break Outcome::TimedOut;
                }
                () = &mut stalled => {
                    log("write_timeout: nobody read the output, the process was killed");
                    break Outcome::Failure;
                }
                () = self.outcome.closed() => break Outcome::Failure,
                fed = &mut input, if feeding => match fed {
                    Fed::Whole => feeding = false,
                    Fed::Broken => break Outcome::BodyFailed,
                },
            }
        };
        drop(self.group);
        // Killed or ended, this returns at once.
        let _ = self.child.wait().await;
        drop(self.slot);
        let _ = self.outcome.send(outcome);
        if feeding {
            // Reads a short rest of the body over, so that the connection can be used again.
            let _ = time::timeout(UNREAD_WAIT, input).await;
        }
    }
}

/// Resolves once output has waited for a reader longer than `limit`.
async fn stalled(limit: Option<Duration>, delivered: &Delivered) {
    let Some(limit) = limit else {
        return std::future::pending().await;
    };
    loop {
        let since = *delivered.lock();
        let waited = since.map_or(Duration::ZERO, |since| since.elapsed());
        if waited >= limit {
            return;
        }
        time::sleep((limit - waited).max(STALL_LOOK)).await;
    }
}

/// What became of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fed {
    /// It was handed over, or the process did not want the rest.
    Whole,
    /// It did not arrive whole; the process must not take what came for all of it.
    Broken,
}

/// Pumps the body into the process's standard input.
async fn feed(stdin: Option<ChildStdin>, mut body: RequestBody, limit: Option<Duration>) -> Fed {
    let mut stdin = stdin;
    let mut unread: usize = 0;
    loop {
        let frame = match limit {
            None => body.frame().await,
            Some(limit) => match time::timeout(limit, body.frame()).await {
                Ok(frame) => frame,
                Err(_) => return Fed::Broken,
            },
        };
        let data = match frame {
            None => return Fed::Whole,
            Some(Err(_)) => return Fed::Broken,
            // Trailers have no place on standard input.
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        if let Some(pipe) = &mut stdin
            && pipe.write_all(&data).await.is_err()
        {
            stdin = None;
        }
        if stdin.is_none() {
            unread = unread.saturating_add(data.len());
            if unread > UNREAD_BYTES_MAX {
                return Fed::Whole;
            }
        }
    }
}

fn text(status: StatusCode, message: &str) -> Reply {
    let mut reply = Response::new(Either::Right(Full::from(format!("{message}\n"))));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    let internal = HeaderName::from_static("x-openfaas-internal");
    headers.insert(internal, HeaderValue::from_static("watchdog"));
    reply
}

/// Writes a line to the function's log, which is where standard error goes.
pub(super) fn log(message: &str) {
    use std::io::Write;
    // A log that cannot be written must not stop the function.
    let _ = writeln!(io::stderr(), "[watchdog] {message}");
}

/// Bytes of a body the process does not read that are read over.
const UNREAD_BYTES_MAX: usize = 256 * 1024;
/// How long the rest of such a body is waited for.
const UNREAD_WAIT: Duration = Duration::from_secs(1);
/// Between looks at a stalled reader.
const STALL_LOOK: Duration = Duration::from_millis(50);
