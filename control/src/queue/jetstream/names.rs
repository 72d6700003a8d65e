//! Subjects and streams, by the channel. Pure.
//!
//! A function's calls have a subject of their own, its *lane*, so that a consumer of its own
//! takes them and no function waits behind another's backlog.

use crate::queue::job::JobId;

/// The names of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    channel: String,
}

/// A lane: one token of a subject, and the name of its consumer.
pub(super) type Token = String;

impl Names {
    pub(super) fn new(channel: &str) -> Self {
        Self {
            channel: channel.to_owned(),
        }
    }

    /// A stream's name.
    pub(super) fn stream(&self, kind: &str) -> String {
        format!("ringway-{}-{kind}", self.channel)
    }

    /// The subjects of all calls.
    pub(super) fn calls(&self) -> Vec<String> {
        vec![self.channel.clone(), format!("{}.*", self.channel)]
    }

    /// The subject of a lane.
    pub(super) fn lane(&self, token: &str) -> String {
        if token == PLAIN {
            return self.channel.clone();
        }
        format!("{}.{token}", self.channel)
    }

    /// The lane of a subject; `None` when it is none of this channel.
    pub(super) fn token(&self, subject: &str) -> Option<Token> {
        let rest = subject.strip_prefix(&self.channel)?;
        match rest.strip_prefix('.') {
            Some(token) => Some(token.to_owned()),
            None if rest.is_empty() => Some(PLAIN.to_owned()),
            None => None,
        }
    }

    /// How a call stands.
    pub(super) fn job(&self, id: JobId) -> String {
        self.of("job", &id.to_string())
    }

    pub(super) fn jobs(&self) -> String {
        self.of("job", "*")
    }

    /// A dead letter.
    pub(super) fn dead(&self, function: &str, id: JobId) -> String {
        self.of("dead", &format!("{}.{id}", token(function)))
    }

    /// Dead letters: of a function, one of them, or all.
    pub(super) fn dead_ones(&self, function: Option<&str>, id: Option<JobId>) -> String {
        let function = function.map_or_else(|| "*".to_owned(), token);
        let id = id.map_or_else(|| "*".to_owned(), |id| id.to_string());
        self.of("dead", &format!("{function}.{id}"))
    }

    /// A kept reply.
    pub(super) fn result(&self, id: JobId) -> String {
        self.of("result", &id.to_string())
    }

    pub(super) fn results(&self) -> String {
        self.of("result", "*")
    }

    /// Replies to be delivered.
    pub(super) fn callbacks(&self) -> String {
        format!("ringway.{}.callback", self.channel)
    }

    /// Where workers hear of cancelled calls.
    pub(super) fn cancelled(&self) -> String {
        format!("ringway.{}.cancelled", self.channel)
    }

    /// Where workers hear of lanes that have calls.
    pub(super) fn filled(&self) -> String {
        format!("ringway.{}.filled", self.channel)
    }

    fn of(&self, kind: &str, which: &str) -> String {
        format!("ringway.{}.{kind}.{which}", self.channel)
    }
}

/// The lane of a function's calls: its full name without dots, which mean something in subjects.
/// Names that nobody knows share one, because there is no end to them.
pub(super) fn lane_of(function: &str, is_known: bool) -> Token {
    if is_known && function.len() <= TOKEN_BYTES_MAX {
        token(function)
    } else {
        SHARED.to_owned()
    }
}

/// A function's name as one token.
pub(super) fn token(function: &str) -> Token {
    function.replace('.', "=")
}

/// The function of a lane; `None` when it has those of several.
pub(super) fn function(token: &str) -> Option<String> {
    match token {
        PLAIN | SHARED => None,
        token => Some(token.replace('=', ".")),
    }
}

/// The lane of messages that publishers of OpenFaaS wrote.
pub(super) const PLAIN: &str = "=plain";
/// The lane of functions that nobody knows, or whose names are too long for one of their own.
const SHARED: &str = "=shared";
/// The name of a consumer has 255 bytes at most.
const TOKEN_BYTES_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_tokens_and_come_back() {
        let names = Names::new("faas-request");
        for function in ["cat.openfaas-fn", "a.b.c", "a_b.c"] {
            let lane = token(function);
            assert!(!lane.contains(['.', '*', '>', ' ', '/']));
            let subject = names.lane(&lane);
            assert_eq!(names.token(&subject).as_deref(), Some(lane.as_str()));
            assert_eq!(super::function(&lane).as_deref(), Some(function));
        }
        let plain = names.token("faas-request").unwrap();
        assert_eq!(names.lane(&plain), "faas-request");
        assert_eq!(names.token("faas-requests.a"), None);
        for shared in [lane_of(&"x".repeat(300), true), lane_of("a.b", false)] {
            assert_eq!(function(&shared), None);
            assert_eq!(names.token(&names.lane(&shared)), Some(shared));
        }
        assert_eq!(lane_of("a.b", true), "a=b");
    }

    #[test]
    fn dead_letters_are_found_by_function_and_id() {
        let names = Names::new("c");
        let id = JobId::from_bytes([1; 16]);
        assert_eq!(names.dead("a.b", id), format!("ringway.c.dead.a=b.{id}"));
        assert_eq!(
            names.dead_ones(None, Some(id)),
            format!("ringway.c.dead.*.{id}")
        );
        assert_eq!(names.dead_ones(Some("a.b"), None), "ringway.c.dead.a=b.*");
    }
}
