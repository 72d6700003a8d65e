//! The ways to misbehave, one per path.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Duration;

use ringway_tests::proof::pattern;

use crate::request::Request;
use crate::{Stream, cuts, flap, proof};

/// Serves one connection.
pub(crate) fn serve(mut stream: Box<dyn Stream>) {
    let mut buffered = Vec::new();
    while let Some(mut request) = Request::read(&mut *stream, std::mem::take(&mut buffered)) {
        match answer(&mut *stream, &mut request) {
            Ok(true) if !flap::is_on() => buffered = request.buffered,
            _ => return,
        }
    }
}

/// Answers one request; `Ok(false)` ends the connection.
fn answer(stream: &mut dyn Stream, request: &mut Request) -> std::io::Result<bool> {
    let path = request.path.clone();
    note(request)?;
    match path.as_str() {
        "/echo" => echo(stream, request),
        "/proof" => proof::serve(stream, request),
        "/raw" => raw(stream, request),
        "/range" => range(stream, request),
        "/flap" => {
            flap::begin(request.word("way"));
            simple(stream, b"flapping")
        }
        "/drip" => drip(stream, request),
        "/hang" => {
            std::thread::sleep(Duration::from_secs(600));
            Ok(false)
        }
        "/slow" => {
            read_all(stream, request)?;
            std::thread::sleep(Duration::from_millis(request.number("ms", 100)));
            simple(stream, b"slow")
        }
        "/bulk" => {
            let size = usize::try_from(request.number("size", 1_000_000)).unwrap_or(0);
            simple(stream, &vec![b'x'; size])
        }
        "/refuse-body" => {
            // Answers at once and never reads.
            stream.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno\n")?;
            std::thread::sleep(Duration::from_millis(request.number("ms", 50)));
            Ok(false)
        }
        "/until-close" | "/end" | "/reset" | "/cut-length" | "/cut-chunked" | "/surplus" => {
            cut(stream, &path)
        }
        "/flood" => {
            for _ in 0..request.number("n", 100) {
                stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")?;
            }
            simple(stream, b"after the flood")
        }
        "/hints" => {
            stream.write_all(
                b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
            )?;
            simple(stream, b"hinted")
        }
        "/trailers" => {
            stream.write_all(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
                  4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n",
            )?;
            Ok(true)
        }
        "/head-length" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n")?;
            Ok(true)
        }
        "/continue" => continued(stream, request),
        "/silent-continue" => {
            // Never says 100, reads what comes.
            read_all(stream, request)?;
            simple(stream, b"read without a word")
        }
        "/websocket" => websocket(stream, request),
        _ => by_prefix(stream, request, &path),
    }
}

/// Writes the `id` of a call that has one to the file `$VICE_CALLS`, a line each: what reached
/// the function, and how often.
fn note(request: &Request) -> std::io::Result<()> {
    let (Some(id), Some(path)) = (request.word("id"), std::env::var_os("VICE_CALLS")) else {
        return Ok(());
    };
    // One write to a file opened for appending: lines do not mix.
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{id}\n").as_bytes())
}

/// Replies that end too early, too late, or not as they said.
fn cut(stream: &mut dyn Stream, path: &str) -> std::io::Result<bool> {
    match path {
        "/until-close" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nuntil ")?;
            std::thread::sleep(Duration::from_millis(30));
            stream.write_all(b"close")?;
            Ok(false)
        }
        "/reset" => {
            stream.reset();
            Ok(false)
        }
        "/cut-length" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")?;
            Ok(false)
        }
        "/cut-chunked" => {
            stream.write_all(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            )?;
            std::thread::sleep(Duration::from_millis(20));
            Ok(false)
        }
        "/surplus" => {
            stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\
                  HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen",
            )?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn by_prefix(stream: &mut dyn Stream, request: &mut Request, path: &str) -> std::io::Result<bool> {
    if let Some(cut) = cuts::asked(path) {
        return cuts::serve(stream, request, cut);
    }
    if let Some(status) = path.strip_prefix("/status/") {
        read_all(stream, request)?;
        let body = if matches!(status, "204" | "304") {
            ""
        } else {
            "Content-Length: 0\r\n"
        };
        write!(
            stream,
            "HTTP/1.1 {status} Whatever\r\n{body}X-Path: {path}\r\n\r\n"
        )?;
        return Ok(true);
    }
    if let Some(bad) = path.strip_prefix("/bad/") {
        stream.write_all(bad_reply(bad))?;
        std::thread::sleep(Duration::from_millis(20));
        return Ok(false);
    }
    if let Some(bytes) = path
        .strip_prefix("/bytes/")
        .and_then(|n| n.parse::<usize>().ok())
    {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n")?;
        let block = vec![b'x'; 64 * 1024];
        let mut left = bytes;
        while left > 0 {
            let n = left.min(block.len());
            stream.write_all(&block[..n])?;
            left -= n;
        }
        return Ok(true);
    }
    read_all(stream, request)?;
    let id = std::env::var("VICE_ID").unwrap_or_else(|_| "vice".into());
    simple(
        stream,
        format!("{id} {} {}", request.method, request.path).as_bytes(),
    )
}

