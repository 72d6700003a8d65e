//! One call: what it sends, and which answer is its own.

use ringway_tests::proof::{Sum, answer, pattern};
use ringway_tests::{Random, Reply};

/// Whom calls are for, by what happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    /// Nothing.
    Steady,
    /// It is updated, one replica after the other.
    Rolling,
    /// It is scaled, to zero and back.
    Elastic,
    /// A process per request.
    Each,
    /// It is deployed and called at once.
    Fresh,
    /// It is deleted and deployed under its callers.
    Passing,
    /// Its replicas die.
    Mortal,
    /// Its calls ask for what goes wrong.
    Faulty,
}

impl Function {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Rolling => "rolling",
            Self::Elastic => "elastic",
            Self::Each => "each",
            Self::Fresh => "fresh",
            Self::Passing => "passing",
            Self::Mortal => "mortal",
            Self::Faulty => "faulty",
        }
    }

    /// Whether it tells of the POSTs it gets.
    pub(crate) const fn tells(self) -> bool {
        !matches!(self, Self::Each)
    }

    /// Whether this run itself makes such errors, with what it does to the function.
    pub(crate) const fn makes(self, error: Error) -> bool {
        match self {
            Self::Steady | Self::Rolling | Self::Elastic | Self::Each | Self::Fresh => false,
            Self::Passing => matches!(error, Error::Status(404)),
            Self::Mortal | Self::Faulty => matches!(error, Error::Status(502) | Error::Cut),
        }
    }
}

/// An end that the caller sees and that is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    Status(u16),
    /// The connection ended before the reply did.
    Cut,
    /// The gateway took no connection.
    Refused,
    /// Something came behind the last reply of a connection, or it was not closed.
    Surplus,
}

/// What became of a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Answered,
    Error(Error),
    /// By its client, as intended.
    Aborted,
    /// Bytes of another call, or changed ones.
    CrossTalk(String),
    /// Neither an answer nor an error in time.
    Lost,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) id: u64,
    pub(crate) function: Function,
    /// What is to go wrong, as the function `vice` at `/proof` knows it.
    pub(crate) fault: &'static str,
    pub(crate) post: bool,
    /// Bytes of the request's body.
    pub(crate) sends: usize,
    /// Its framing.
    pub(crate) chunked: bool,
    /// Bytes of the reply's body.
    pub(crate) size: usize,
    /// Chunks of it; 0 for a length.
    pub(crate) pieces: usize,
    /// Between chunks.
    pub(crate) pause_ms: usize,
}

impl Ask {
    /// A call without a body that is answered with `size` bytes.
    pub(crate) const fn get(id: u64, function: Function, size: usize) -> Self {
        Self {
            id,
            function,
            fault: "",
            post: false,
            sends: 0,
            chunked: false,
            size,
            pieces: 0,
            pause_ms: 0,
        }
    }

    /// A call that sends `sends` bytes, or none at all as GET, and is answered in one of the ways.
    pub(crate) fn draw(random: &mut Random, id: u64, function: Function) -> Self {
        let post = random.below(5) > 1;
        // Who echoes as it reads must find room for it: its caller reads after it has sent.
        let each = function == Function::Each;
        let most = if each { 32 * 1024 } else { usize::MAX };
        Self {
            post,
            sends: if post { size(random).min(most) } else { 0 },
            chunked: random.below(3) == 0,
            pieces: random.below(3) * random.below(4),
            ..Self::get(id, function, size(random))
        }
    }

