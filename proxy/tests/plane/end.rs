//! The end of a data plane: who is served before it, and who is cut.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ringway_proxy::{
    Backlog, Change, Config, Demand, DriverChoice, FunctionId, Gateway, Publisher,
};

use super::{Plane, config, eventually, function, line, spec};

const DRIVERS: [DriverChoice; 2] = [DriverChoice::Epoll, DriverChoice::Auto];

/// The end comes right behind the drain, as it does where no connection is left.
#[test]
fn whoever_has_connected_is_served_before_the_end() {
    for driver in DRIVERS.repeat(20) {
        let plane = Plane::start_with(config(driver), 2);
        let mut clients = [(); 4].map(|()| plane.begin("GET /function/nobody", ""));
        plane.gateway.drain(Duration::ZERO, Backlog::Serve);
        assert_eq!(plane.gateway.stop(Duration::from_secs(5)), 0);
        for client in &mut clients {
            let mut reply = String::new();
            client.read_to_string(&mut reply).unwrap();
            assert!(line(&reply).contains(" 404 "), "{reply:?}");
        }
    }
}

/// Calls until nobody listens; whether the last call was left without an answer.
fn call_to_the_end(address: SocketAddr) -> bool {
    while let Ok(mut stream) = TcpStream::connect(address) {
        let mut reply = String::new();
        let request = b"GET /function/nobody HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let sent = stream.write_all(request);
        let read = sent.and_then(|()| stream.read_to_string(&mut reply));
        if read.is_err() || !line(&reply).contains(" 404 ") {
            return true;
        }
    }
    false
}

/// Who is answered comes again at once: the backlog is never empty for long.
#[test]
fn clients_that_come_again_and_again_are_refused_not_reset() {
    for driver in DRIVERS {
        let plane = Plane::start_with(config(driver), 2);
        let address = plane.gateway.local_addr();
        let calls = [(); 40].map(|()| std::thread::spawn(move || call_to_the_end(address)));
        let accepted = || plane.gateway.metrics().shards[0].accepted;
        eventually("load", || accepted() > 300);
        plane.gateway.drain(Duration::ZERO, Backlog::Serve);
        assert_eq!(plane.gateway.stop(Duration::from_secs(10)), 0);
        let lost = calls.map(|call| call.join().unwrap());
        let lost = lost.iter().filter(|lost| **lost).count();
        // Those who connect between the last look and the end of listening.
        assert!(lost <= 4, "{lost} of 40 with {driver:?}");
    }
}

/// Not only by the end of the process, which may take its time.
#[test]
fn what_is_left_at_the_deadline_is_cut_on_both_sides() {
    for driver in DRIVERS {
        let plane = Plane::start(config(driver));
        let mute = TcpListener::bind("127.0.0.1:0").unwrap();
        let row = spec("mute", &[mute.local_addr().unwrap()]);
        plane.publisher.publish([Change::Put(row)]);
        let mut client = plane.begin("GET /function/mute", "");
        let (mut function, _) = mute.accept().unwrap();
        let patience = Some(Duration::from_secs(20));
        function.set_read_timeout(patience).unwrap();
        plane.gateway.drain(Duration::ZERO, Backlog::Serve);
        assert_eq!(plane.gateway.stop(Duration::from_millis(300)), 1);
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"", "an answer");
        function.read_to_end(&mut rest).unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's thread is no shard")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Replies that have begun, tunnels and uploads have no deadline of their own.
#[test]
fn what_has_no_deadline_is_cut_too() {
    let address = function(|head| {
        let reply = match head.split(' ').nth(1) {
            Some("/events") => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevnt\r\n",
            Some("/tunnel") => {
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\n\r\nevnt"
            }
            Some("/file") => "HTTP/1.1 200 OK\r\n\r\nevnt",
            _ => "",
        };
        reply.to_owned()
    });
    let calls = [
        "GET /function/f/events HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /function/f/tunnel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "POST /function/f/upload HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nevnt",
        "GET /function/f/file HTTP/1.0\r\nHost: a\r\n\r\n",
    ];
    for driver in DRIVERS {
        let config = Config {
            read_timeout: None,
            ..config(driver)
        };
        let plane = Plane::start(config);
        plane
            .publisher
            .publish([Change::Put(spec("f", &[address]))]);
        let mut clients = calls.map(|call| {
            let mut stream = TcpStream::connect(plane.gateway.local_addr()).unwrap();
            let patience = Some(Duration::from_secs(20));
            stream.set_read_timeout(patience).unwrap();
            stream.write_all(call.as_bytes()).unwrap();
            stream
        });
        // Longer than the look whether a client is still there is put off.
        pause(Duration::from_millis(400));
        plane.gateway.drain(Duration::ZERO, Backlog::Serve);
        assert_eq!(plane.gateway.stop(Duration::from_millis(300)), 4);
        let ends = clients.each_mut().map(|client| {
            let mut reply = Vec::new();
            let end = client.read_to_end(&mut reply).map_err(|e| e.kind());
            (
                reply.ends_with(b"evnt") || reply.ends_with(b"evnt\r\n"),
                end,
            )
        });
        assert!(ends[0].0 && ends[0].1.is_ok(), "{ends:?}");
        assert!(ends[1].0 && ends[1].1.is_ok(), "{ends:?}");
        assert_eq!(ends[2].1, Ok(0));
        // A file without a length is whole when its connection ends, but not when it is reset.
        assert_eq!(ends[3], (true, Err(ErrorKind::ConnectionReset)));
    }
}

/// Panics where no wall is: in the shard's own task, when a row moves.
struct Fatal(AtomicUsize);

impl Demand for Fatal {
    fn wanted(&self, _: &FunctionId) {
        let times = self.0.fetch_add(1, Ordering::Relaxed);
        assert_eq!(times, 0, "a test ends a shard");
    }

    fn unready(&self, _: &FunctionId) -> bool {
        false
    }
}

/// What it had is closed by the end of the process, for which nobody is to wait.
#[test]
fn a_shard_that_has_ended_holds_nothing_up() {
    for driver in DRIVERS {
        let publisher = Publisher::new(1);
        let demand = Arc::new(Fatal(AtomicUsize::new(0)));
        let gateway = Gateway::start(config(driver), publisher.clone(), demand).unwrap();
        publisher.publish([Change::Put(spec("f", &[]))]);
        let mut caller = TcpStream::connect(gateway.local_addr()).unwrap();
        let request = b"GET /function/f HTTP/1.1\r\nHost: a\r\n\r\n";
        caller.write_all(request).unwrap();
        let open = || gateway.metrics().shards[0].parked;
        eventually("a parked caller", || open() == 1);
        publisher.publish([Change::Put(spec("f", &[]))]);
        eventually("the end of the shard", || gateway.pulses()[0].ended);
        gateway.drain(Duration::ZERO, Backlog::Serve);
        assert!(gateway.is_drained());
        assert_eq!(gateway.stop(Duration::from_secs(5)), 1, "it was cut");
    }
}
