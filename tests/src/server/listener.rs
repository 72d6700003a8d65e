//! The scripted server's public face: its port, its record, its end and its return.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::connection::Connection;
use super::{App, Seen};
use crate::port::free_port;

/// A running server; ends when dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
    /// Taken when dropped: a runtime must not wait for its tasks there.
    runtime: Option<Runtime>,
}

/// What every connection knows.
pub(super) struct Shared {
    pub(super) app: Arc<dyn App>,
    /// Changed when held requests should ask again.
    pub(super) woken: watch::Sender<()>,
    seen: Mutex<Vec<Seen>>,
    idle_timeout: Mutex<Option<Duration>>,
    accepted: AtomicUsize,
}

impl Shared {
    pub(super) fn record(&self, request: &Seen) {
        lock(&self.seen).push(request.clone());
    }

    pub(super) fn idle_timeout(&self) -> Option<Duration> {
        *lock(&self.idle_timeout)
    }
}

impl Server {
    /// Starts on a free port of 127.0.0.1.
    #[must_use]
    pub fn start(app: Arc<dyn App>) -> Self {
        let port = || SocketAddr::from(([127, 0, 0, 1], free_port()));
        // Somebody else may take a port between the look and the use.
        let tries = (0..PORTS_TRIED).find_map(|_| Self::try_listen(port(), Arc::clone(&app)).ok());
        tries.expect("a free port")
    }

    /// Starts on this address.
    ///
    /// # Panics
    /// When the address is in use.
    #[must_use]
    pub fn listen(address: SocketAddr, app: Arc<dyn App>) -> Self {
        Self::try_listen(address, app).expect("a free address")
    }

    fn try_listen(address: SocketAddr, app: Arc<dyn App>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("scripted")
            .enable_all()
            .build()
            .expect("a runtime");
        let shared = Arc::new(Shared {
            app,
            woken: watch::Sender::new(()),
            seen: Mutex::new(Vec::new()),
            idle_timeout: Mutex::new(None),
            accepted: AtomicUsize::new(0),
        });
        let server = Self {
            address,
            shared,
            accepting: Mutex::new(None),
            runtime: Some(runtime),
        };
        server.accept()?;
        Ok(server)
    }

    /// Where it listens, also while it is closed.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// How many requests so far satisfy `look`.
    #[must_use]
    pub fn count(&self, look: impl Fn(&Seen) -> bool) -> usize {
        lock(&self.shared.seen).iter().filter(|s| look(s)).count()
    }

    /// Empties the record.
    pub fn forget(&self) {
        lock(&self.shared.seen).clear();
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Makes held requests ask again.
    pub fn wake(&self) {
        self.shared.woken.send_replace(());
    }

    /// Closes connections that wait this long for a request; `None` waits for ever.
    pub fn set_idle_timeout(&self, idle: Option<Duration>) {
        *lock(&self.shared.idle_timeout) = idle;
    }

    /// Closes the port and every connection: connects are refused from now on.
    pub fn close(&self) {
        let Some(accepting) = lock(&self.accepting).take() else {
            return;
        };
        accepting.abort();
        // Its listener is closed when it has ended.
        let _ = self.runtime().block_on(accepting);
    }

    /// Listens again on the same port.
    ///
    /// # Panics
    /// When somebody else took the port.
    pub fn open(&self) {
        if lock(&self.accepting).is_none() {
            self.accept().expect("the same port again");
        }
    }

    fn accept(&self) -> std::io::Result<()> {
        let _inside = self.runtime().enter();
        let socket = match self.address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        let listener = socket.listen(BACKLOG)?;
        let task = self
            .runtime()
            .spawn(accept(listener, Arc::clone(&self.shared)));
        *lock(&self.accepting) = Some(task);
        Ok(())
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("there until dropped")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Its end ends every connection.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                shared.accepted.fetch_add(1, Ordering::Relaxed);
                connections.spawn(Connection::new(stream, Arc::clone(&shared)).run());
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const PORTS_TRIED: usize = 10;
/// As many as connect at once in the largest test.
const BACKLOG: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{Act, Answer};
    use crate::{Client, eventually, request};

    struct ByPath;

    impl App for ByPath {
        fn act(&self, request: &Seen) -> Act {
            let echo = Answer::text(200, &request.head).body(request.body.clone());
            match request.path() {
                "/garbage" => Act::Bytes(b"\x00\xff not HTTP".to_vec()),
                "/close" => Act::Close,
                "/hold" => Act::Hold,
                "/later" => Act::Later(Duration::from_millis(20), Box::new(Act::Answer(echo))),
                "/tunnel" => Act::Tunnel(Answer::status(101)),
                _ => Act::Answer(echo),
            }
        }
    }

    fn server() -> Server {
        Server::start(Arc::new(ByPath))
    }

    #[test]
    fn requests_are_answered_in_order_and_recorded() {
        let server = server();
        let mut client = Client::connect(server.address()).unwrap();
        for body in ["", "one", "two"] {
            let reply = client.request("POST", "/a%2Fb?c", &[], body.as_bytes());
            assert_eq!(reply.unwrap().text(), body);
        }
        client
            .send(b"PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            .unwrap();
        assert_eq!(client.reply("PUT").unwrap().text(), "abc");
        let lines: Vec<String> = server.seen().iter().map(Seen::line).collect();
        assert_eq!(
            lines,
            ["POST /a%2Fb?c", "POST /a%2Fb?c", "POST /a%2Fb?c", "PUT /c"]
        );
        assert_eq!(
            (server.accepted(), server.count(|s| s.body == b"one")),
            (1, 1)
        );
    }

    #[test]
    fn every_vice_is_as_it_says() {
        let server = server();
        let get = |path| request(server.address(), "GET", path, &[], b"");
        assert!(get("/garbage").is_err());
        assert!(get("/close").is_err());
        assert_eq!(get("/later").unwrap().status, 200);
        let mut client = Client::connect(server.address()).unwrap();
        assert_eq!(
            client.request("GET", "/tunnel", &[], b"").unwrap().status,
            101
        );
        client.send(b"back").unwrap();
        assert_eq!(client.exactly(4).unwrap(), b"back");
        let mut held = Client::connect(server.address()).unwrap();
        held.send(b"GET /hold HTTP/1.1\r\n\r\n").unwrap();
        eventually("the held request", Duration::from_secs(5), || {
            (server.count(|s| s.path() == "/hold") == 1).then_some(())
        });
        assert!(!held.is_closed(Duration::from_millis(50)));
    }

    #[test]
    fn a_closed_port_refuses_and_opens_again() {
        let server = server();
        let mut kept = Client::connect(server.address()).unwrap();
        assert_eq!(kept.request("GET", "/", &[], b"").unwrap().status, 200);
        server.close();
        assert!(kept.is_closed(Duration::from_secs(5)));
        let refused = Client::connect(server.address()).err().unwrap();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        server.open();
        let reply = request(server.address(), "GET", "/", &[], b"").unwrap();
        assert_eq!(reply.status, 200);
    }

    #[test]
    fn idle_connections_are_closed_when_told() {
        let server = server();
        server.set_idle_timeout(Some(Duration::from_millis(10)));
        let mut client = Client::connect(server.address()).unwrap();
        assert!(client.is_closed(Duration::from_secs(5)));
    }
}
