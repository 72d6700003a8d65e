//! Misbehaviour by request: which requests are not answered as the provider would.

use std::time::Duration;

use crate::server::{Act, Answer, Seen};

/// How a scripted request is treated.
#[derive(Clone, Debug)]
pub enum Vice {
    /// Accepted and not answered until the script is taken back.
    Hold,
    /// The connection ends without an answer.
    Close,
    /// These bytes come instead of HTTP, then the end.
    Bytes(Vec<u8>),
    /// This answer comes whatever was asked.
    Answer(Answer),
    /// The true answer comes late.
    Late(Duration),
}

/// Which requests, which vice, and how often still.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// `METHOD target`, or the beginning of one; the method may be left out.
    pub(super) requests: String,
    pub(super) vice: Vice,
    /// `None` is for ever.
    pub(super) left: Option<u32>,
}

impl Script {
    /// Whether this request is meant; `target` is without the base path.
    pub(super) fn means(&self, request: &Seen, target: &str) -> bool {
        self.left != Some(0)
            && match self.requests.split_once(' ') {
                Some((method, prefix)) => method == request.method && target.starts_with(prefix),
                None => target.starts_with(&self.requests),
            }
    }
}

impl Vice {
    /// What happens instead of `truth`.
    pub(super) fn act(&self, truth: impl FnOnce() -> Act) -> Act {
        match self {
            Self::Hold => Act::Hold,
            Self::Close => Act::Close,
            Self::Bytes(bytes) => Act::Bytes(bytes.clone()),
            Self::Answer(answer) => Act::Answer(answer.clone()),
            Self::Late(delay) => Act::Later(*delay, Box::new(truth())),
        }
    }
}
