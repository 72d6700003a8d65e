//! Large bodies: through buffers, through pipes, and from one to the other.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use ringway_proxy::limits::Limits;
use ringway_proxy::{Change, Config, DriverChoice};

use crate::{Plane, body, config, each_config, function, ok, spec};

/// `bytes` characters that show where each belongs.
fn content(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 8);
    while text.len() < bytes {
        text += &format!("{:x};", text.len());
    }
    text.truncate(bytes);
    text
}

/// A body in chunks of [`CHUNKS`], without a head.
fn in_chunks(mut content: &str) -> String {
    let mut body = String::new();
    for size in CHUNKS.iter().cycle() {
        if content.is_empty() {
            break;
        }
        let (chunk, rest) = content.split_at(content.len().min(*size));
        body += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
        content = rest;
    }
    body + "0\r\n\r\n"
}

/// The content of a body in chunks.
fn from_chunks(mut body: &str) -> String {
    let mut content = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return content;
        }
        content += &rest[..size];
        body = rest[size..].strip_prefix("\r\n").unwrap();
    }
}

/// For a pipe, for a buffer, and from each to the other.
const CHUNKS: [usize; 8] = [70_000, 70_000, 1, 40_000, 3_000, 500, 20_000, 200_000];

/// A function that answers a GET of `/<bytes>` and of `/chunked/<bytes>` with so much content.
fn giver() -> SocketAddr {
    function(|head| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let bytes = path.rsplit('/').next().and_then(|n| n.parse().ok());
        let content = content(bytes.unwrap_or(0));
        if path.contains("chunked") {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            return head.to_owned() + &in_chunks(&content);
        }
        ok(&content)
    })
}

/// A function that answers with the body it was sent, as that came over the wire; one request on
/// each connection.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut request, mut into) = (Vec::new(), vec![0; 100_000]);
            let ended = |request: &[u8]| {
                let text = String::from_utf8_lossy(request);
                let Some((head, body)) = text.split_once("\r\n\r\n") else {
                    return false;
                };
                let fields = head.to_lowercase();
                match fields.split("content-length: ").nth(1) {
                    Some(rest) => rest.lines().next() == Some(&body.len().to_string()),
                    None => body.ends_with("0\r\n\r\n"),
                }
            };
            while !ended(&request) {
                match stream.read(&mut into) {
                    Ok(n) if n > 0 => request.extend_from_slice(&into[..n]),
                    _ => break,
                }
            }
            let reply = ok(body(&String::from_utf8_lossy(&request)));
            let reply = reply.replacen("\r\n", "\r\nConnection: close\r\n", 1);
            let _ = stream.write_all(reply.as_bytes());
        }
    });
    address
}

/// A function that reads the head of one request on each connection, and ends it behind its answer.
fn once(answer: impl Fn(&mut TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4_096];
            let _ = stream.read(&mut head);
            answer(&mut stream);
        }
    });
    address
}

/// Runs `test` with each driver, with so many pipes.
fn with_pipes(pipes_max: usize, test: impl Fn(&Plane)) {
    let of = |driver: DriverChoice| Config {
        limits: Limits {
            pipes_max,
            ..Limits::default()
        },
        ..config(driver)
    };
    each_config(of, test);
}

/// Around the least that goes through a pipe, a buffer and a pipe full, and much more.
const SIZES: [usize; 8] = [1, 32_767, 36_864, 65_536, 70_000, 262_144, 300_001, 3 << 20];

#[test]
fn replies_of_any_size_come_unchanged() {
    let giver = giver();
    for pipes in [0, 1, 512] {
        with_pipes(pipes, |plane| {
            plane.publisher.publish([Change::Put(spec("f", &[giver]))]);
            for bytes in SIZES {
                let reply = plane.call(&format!("GET /function/f/{bytes}"), "");
                assert!(body(&reply) == content(bytes), "{bytes} bytes");
                let reply = plane.call(&format!("GET /function/f/chunked/{bytes}"), "");
                assert!(
                    from_chunks(body(&reply)) == content(bytes),
                    "{bytes} in chunks"
                );
            }
        });
    }
}

#[test]
fn requests_of_any_size_come_unchanged() {
    let echo = echo();
    for pipes in [0, 512] {
        with_pipes(pipes, |plane| {
            plane.publisher.publish([Change::Put(spec("f", &[echo]))]);
            for bytes in SIZES {
                let sent = content(bytes);
                let field = format!("Content-Length: {bytes}\r\n");
                let mut stream = plane.begin("POST /function/f", &field);
                stream.write_all(sent.as_bytes()).unwrap();
                assert!(rest(&mut stream).1 == sent, "{bytes} bytes");
                let sent = in_chunks(&sent);
                let mut stream = plane.begin("POST /function/f", "Transfer-Encoding: chunked\r\n");
                stream.write_all(sent.as_bytes()).unwrap();
                assert!(rest(&mut stream).1 == sent, "{bytes} in chunks");
            }
        });
    }
}

