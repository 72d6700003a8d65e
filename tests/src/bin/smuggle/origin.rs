//! The server behind all: reads strictly, remembers each request, answers with what it saw, and
//! lists the one function to whoever takes it for a provider.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringway_tests::free_port;

use crate::reading::{self, Next, Request};
use crate::replies::Reply;

/// A request as it came, named by the last part of its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) word: String,
    pub(crate) method: String,
    pub(crate) body: Vec<u8>,
}

/// What came for one input.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sights {
    /// In order.
    pub(crate) whole: Vec<Sight>,
    /// The words of those that ended before their end.
    pub(crate) cut: Vec<String>,
}

/// A running origin; it ends with the program.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    replies: Vec<Reply>,
    sights: Mutex<HashMap<String, Sights>>,
    unreadable: Mutex<Vec<String>>,
}

impl Origin {
    pub(crate) fn start(replies: Vec<Reply>) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let listener = TcpListener::bind(address).expect("a free port");
        let shared = Arc::new(Shared {
            replies,
            sights: Mutex::default(),
            unreadable: Mutex::default(),
        });
        let all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&all);
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { address, shared }
    }

    /// What came with this id.
    pub(crate) fn sights(&self, id: &str) -> Sights {
        lock(&self.shared.sights)
            .get(id)
            .cloned()
            .unwrap_or_default()
    }

    /// What came that is no request, with this id somewhere in it.
    pub(crate) fn unreadable(&self, id: &str) -> Option<String> {
        let all = lock(&self.shared.unreadable);
        all.iter().find(|bytes| bytes.contains(id)).cloned()
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut buffered = Vec::new();
        let mut told = false;
        loop {
            match reading::next(&buffered) {
                Next::Whole(request, used) => {
                    buffered.drain(..used);
                    told = false;
                    if !self.answer(&mut stream, &request) {
                        return;
                    }
                    continue;
                }
                Next::Part(Some(request)) if request.expects && !told => {
                    told = true;
                    let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
                }
                Next::Part(_) => {}
                Next::Refused => {
                    let text = buffered.escape_ascii().to_string();
                    lock(&self.unreadable).push(text);
                    return refuse(&mut stream);
                }
            }
            let mut piece = [0; 16 * 1024];
            match stream.read(&mut piece) {
                Ok(count) if count > 0 => buffered.extend_from_slice(&piece[..count]),
                _ => return self.cut(&buffered),
            }
        }
    }

    fn cut(&self, buffered: &[u8]) {
        let first = buffered.split(|byte| *byte == b'\r').next();
        let first = String::from_utf8_lossy(first.unwrap_or_default()).into_owned();
        if let Some((id, word)) = parts(&first) {
            lock(&self.sights).entry(id).or_default().cut.push(word);
        }
    }

    /// Whether the connection goes on.
    fn answer(&self, stream: &mut TcpStream, request: &Request) -> bool {
        let Some((id, word)) = parts(&request.target) else {
            let body = LIST;
            let length = body.len();
            let head = format!("Content-Type: application/json\r\nContent-Length: {length}");
            let reply = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}");
            return stream.write_all(reply.as_bytes()).is_ok();
        };
        let sight = Sight {
            word: word.clone(),
            method: request.method.clone(),
            body: request.body.clone(),
        };
        let seen = format!("{id}/{word}");
        lock(&self.sights).entry(id).or_default().whole.push(sight);
        let number = word
            .strip_prefix("evil-")
            .and_then(|n| n.parse::<usize>().ok());
        if let Some(reply) = number.and_then(|n| self.replies.get(n)) {
            let bytes = reply.bytes.replace("@SEEN@", &seen);
            return stream.write_all(bytes.as_bytes()).is_ok() && !reply.closes;
        }
        let (method, length) = (&request.method, seen.len());
        let body = if method == "HEAD" { "" } else { &seen };
        let reply = format!(
            "HTTP/1.1 200 OK\r\nX-Seen: {seen}\r\nX-Method: {method}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(reply.as_bytes()).is_ok()
    }
}

/// Says so, and reads what still comes, so that the answer arrives.
fn refuse(stream: &mut TcpStream) {
    let reply = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let _ = stream.write_all(reply);
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
    while stream.read(&mut [0; 1024]).is_ok_and(|count| count > 0) {}
}

/// Id and word of a target, which is `…/x/<id>/<word>`.
pub(crate) fn parts(target: &str) -> Option<(String, String)> {
    let (_, rest) = target.split_once("/x/q")?;
    let (id, word) = rest.split_once('/')?;
    let end = word.find([' ', '?', '/']).unwrap_or(word.len());
    Some((format!("q{id}"), word[..end].to_owned()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a provider says of its functions.
const LIST: &str = r#"[{"name":"x","image":"i","namespace":"openfaas-fn","invocationCount":0,"replicas":1,"availableReplicas":1,"labels":{},"annotations":{}}]"#;
