//! Clients and functions that would take what others need: time, memory, connections.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringway_proxy::{Change, Config, DriverChoice, Reject};

use super::{Plane, body, config, each_config, each_driver, eventually, function, line, ok, spec};

pub(super) fn shard(plane: &Plane) -> ringway_proxy::metrics::ShardSnapshot {
    plane.gateway.metrics().shards.remove(0)
}

fn connect(plane: &Plane) -> TcpStream {
    let stream = TcpStream::connect(plane.gateway.local_addr()).unwrap();
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).unwrap();
    stream
}

/// Sends `bytes` again and again, and reads what comes, until it is told to stop.
fn flood(plane: &Plane, bytes: Vec<u8>) -> impl FnOnce() {
    let stop = Arc::new(AtomicBool::new(false));
    let mut writer = connect(plane);
    let mut reader = writer.try_clone().unwrap();
    let reading = std::thread::spawn(move || {
        let mut into = vec![0; 1 << 20];
        while matches!(reader.read(&mut into), Ok(n) if n > 0) {}
    });
    let stopped = Arc::clone(&stop);
    let writing = std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) && writer.write_all(&bytes).is_ok() {}
        let _ = writer.shutdown(std::net::Shutdown::Both);
    });
    move || {
        stop.store(true, Ordering::Relaxed);
        writing.join().unwrap();
        reading.join().unwrap();
    }
}

#[test]
fn a_client_that_never_stops_asking_does_not_keep_others_waiting() {
    each_driver(|plane| {
        let echo = function(|head| ok(line(head)));
        plane.publisher.publish([Change::Put(spec("f", &[echo]))]);
        let requests = b"GET /function/none HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1_000);
        let end = flood(plane, requests);
        eventually("a flood", || shard(plane).requests > 5_000);
        for _ in 0..5 {
            let reply = plane.call("GET /function/f", "");
            assert_eq!(body(&reply), "GET / HTTP/1.1");
        }
        end();
    });
}

#[test]
fn any_number_of_pipelined_requests_is_answered() {
    each_driver(|plane| {
        let request = b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n";
        let (rounds, in_each) = (40, 1_000);
        let mut writer = connect(plane);
        let mut reader = writer.try_clone().unwrap();
        let reading = std::thread::spawn(move || {
            let mut replies = String::new();
            reader.read_to_string(&mut replies).unwrap();
            replies
        });
        for _ in 0..rounds {
            writer.write_all(&request.repeat(in_each)).unwrap();
        }
        writer.shutdown(std::net::Shutdown::Write).unwrap();
        let replies = reading.join().unwrap();
        let statuses = replies.lines().filter(|l| l.starts_with("HTTP/1.1 "));
        let refused = statuses.clone().find(|l| *l != "HTTP/1.1 200 OK");
        assert_eq!(refused, None);
        assert_eq!(statuses.count(), rounds * in_each);
    });
}

/// The least memory there is, most of it taken by heads that are not finished.
fn short_of_memory(test: impl Fn(&Plane)) {
    let configs = |driver| Config {
        memory: 1,
        ..config(driver)
    };
    each_config(configs, |plane| {
        let head = format!("GET /function/f HTTP/1.1\r\nHost: a\r\n{}", fields(40_000));
        let held: Vec<_> = (0..32)
            .map(|_| {
                let mut stream = connect(plane);
                stream.write_all(head.as_bytes()).unwrap();
                stream
            })
            .collect();
        let most = ringway_proxy::limits::BUFFER_BYTES_MIN;
        eventually("memory that is short", || {
            shard(plane).buffer_bytes > most / 5 * 4
        });
        test(plane);
        drop(held);
    });
}

/// Field lines of about so many bytes.
fn fields(bytes: usize) -> String {
    format!("X-Filler: {}\r\n", "f".repeat(988)).repeat(bytes / 1_000)
}

