//! Log lines and those who follow them.

use std::time::{Duration, SystemTime};

use serde_json::json;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::kind::Kind;
use super::time;
use super::world::{World, namespace_or_default};
use crate::server::{Act, Answer, Seen};

/// Every line, and every open request for more.
#[derive(Default)]
pub(super) struct Logs {
    lines: Vec<Line>,
    followers: Vec<Follower>,
}

/// One line of one function.
#[derive(Clone)]
struct Line {
    namespace: String,
    function: String,
    instance: String,
    at: SystemTime,
    text: String,
}

/// Somebody who waits for lines of one function.
struct Follower {
    namespace: String,
    function: String,
    instance: Option<String>,
    pieces: Sender<Vec<u8>>,
}

impl Logs {
    /// Adds a line and tells the followers.
    pub(super) fn add(&mut self, kind: Kind, key: (&str, &str), instance: &str, text: &str) {
        let line = Line {
            namespace: key.0.to_owned(),
            function: key.1.to_owned(),
            instance: instance.to_owned(),
            at: SystemTime::now(),
            text: text.to_owned(),
        };
        for follower in self.followers.iter().filter(|f| f.wants(&line)) {
            let _ = follower.pieces.try_send(line.json(kind));
        }
        self.lines.push(line);
    }

    /// How many clients follow and have not left.
    pub(super) fn followers(&self) -> usize {
        let open = self.followers.iter().filter(|f| !f.pieces.is_closed());
        open.count()
    }

    /// Ends every stream cleanly.
    pub(super) fn end(&mut self) {
        self.followers.clear();
    }
}

impl Follower {
    fn wants(&self, line: &Line) -> bool {
        let instance = self.instance.as_deref();
        line.namespace == self.namespace
            && line.function == self.function
            && instance.is_none_or(|i| i.is_empty() || i == line.instance)
    }
}

impl Line {
    /// One JSON object and a newline. faas-netes keeps the line's own newline and tells no
    /// namespace.
    fn json(&self, kind: Kind) -> Vec<u8> {
        let (namespace, end) = match kind {
            Kind::Netes => ("", "\n"),
            Kind::Faasd => (self.namespace.as_str(), ""),
        };
        let message = json!({
            "name": self.function,
            "namespace": namespace,
            "instance": self.instance,
            "timestamp": time::format(self.at),
            "text": format!("{}{end}", self.text),
        });
        format!("{message}\n").into_bytes()
    }
}

/// What a client asked for.
struct Wanted {
    tail: Option<usize>,
    since: Option<SystemTime>,
    follow: bool,
}

impl Wanted {
    fn of(request: &Seen) -> Option<Self> {
        let given = |name: &str| request.parameter(name).filter(|v| !v.is_empty());
        let tail = match given("tail") {
            Some(tail) => usize::try_from(tail.parse::<i64>().ok()?)
                .ok()
                .filter(|n| *n > 0),
            None => None,
        };
        let since = match given("since") {
            Some(since) => Some(time::parse(&since)?),
            None if given("tail").is_none() => Some(SystemTime::now() - Duration::from_secs(300)),
            None => None,
        };
        let truths = ["1", "t", "T", "true", "TRUE", "True"];
        let follow = given("follow").is_some_and(|f| truths.contains(&f.as_str()));
        Some(Self {
            tail,
            since,
            follow,
        })
    }
}

impl World {
    /// Streams; whether the function exists is not looked at.
    pub(super) fn logs(&self, request: &Seen) -> Act {
        let Some(wanted) = Wanted::of(request) else {
            return Act::Answer(Answer::text(422, "tail or since cannot be read\n"));
        };
        let (pieces, stream) = channel(LINES_MAX);
        let follower = Follower {
            namespace: namespace_or_default(request.parameter("namespace").as_deref()),
            function: request.parameter("name").unwrap_or_default(),
            instance: request.parameter("instance"),
            pieces,
        };
        let mut state = self.state();
        let lines = state.logs.lines.iter().filter(|line| {
            follower.wants(line) && wanted.since.is_none_or(|since| line.at >= since)
        });
        let lines: Vec<&Line> = lines.collect();
        let first = wanted
            .tail
            .map_or(0, |tail| lines.len().saturating_sub(tail));
        for line in &lines[first..] {
            let _ = follower.pieces.try_send(line.json(self.kind()));
        }
        if wanted.follow {
            state.logs.followers.push(follower);
        }
        stream_act(stream)
    }
}

fn stream_act(stream: Receiver<Vec<u8>>) -> Act {
    let head = Answer::status(200)
        .header("Connection", "Keep-Alive")
        .header("X-Content-Type-Options", "nosniff")
        .header("Content-Type", "application/x-ndjson");
    Act::Stream(head, stream)
}

/// More than any test writes.
const LINES_MAX: usize = 10_000;