/// What still comes: head and body.
fn rest(stream: &mut TcpStream) -> (String, String) {
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    (
        reply
            .split("\r\n\r\n")
            .next()
            .unwrap_or_default()
            .to_owned(),
        body(&reply).to_owned(),
    )
}

/// More than both sockets hold.
const MUCH: usize = 16 << 20;

#[test]
fn more_bodies_than_pipes_wait_for_their_readers() {
    let giver = giver();
    for pipes in [1, 2] {
        with_pipes(pipes, |plane| {
            plane.publisher.publish([Change::Put(spec("f", &[giver]))]);
            let line = format!("GET /function/f/{MUCH}");
            // Each is stuck behind a reader that does not read; those behind come by buffers.
            let mut readers: Vec<_> = (0..3).map(|_| plane.begin(&line, "")).collect();
            std::thread::park_timeout(std::time::Duration::from_millis(300));
            let reply = plane.call("GET /function/f/300000", "");
            assert!(body(&reply) == content(300_000), "beside {pipes}");
            for reader in &mut readers {
                assert!(rest(reader).1 == content(MUCH), "with {pipes} pipes");
            }
        });
    }
}

#[test]
fn a_reply_that_is_cut_is_cut_for_the_client_too() {
    const SENT: usize = 400_000;
    let ending = once(|stream| {
        let whole = ok(&content(1_000_000));
        stream.write_all(&whole.as_bytes()[..SENT]).unwrap();
    });
    with_pipes(512, |plane| {
        plane.publisher.publish([Change::Put(spec("f", &[ending]))]);
        let mut stream = plane.begin("GET /function/f", "");
        let (head, body) = rest(&mut stream);
        assert!(
            head.to_lowercase().contains("content-length: 1000000"),
            "{head}"
        );
        assert!(content(1_000_000).starts_with(&body) && body.len() > 300_000);
        let shard = plane.gateway.metrics().shards.remove(0);
        assert_eq!((shard.upstream_aborts, shard.inflight), (1, 0));
    });
}

#[test]
fn a_client_that_leaves_in_an_upload_is_noticed() {
    let echo = echo();
    with_pipes(512, |plane| {
        plane.publisher.publish([Change::Put(spec("f", &[echo]))]);
        let mut stream = plane.begin("POST /function/f", "Content-Length: 1000000\r\n");
        stream.write_all(&[b'x'; 500_000]).unwrap();
        drop(stream);
        crate::eventually("the end of it", || {
            let shard = plane.gateway.metrics().shards.remove(0);
            shard.inflight == 0 && shard.requests == 1
        });
    });
}

/// Writes `content` with a byte of urgent data in its middle, which is no part of it.
fn write_with_urgent_byte(stream: &mut TcpStream, content: &str) {
    let (first, second) = content.split_at(content.len() / 2);
    stream.write_all(first.as_bytes()).unwrap();
    std::thread::park_timeout(std::time::Duration::from_millis(50));
    socket2::SockRef::from(&*stream)
        .send_out_of_band(b"!")
        .unwrap();
    stream.write_all(second.as_bytes()).unwrap();
}

#[test]
fn urgent_data_is_passed_over() {
    const BYTES: usize = 600_000;
    let echo = echo();
    let urgent = once(|stream| write_with_urgent_byte(stream, &ok(&content(BYTES))));
    for pipes in [0, 512] {
        with_pipes(pipes, |plane| {
            let rows = [spec("up", &[echo]), spec("down", &[urgent])];
            plane.publisher.publish(rows.map(Change::Put));
            let field = format!("Content-Length: {BYTES}\r\n");
            let mut stream = plane.begin("POST /function/up", &field);
            write_with_urgent_byte(&mut stream, &content(BYTES));
            assert!(rest(&mut stream).1 == content(BYTES), "up, {pipes} pipes");
            let mut stream = plane.begin("GET /function/down", "");
            assert!(rest(&mut stream).1 == content(BYTES), "down, {pipes} pipes");
        });
    }
}

#[test]
fn a_stall_behind_urgent_data_is_a_stall() {
    let echo = echo();
    let of = |driver: DriverChoice| Config {
        read_timeout: Some(std::time::Duration::from_millis(300)),
        ..config(driver)
    };
    each_config(of, |plane| {
        plane.publisher.publish([Change::Put(spec("f", &[echo]))]);
        let mut stream = plane.begin("POST /function/f", "Content-Length: 900000\r\n");
        write_with_urgent_byte(&mut stream, &content(400_000));
        let (head, _) = rest(&mut stream);
        assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    });
}
