//! What is known of a function's replicas: which of them failed, and that it is forgotten. And what
//! is known of a shard that stands still.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use parking_lot::Mutex;
use ringway_proxy::{
    Backlog, Change, Demand, DriverChoice, FunctionId, Gateway, Publisher, Reject,
};

use super::{
    body, config, each_config, each_driver, eventually, function, line, ok, one_call_each, spec,
};
use crate::hostile::shard;

/// A function that answers with its name on a connection for each call, and ends the connection
/// instead when the path says so.
fn mortal(name: &'static str) -> SocketAddr {
    one_call_each(move |head| {
        let dies = head.starts_with(&format!("POST /die-{name} "));
        (!dies).then(|| format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{name}"))
    })
}

/// Were what failed not forgotten, the fifth time would take sixteen seconds.
#[test]
fn a_replica_that_answers_again_is_as_good_as_new() {
    let configs = |_| config(DriverChoice::Auto);
    each_config(configs, |plane| {
        let row = spec("f", &[mortal("a"), mortal("b")]);
        plane.publisher.publish([Change::Put(row)]);
        for times in 1..=5 {
            eventually("a death", || {
                let reply = plane.call("POST /function/f/die-a", "Content-Length: 0\r\n");
                line(&reply).contains(" 502 ")
            });
            assert_eq!(shard(plane).ejections, times);
            assert!(plane.call("GET /function/f", "").contains("b"));
            eventually("its next call", || {
                body(&plane.call("GET /function/f", "")).contains('a')
            });
        }
    });
}

#[test]
fn replies_that_cannot_be_trusted_are_counted_by_reason() {
    each_driver(|plane| {
        let replies = [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
                Reject::RepeatedLength,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
                Reject::BadLength,
            ),
            ("HTTP/1.1 200 OK\nA: b\r\n\r\n", Reject::BareLineEnd),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                Reject::BadTransferEncoding,
            ),
            (
                "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n",
                Reject::Switch,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                Reject::Chunked,
            ),
            ("garbage\r\n\r\n", Reject::Syntax),
        ];
        let interims = "HTTP/1.1 102 Processing\r\n\r\n".repeat(20);
        let replies = replies
            .into_iter()
            .chain([(interims.as_str(), Reject::Interims)]);
        for (reply, why) in replies {
            let whole = reply.to_owned();
            let address = function(move |_| whole.clone());
            plane
                .publisher
                .publish([Change::Put(spec("f", &[address]))]);
            let before = shard(plane).replies_rejected(why);
            let got = plane.call("POST /function/f", "Content-Length: 0\r\n");
            let cut = why == Reject::Chunked && got.starts_with("HTTP/1.1 200 ");
            assert!(cut || line(&got).contains(" 502 "), "{reply:?}: {got:?}");
            assert_eq!(shard(plane).replies_rejected(why), before + 1, "{reply:?}");
        }
        let good = function(|_| ok("good"));
        plane.publisher.publish([Change::Put(spec("f", &[good]))]);
        assert_eq!(body(&plane.call("GET /function/f", "")), "good");
    });
}

/// Holds the shard that tells it of a caller, until it is let go.
struct Blocks {
    begun: SyncSender<()>,
    end: Mutex<Receiver<()>>,
}

impl Demand for Blocks {
    fn wanted(&self, _: &FunctionId) {
        let _ = self.begun.send(());
        let _ = self.end.lock().recv();
    }
}

/// A shard that stands still answers no knock, and is known by that; when it goes on, it answers
/// again, and its callers with it.
#[test]
fn a_shard_that_stands_still_does_not_answer() {
    for driver in [DriverChoice::Epoll, DriverChoice::Auto] {
        let (begun, has_begun) = sync_channel(8);
        let (let_go, end) = sync_channel(8);
        let publisher = Publisher::new(1);
        let end = Mutex::new(end);
        let demand = Arc::new(Blocks { begun, end });
        let gateway = Gateway::start(config(driver), publisher.clone(), demand).unwrap();
        let answers = || gateway.pulses()[0].answers;
        let knock = |what: &str| {
            let before = answers();
            gateway.knock();
            eventually(what, || answers() > before);
        };
        knock("an answer");
        publisher.publish([Change::Put(spec("f", &[]))]);
        let mut caller = std::net::TcpStream::connect(gateway.local_addr()).unwrap();
        let request = b"GET /function/f HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        std::io::Write::write_all(&mut caller, request).unwrap();
        has_begun.recv().unwrap();
        // From here on the shard cannot run: nothing that is looked at can change.
        let before = answers();
        for _ in 0..20 {
            gateway.knock();
        }
        assert_eq!(answers(), before);
        assert!(!gateway.pulses()[0].ended);
        let_go.send(()).unwrap();
        eventually("an answer to the knocks of before", || answers() > before);
        knock("an answer again");
        publisher.publish([Change::Put(spec("f", &[function(|_| ok("late"))]))]);
        let mut reply = String::new();
        caller.read_to_string(&mut reply).unwrap();
        assert_eq!(body(&reply), "late");
        gateway.drain(std::time::Duration::ZERO, Backlog::Serve);
        assert_eq!(gateway.stop(std::time::Duration::from_secs(5)), 0);
    }
}
