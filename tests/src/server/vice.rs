//! Misbehaviour instead of an answer.

use std::time::Duration;

use super::{Act, Answer, Stream};

/// How a scripted request is treated.
#[derive(Clone, Debug)]
pub enum Vice {
    /// Accepted and not answered until the vice is taken back.
    Hold,
    /// The connection ends without an answer.
    Close,
    /// The connection is reset.
    Reset,
    /// These bytes come instead of HTTP, then the end.
    Bytes(Vec<u8>),
    /// This answer comes whatever was asked.
    Answer(Answer),
    /// The true answer comes late.
    Late(Duration),
    /// This answer comes before the body is read, and the connection ends with what was not.
    Early(Answer),
    /// This answer's head comes, then the stream's pieces.
    Stream(Answer, Stream),
}

impl Vice {
    /// What happens instead of `truth`.
    pub(crate) fn act(&self, truth: impl FnOnce() -> Act) -> Act {
        match self {
            Self::Hold => Act::Hold,
            Self::Close => Act::Close,
            Self::Reset => Act::Reset,
            Self::Bytes(bytes) => Act::Bytes(bytes.clone()),
            Self::Answer(answer) | Self::Early(answer) => Act::Answer(answer.clone()),
            Self::Stream(head, stream) => Act::Stream(head.clone(), stream.listener()),
            Self::Late(delay) => Act::Later(*delay, Box::new(truth())),
        }
    }
}
