//! The topologies: who stands before whom, and one input through all of them.

use std::net::SocketAddr;
use std::time::Duration;

use ringway_tests::Gateway;

use crate::corpus::Input;
use crate::judge::{self, Verdict};
use crate::origin::{Origin, Sights};
use crate::peer::{Kind, Peer};
use crate::replies::Reply;
use crate::wire::{View, exchange};

/// All that runs; ends when dropped.
pub(crate) struct Stage {
    origin: Origin,
    /// In front of the origin, of nginx, and of HAProxy.
    gateways: [Gateway; 3],
    fronts: Vec<Front>,
    _behind: [Peer; 2],
}

/// A proxy in front of Ringway, and, at another address, of the origin itself.
struct Front {
    name: &'static str,
    replies: &'static str,
    peer: Peer,
}

impl Front {
    fn before_ringway(&self) -> SocketAddr {
        self.peer.addresses[0]
    }

    fn before_origin(&self) -> SocketAddr {
        self.peer.addresses[1]
    }
}

impl Stage {
    pub(crate) fn start(replies: Vec<Reply>) -> Self {
        let origin = Origin::start(replies);
        let behind = [Kind::Nginx, Kind::Haproxy].map(|kind| Peer::start(kind, &[origin.address]));
        let places = [
            origin.address,
            behind[0].addresses[0],
            behind[1].addresses[0],
        ];
        let gateways = places.map(|place| {
            let url = format!("http://{place}");
            let gateway = Gateway::with(&[("functions_provider_url", &url)]);
            gateway.await_functions(1);
            gateway
        });
        let front = |kind, name, replies| Front {
            name,
            replies,
            peer: Peer::start(kind, &[gateways[0].address, origin.address]),
        };
        let fronts = vec![
            front(
                Kind::Nginx,
                "nginx > Ringway > origin",
                "nginx < Ringway < hostile origin",
            ),
            front(
                Kind::Haproxy,
                "HAProxy > Ringway > origin",
                "HAProxy < Ringway < hostile origin",
            ),
            front(
                Kind::LaxHaproxy,
                "lax HAProxy > Ringway > origin",
                "lax HAProxy < Ringway < hostile origin",
            ),
        ];
        Self {
            origin,
            gateways,
            fronts,
            _behind: behind,
        }
    }

    /// Their names.
    pub(crate) fn topologies(&self) -> Vec<&'static str> {
        let fronts = self.fronts.iter().map(|front| front.name);
        BEHIND.into_iter().chain(fronts).collect()
    }

    /// One input through every topology.
    pub(crate) fn requests(&self, at: usize, input: &Input) -> Vec<(&'static str, Verdict)> {
        let mut verdicts = Vec::new();
        for (place, name) in BEHIND.into_iter().enumerate() {
            let id = format!("q{:07x}", at * 16 + place);
            let bytes = input.with_canary(&id);
            let expected = judge::expected(&bytes);
            let to = self.gateways[place].address;
            let (view, seen) = self.send(to, &id, &bytes, &input.method);
            let verdict = judge::requests(&id, &expected, &seen, &view, None);
            verdicts.push((name, self.sound(to, &id, verdict)));
        }
        for (place, front) in self.fronts.iter().enumerate() {
            let alone = format!("q{:07x}", at * 16 + 8 + place);
            let bytes = input.with_canary(&alone);
            let (unaided, expected) =
                self.send(front.before_origin(), &alone, &bytes, &input.method);
            let id = format!("q{:07x}", at * 16 + 4 + place);
            let bytes = input.with_canary(&id);
            let to = front.before_ringway();
            let (view, seen) = self.send(to, &id, &bytes, &input.method);
            // Bodies hold ids.
            let (alone, own) = (alone.as_bytes(), id.as_bytes());
            let expected: Vec<_> = expected
                .whole
                .into_iter()
                .map(|mut sight| {
                    sight.body = replace(&sight.body, alone, own);
                    sight
                })
                .collect();
            let verdict = judge::requests(&id, &expected, &seen, &view, Some(&unaided));
            verdicts.push((front.name, self.sound(to, &id, verdict)));
        }
        verdicts
    }

    /// One hostile reply, to a request with this method, without a front and behind each.
    pub(crate) fn replies(&self, number: usize, method: usize) -> Vec<(&'static str, Verdict)> {
        let word = format!("evil-{number}");
        let ids = METHOD_IDS + (number * METHODS.len() + method) * 4;
        let method = METHODS[method];
        let line = format!("{method} /function/x/QQQQQQQQ/{word} HTTP/1.1\r\nHost: h\r\n");
        let length = if method == "POST" {
            "Content-Length: 0\r\n"
        } else {
            ""
        };
        let input = Input {
            name: String::new(),
            bytes: format!("{line}{length}\r\n"),
            method: method.to_owned(),
        };
        let run = |to, place: usize, direct: Option<&View>| {
            let id = format!("q{:07x}", ids + place);
            let view = exchange(to, &input.with_canary(&id), input.method == "HEAD");
            let verdict = judge::replies(&id, &word, &view, direct);
            (self.sound(to, &id, verdict), view)
        };
        let (verdict, direct) = run(self.gateways[0].address, 0, None);
        let mut verdicts = vec![("client < Ringway < hostile origin", verdict)];
        for (place, front) in self.fronts.iter().enumerate() {
            let (verdict, _) = run(front.before_ringway(), place + 1, Some(&direct));
            verdicts.push((front.replies, verdict));
        }
        verdicts
    }

    /// What the client got, and what the origin saw a moment later.
    fn send(&self, to: SocketAddr, id: &str, bytes: &[u8], method: &str) -> (View, Sights) {
        let view = exchange(to, bytes, method == "HEAD");
        // What was let through behind a refusal may be on its way.
        std::thread::sleep(SETTLE);
        (view, self.origin.sights(id))
    }

    /// The verdict, unless the origin could not read something, or a probe on a new connection
    /// gets the reply of another request.
    fn sound(&self, to: SocketAddr, id: &str, verdict: Verdict) -> Verdict {
        if matches!(verdict, Verdict::Disagreed(_)) {
            return verdict;
        }
        if let Some(bytes) = self.origin.unreadable(id) {
            return Verdict::Disagreed(format!("the origin got what is no request: {bytes}"));
        }
        let probe =
            "GET /function/x/QQQQQQQQ/probe HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        let view = exchange(to, probe.replace("QQQQQQQQ", id).as_bytes(), false);
        if !view.has(&format!("{id}/probe")) || view.answers.len() != 1 {
            return Verdict::Disagreed(format!("the probe was told {:?}", view.answers));
        }
        verdict
    }
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    bytes
}

const BEHIND: [&str; 3] = [
    "Ringway > origin",
    "Ringway > nginx > origin",
    "Ringway > HAProxy > origin",
];
/// What asks for replies.
pub(crate) const METHODS: [&str; 3] = ["GET", "HEAD", "POST"];
/// The first id of the replies, behind those of the requests.
const METHOD_IDS: usize = 0x400_0000;
const SETTLE: Duration = Duration::from_millis(5);