    pub(crate) const fn method(&self) -> &'static str {
        if self.post { "POST" } else { "GET" }
    }

    /// Everything that is sent.
    pub(crate) fn bytes(&self, close: bool) -> Vec<u8> {
        let (mut bytes, body) = self.parts(close);
        bytes.extend_from_slice(&body);
        bytes
    }

    /// The head, and the body in its framing.
    pub(crate) fn parts(&self, close: bool) -> (Vec<u8>, Vec<u8>) {
        let body = pattern(self.id, self.sends);
        let framing = match (self.post, self.chunked) {
            (false, _) => String::new(),
            (true, false) => format!("Content-Length: {}\r\n", self.sends),
            (true, true) => "Transfer-Encoding: chunked\r\n".to_owned(),
        };
        let head = format!(
            "{} /function/{}/proof?size={}&pieces={}&ms={}&fault={} HTTP/1.1\r\nHost: soak.test\r\n\
             X-Proof-Id: {}\r\nX-Proof-Length: {}\r\nX-Proof-Sum: {}\r\n{framing}{}\r\n",
            self.method(),
            self.function.name(),
            self.size,
            self.pieces,
            self.pause_ms,
            self.fault,
            self.id,
            self.sends,
            Sum::of(&body),
            if close { "Connection: close\r\n" } else { "" },
        );
        let body = if self.post && self.chunked {
            chunks(&body)
        } else {
            body
        };
        (head.into_bytes(), body)
    }

    /// Whose reply it is, and whether it is the one that was asked for.
    pub(crate) fn check(&self, reply: &Reply) -> Ending {
        let number = |name| reply.header(name).and_then(|n| n.parse::<u64>().ok());
        let whose = number("x-proof-id");
        if whose.is_some_and(|id| id != self.id) {
            return Ending::CrossTalk(format!("{whose:?} in the reply to {}", self.id));
        }
        if !reply.complete {
            return Ending::Error(Error::Cut);
        }
        match reply.status {
            200 => {}
            // The function's own word for a request that is not what its head says.
            400 => return Ending::CrossTalk(reply.text()),
            status => return Ending::Error(Error::Status(status)),
        }
        let each = self.function == Function::Each;
        let expected = if each {
            pattern(self.id, self.sends)
        } else {
            answer(self.id, self.size)
        };
        let sum = (!each).then(|| Sum::of(&expected));
        if reply.body != expected || number("x-proof-sum") != sum || whose.is_none() != each {
            let (got, due) = (reply.body.len(), expected.len());
            return Ending::CrossTalk(format!("{got} bytes for {due}, not those of {}", self.id));
        }
        Ending::Answered
    }
}

/// In three chunks at most, and the end.
fn chunks(body: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(body.len() + 64);
    for chunk in body.chunks(body.len() / 3 + 1) {
        framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
    }
    framed.extend_from_slice(b"0\r\n\r\n");
    framed
}

/// From nothing to 4 MiB, mostly small.
fn size(random: &mut Random) -> usize {
    let most = match random.below(100) {
        0..15 => return 0,
        15..60 => 1_024,
        60..84 => 16 * 1_024,
        84..98 => 256 * 1_024,
        _ => 4 * 1_024 * 1_024,
    };
    1 + random.below(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(id: u64, body: Vec<u8>) -> Reply {
        let sum = Sum::of(&body).to_string();
        Reply {
            status: 200,
            headers: vec![
                ("x-proof-id".into(), id.to_string()),
                ("x-proof-sum".into(), sum),
            ],
            body,
            trailers: Vec::new(),
            complete: true,
        }
    }

    #[test]
    fn only_the_own_answer_is_one() {
        let ask = Ask::get(7, Function::Steady, 100);
        assert_eq!(ask.check(&reply(7, answer(7, 100))), Ending::Answered);
        for wrong in [
            reply(8, answer(8, 100)),
            reply(7, answer(8, 100)),
            reply(7, answer(7, 99)),
            reply(7, pattern(7, 100)),
        ] {
            assert!(matches!(ask.check(&wrong), Ending::CrossTalk(_)));
        }
    }

    #[test]
    fn a_cut_reply_and_a_refusal_are_errors() {
        let ask = Ask::get(7, Function::Steady, 100);
        let mut cut = reply(7, answer(7, 50));
        cut.complete = false;
        assert_eq!(ask.check(&cut), Ending::Error(Error::Cut));
        let mut refusal = reply(7, Vec::new());
        refusal.status = 503;
        assert_eq!(ask.check(&refusal), Ending::Error(Error::Status(503)));
    }

    #[test]
    fn chunks_end_and_hold_everything() {
        assert_eq!(chunks(b""), b"0\r\n\r\n");
        assert_eq!(chunks(b"abcd"), b"2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n");
    }
}