/// Replies that no careful gateway passes on.
fn bad_reply(which: &str) -> &'static [u8] {
    match which {
        "garbage" => b"hello, I am not HTTP\r\n\r\n",
        "two-lengths" => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        "length-sign" => b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab",
        "fold" => b"HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\nContent-Length: 0\r\n\r\n",
        "bare-lf" => b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "status" => b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
        "switch" => {
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
        }
        "chunk-size" => {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n"
        }
        "te-http10" => b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        _ => b"",
    }
}

fn read_all(stream: &mut dyn Stream, request: &mut Request) -> std::io::Result<u64> {
    let mut bytes = 0;
    request.body(stream, |data| {
        bytes += data.len() as u64;
        Ok(())
    })?;
    Ok(bytes)
}

fn simple(stream: &mut dyn Stream, body: &[u8]) -> std::io::Result<bool> {
    let mut reply = Vec::new();
    write!(
        reply,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )?;
    reply.extend_from_slice(body);
    stream.write_all(&reply)?;
    Ok(true)
}

/// Answers with the request's head and body as they arrived.
fn raw(stream: &mut dyn Stream, request: &mut Request) -> std::io::Result<bool> {
    let mut seen = request.head.clone();
    request.body(stream, |data| {
        seen.extend_from_slice(data);
        Ok(())
    })?;
    for (name, value) in &request.headers {
        if name == "trailer-seen" {
            write!(seen, "trailer {value}\r\n")?;
        }
    }
    simple(stream, &seen)
}

/// A file of `size` bytes, of which `Range: bytes=a-b` asks for a part.
fn range(stream: &mut dyn Stream, request: &mut Request) -> std::io::Result<bool> {
    read_all(stream, request)?;
    let size = usize::try_from(request.number("size", 1_000_000)).unwrap_or(0);
    let file = pattern(1, size);
    let asked = request.header("range").and_then(|range| {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    });
    let fields = "Accept-Ranges: bytes\r\nETag: \"one\"\r\nContent-Type: text/plain\r\n";
    let (first, last): (usize, usize) = match asked {
        None => (0, size - 1),
        Some((first, last)) if first <= last && last < size => (first, last),
        Some(_) => {
            write!(
                stream,
                "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{size}\r\n\
                 {fields}Content-Length: 0\r\n\r\n"
            )?;
            return Ok(true);
        }
    };
    let part = &file[first..=last];
    let (status, content_range) = match asked {
        None => ("200 OK", String::new()),
        Some(_) => (
            "206 Partial Content",
            format!("Content-Range: bytes {first}-{last}/{size}\r\n"),
        ),
    };
    let length = part.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{content_range}{fields}Content-Length: {length}\r\n\r\n"
    )?;
    if request.method != "HEAD" {
        stream.write_all(part)?;
    }
    Ok(true)
}

/// Answers while it reads: every piece goes back at once.
fn echo(stream: &mut dyn Stream, request: &mut Request) -> std::io::Result<bool> {
    let mut out = stream.twin();
    match request.header("content-length").map(str::to_owned) {
        Some(n) => {
            write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {n}\r\n\r\n")?;
            request.body(stream, |data| out.write_all(data))?;
        }
        None => {
            write!(out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            request.body(stream, |data| {
                let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
                chunk.extend_from_slice(data);
                chunk.extend_from_slice(b"\r\n");
                out.write_all(&chunk)
            })?;
            out.write_all(b"0\r\n\r\n")?;
        }
    }
    Ok(true)
}

/// `n` lines, `ms` apart, each with the time it was written.
fn drip(stream: &mut dyn Stream, request: &Request) -> std::io::Result<bool> {
    stream.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
    )?;
    for i in 0..request.number("n", 5) {
        if i > 0 {
            std::thread::sleep(Duration::from_millis(request.number("ms", 100)));
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let line = format!("data: {i} {}\n\n", now.map_or(0, |d| d.as_micros()));
        write!(stream, "{:x}\r\n{line}\r\n", line.len())?;
    }
    stream.write_all(b"0\r\n\r\n")?;
    Ok(true)
}

fn continued(stream: &mut dyn Stream, request: &mut Request) -> std::io::Result<bool> {
    if request.header("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let bytes = read_all(stream, request)?;
    simple(stream, format!("read {bytes}").as_bytes())
}

fn websocket(stream: &mut dyn Stream, request: &Request) -> std::io::Result<bool> {
    use tungstenite::handshake::derive_accept_key;
    use tungstenite::protocol::{Role, WebSocket};
    let key = request.header("sec-websocket-key").unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    // The first frame goes out with the head: bytes right behind it must arrive too.
    let mut reply = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes();
    reply.extend_from_slice(b"\x81\x05first");
    stream.write_all(&reply)?;
    let mut socket =
        WebSocket::from_partially_read(stream.twin(), request.buffered.clone(), Role::Server, None);
    while let Ok(message) = socket.read() {
        if message.is_close() {
            let _ = socket.flush();
            break;
        }
        if message.is_text() || message.is_binary() {
            socket.send(message).map_err(std::io::Error::other)?;
        }
    }
    Ok(false)
}