#[test]
fn a_large_head_is_503_while_memory_is_short() {
    short_of_memory(|plane| {
        let before = shard(plane).rejected(Reject::Memory);
        let reply = plane.call("GET /function/f", &fields(24_000));
        assert_eq!(line(&reply), "HTTP/1.1 503 Service Unavailable");
        assert!(reply.contains("\r\nRetry-After: 1\r\n"), "{reply}");
        assert!(shard(plane).rejected(Reject::Memory) > before);
    });
}

#[test]
fn a_large_reply_head_is_503_while_memory_is_short_and_the_function_is_not_to_blame() {
    let large = function(|_| {
        format!(
            "HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n",
            fields(21_000)
        )
    });
    short_of_memory(|plane| {
        plane.publisher.publish([Change::Put(spec("f", &[large]))]);
        let aborts = shard(plane).upstream_aborts;
        let reply = plane.call("GET /function/f", "");
        assert_eq!(line(&reply), "HTTP/1.1 503 Service Unavailable");
        assert_eq!(shard(plane).upstream_aborts, aborts);
    });
}

/// A function that takes calls and never answers.
fn idler() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || std::io::copy(&mut stream.unwrap(), &mut std::io::sink()));
        }
    });
    address
}

/// What is left of the memory is for those who have less of it.
#[test]
fn a_function_that_takes_all_the_memory_leaves_some_to_others() {
    let configs = |driver| Config {
        memory: 1,
        ..config(driver)
    };
    each_config(configs, |plane| {
        let good = function(|_| ok("good"));
        plane.publisher.publish([
            Change::Put(spec("hog", &[idler()])),
            Change::Put(spec("good", &[good])),
        ]);
        let upload = "POST /function/hog HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\nxxxx";
        // One after the other: a crowd's heads may take more than there is, and its
        // connections more descriptors than a machine may give.
        let mut held = Vec::new();
        while shard(plane).rejected(Reject::Memory) <= 10 {
            assert!(held.len() < 2_000, "nothing is refused");
            let mut stream = connect(plane);
            stream.write_all(upload.as_bytes()).unwrap();
            held.push(stream);
            eventually("it to be read", || {
                shard(plane).requests >= held.len() as u64
            });
        }
        for _ in 0..100 {
            let reply = plane.call("GET /function/good", "");
            assert!(
                reply.ends_with("\r\n\r\ngood"),
                "{reply} {:#?}",
                shard(plane)
            );
        }
        let reply = plane.call("POST /function/hog", "Content-Length: 9\r\n");
        assert_eq!(line(&reply), "HTTP/1.1 503 Service Unavailable");
        drop(held);
        eventually("room for all", || {
            shard(plane).inflight == 0 && !plane.call("GET /function/good", "").is_empty()
        });
    });
}

/// A function that reads bodies of so many bytes, as they come.
fn reader(bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let (mut seen, mut into) = (Vec::new(), vec![0; 16_384]);
                while let Ok(n) = stream.read(&mut into) {
                    if n == 0 {
                        return;
                    }
                    seen.extend_from_slice(&into[..n]);
                    let head = seen.windows(4).position(|w| w == b"\r\n\r\n");
                    if head.is_some_and(|head| seen.len() == head + 4 + bytes) {
                        seen.clear();
                        stream.write_all(ok("all").as_bytes()).unwrap();
                    }
                }
            });
        }
    });
    address
}

#[test]
fn a_client_of_many_small_steps_keeps_its_connection() {
    const BYTES: usize = 64 << 10;
    let reader = reader(BYTES);
    each_driver(|plane| {
        plane.publisher.publish([Change::Put(spec("f", &[reader]))]);
        let mut client = connect(plane);
        let head =
            format!("POST /function/f HTTP/1.1\r\nHost: a\r\nContent-Length: {BYTES}\r\n\r\n");
        for round in 0..300 {
            client.write_all(head.as_bytes()).unwrap();
            // Each piece may be a step of its own, and the last one the last of the budget.
            for piece in [b'b'; BYTES].chunks(500 + round % 700) {
                client.write_all(piece).unwrap();
            }
            let mut reply = Vec::new();
            let mut byte = [0];
            while !reply.ends_with(b"all") {
                let read = client.read_exact(&mut byte);
                assert!(read.is_ok(), "{read:?} in round {round}");
                reply.push(byte[0]);
            }
        }
    });
}

