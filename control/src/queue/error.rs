//! Why the queue did not do what it was asked.

/// What went wrong.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QueueError {
    /// There is no queue to write to at present; the text says why.
    #[error("asynchronous calls are not available: {0}")]
    Absent(String),
    /// There is no room for more; the text says where.
    #[error("no more asynchronous calls are accepted at present: {0}")]
    Full(String),
    /// The queue failed; the text is for the log.
    #[error("the queue cannot be written at present")]
    Failed(String),
    /// The body is over its limit.
    #[error("the body is over the limit of {0} bytes for asynchronous calls")]
    TooLarge(u64),
    /// The target with which the call is made is over its limit.
    #[error(
        "the path and query of the call are over the limit of {0} bytes, the function's full name included"
    )]
    TargetTooLong(usize),
    /// The head with which the call is made is over its limit.
    #[error(
        "the headers of the call are over the limit of {0} bytes, those that the gateway adds included"
    )]
    HeadTooLong(usize),
    /// The head with which the call is made has too many fields.
    #[error("the call has more than {0} headers, those that the gateway adds included")]
    TooManyFields(usize),
    /// The body did not arrive whole.
    #[error("the body did not arrive whole")]
    Incomplete,
    /// The queue has no such operation.
    #[error("{0}")]
    Unsupported(&'static str),
}
