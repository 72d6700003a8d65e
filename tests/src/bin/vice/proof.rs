//! A function that checks what it got and answers so that its caller can. The call says who it is
//! (`X-Proof-Id`), and how many bytes it sends and what their sum is; the query says how long the
//! reply is (`size`), in how many chunks (`pieces`, 0 for a length), how far apart (`ms`), and what
//! goes wrong (`fault`). The id of each POST goes to the Unix datagram socket `$VICE_TALLY`.

use std::os::unix::net::UnixDatagram;
use std::sync::OnceLock;
use std::time::Duration;

use ringway_tests::proof::{Sum, answer};

use crate::Stream;
use crate::request::Request;

/// Answers one call; `Ok(false)` ends the connection.
pub(crate) fn serve(stream: &mut dyn Stream, request: &mut Request) -> std::io::Result<bool> {
    let said = |request: &Request, name| request.header(name)?.parse::<u64>().ok();
    let Some(id) = said(request, "x-proof-id") else {
        return refuse(stream, "a call without X-Proof-Id");
    };
    if request.method == "POST" {
        tell(id)?;
    }
    let fault = request.word("fault").unwrap_or_default().to_owned();
    match fault.as_str() {
        "reset" => {
            stream.reset();
            return Ok(false);
        }
        "exit" => std::process::exit(3),
        _ => {}
    }
    let (mut sum, mut length) = (Sum::default(), 0);
    request.body(stream, |piece| {
        sum.add(piece);
        length += piece.len() as u64;
        match fault.as_str() {
            "amid-request" => Err(std::io::ErrorKind::ConnectionAborted.into()),
            _ => Ok(()),
        }
    })?;
    let told = (
        said(request, "x-proof-length"),
        said(request, "x-proof-sum"),
    );
    if told != (Some(length), Some(sum.value())) {
        let got = (length, sum.value());
        return refuse(stream, &format!("call {id} told {told:?}, got {got:?}"));
    }
    let bytes = answer(id, usize::try_from(request.number("size", 0)).unwrap_or(0));
    let whole = reply(stream, request, id, &bytes, fault == "amid-reply")?;
    // A connection that ends behind its reply, without a word.
    Ok(whole && fault != "after-reply")
}

/// Writes the reply, or half of it; whether all of it.
fn reply(
    stream: &mut dyn Stream,
    request: &Request,
    id: u64,
    bytes: &[u8],
    half: bool,
) -> std::io::Result<bool> {
    let pieces = usize::try_from(request.number("pieces", 0)).unwrap_or(0);
    let framing = match pieces {
        0 => format!("Content-Length: {}", bytes.len()),
        _ => "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked".to_owned(),
    };
    let sum = Sum::of(bytes);
    let head =
        format!("HTTP/1.1 200 OK\r\nX-Proof-Id: {id}\r\nX-Proof-Sum: {sum}\r\n{framing}\r\n\r\n");
    let shown = if half {
        &bytes[..bytes.len() / 2]
    } else {
        bytes
    };
    let mut out = head.into_bytes();
    if pieces == 0 {
        out.extend_from_slice(shown);
        stream.write_all(&out)?;
        return Ok(!half);
    }
    stream.write_all(&out)?;
    let pause = Duration::from_millis(request.number("ms", 0));
    for piece in shown.chunks(bytes.len().div_ceil(pieces).max(1)) {
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        stream.write_all(&chunk)?;
        std::thread::sleep(pause);
    }
    if !half {
        stream.write_all(b"0\r\n\r\n")?;
    }
    Ok(!half)
}

fn refuse(stream: &mut dyn Stream, why: &str) -> std::io::Result<bool> {
    let length = why.len();
    write!(
        stream,
        "HTTP/1.1 400 Bad Request\r\nContent-Length: {length}\r\n\r\n{why}"
    )?;
    Ok(false)
}

/// Waits while the receiver has too many to read.
fn tell(id: u64) -> std::io::Result<()> {
    static SOCKET: OnceLock<Option<UnixDatagram>> = OnceLock::new();
    let open = || {
        let path = std::env::var_os("VICE_TALLY")?;
        let socket = UnixDatagram::unbound().ok()?;
        socket.connect(path).ok()?;
        Some(socket)
    };
    match SOCKET.get_or_init(open) {
        Some(socket) => socket.send(&id.to_le_bytes()).map(drop),
        None => Ok(()),
    }
}