fn impatient(driver: DriverChoice) -> Config {
    Config {
        write_timeout: Some(Duration::from_millis(400)),
        ..config(driver)
    }
}

/// A function with a reply of so many bytes.
fn long(bytes: usize) -> SocketAddr {
    function(move |_| ok(&"b".repeat(bytes)))
}

/// Reads so many bytes slowly, and the rest; how many there were.
fn read_slowly(stream: &mut TcpStream, slowly: usize, all: usize) -> usize {
    let (mut read, mut into) = (0, vec![0; 40_000]);
    while read < all {
        match stream.read(&mut into) {
            Ok(0) => break,
            Ok(n) => read += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => panic!("{e}"),
        }
        if read < slowly {
            // Not a sleep: clippy keeps those out of everything that belongs to shards.
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }
    read
}

const LONG: usize = 16 << 20;
/// At 800 kB per second several times the write timeout, in which no send of a full buffer ends.
const SLOWLY: usize = 2 << 20;

#[test]
fn a_slow_reader_gets_all_of_a_reply_however_long_it_takes() {
    let long = long(LONG);
    each_config(impatient, |plane| {
        plane.publisher.publish([Change::Put(spec("f", &[long]))]);
        let mut stream = plane.begin("GET /function/f", "");
        let read = read_slowly(&mut stream, SLOWLY, usize::MAX);
        assert!(read > LONG, "{read} bytes");
        assert_eq!(shard(plane).client_aborts, 0);
    });
}

#[test]
fn a_reader_that_takes_nothing_is_cut() {
    let long = long(64 << 20);
    each_config(impatient, |plane| {
        plane.publisher.publish([Change::Put(spec("f", &[long]))]);
        let stream = plane.begin("GET /function/f", "");
        eventually("the end of it", || shard(plane).client_aborts == 1);
        drop(stream);
    });
}

#[test]
fn a_function_that_reads_slowly_gets_all_of_a_request() {
    each_config(impatient, |plane| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let slow = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            read_slowly(&mut stream, SLOWLY, LONG);
            stream.write_all(ok("all").as_bytes()).unwrap();
        });
        plane
            .publisher
            .publish([Change::Put(spec("f", &[address]))]);
        let length = format!("Content-Length: {LONG}\r\n");
        let mut stream = plane.begin("POST /function/f", &length);
        stream.write_all(&vec![b'b'; LONG]).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert_eq!(body(&reply), "all");
        slow.join().unwrap();
    });
}

#[test]
fn a_client_that_has_closed_is_noticed_however_silent_its_function_is() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let silent = function(|_| head.to_owned());
    let plane = Plane::start(config(DriverChoice::Auto));
    plane.publisher.publish([Change::Put(spec("f", &[silent]))]);
    let mut stream = plane.begin("GET /function/f", "");
    forget_soon(&stream);
    stream.read_exact(&mut [0]).unwrap();
    drop(stream);
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while shard(&plane).client_aborts == 0 {
        assert!(std::time::Instant::now() < until, "nobody noticed");
        std::thread::park_timeout(Duration::from_millis(100));
    }
    assert_eq!(shard(&plane).inflight, 0);
}

/// Has the kernel forget the connection a second after it is closed, not a minute.
#[expect(
    unsafe_code,
    reason = "TCP_LINGER2 has no safe wrapper among our crates"
)]
fn forget_soon(stream: &TcpStream) {
    use std::os::fd::AsRawFd;
    let (level, name, second) = (libc::IPPROTO_TCP, libc::TCP_LINGER2, 1_i32);
    let length = size_of::<i32>() as u32;
    // SAFETY: pointer and length describe one live value.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            level,
            name,
            (&raw const second).cast(),
            length,
        )
    };
    assert_eq!(result, 0);
}
