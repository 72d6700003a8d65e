//! What can go wrong with an exchange, each with its one label and its one reply.

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $label:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value, in the order of its counters.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value of the metric's label.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }
        }
    };
}

labels! {
    /// Why a request, a reply or a connection was refused (`dataplane.md` section 6, one per row
    /// group).
    Reject {
        /// Not HTTP/1.x syntax.
        Syntax = "syntax",
        /// A bare LF or CR in a head.
        BareLineEnd = "bare_line_end",
        /// A header name or value with forbidden bytes.
        HeaderBytes = "header_bytes",
        /// Obsolete line folding.
        ObsFold = "obs_fold",
        /// Both Content-Length and Transfer-Encoding.
        LengthAndChunked = "length_and_chunked",
        /// More than one Content-Length, or a list.
        RepeatedLength = "repeated_length",
        /// A Content-Length that is not plain digits.
        BadLength = "bad_length",
        /// A Transfer-Encoding that is not exactly `chunked`.
        BadTransferEncoding = "bad_transfer_encoding",
        /// Transfer-Encoding in HTTP/1.0.
        ChunkedHttp10 = "chunked_http10",
        /// A body on an HTTP/1.0 GET, HEAD or DELETE.
        BodyHttp10 = "body_http10",
        /// An underscore in a framing, forwarding or authorisation header's name.
        Underscore = "underscore",
        /// A Connection header that names a framing header.
        Nomination = "nomination",
        /// A Connection header with more elements than allowed.
        ConnectionOptions = "connection_options",
        /// Method not a token, or too long.
        Method = "method",
        /// TRACE, TRACK or CONNECT.
        MethodRefused = "method_refused",
        /// A byte that may not stand in a target.
        TargetBytes = "target_bytes",
        /// Target over its limit.
        TargetTooLong = "target_too_long",
        /// Authority-form or asterisk-form where it may not stand.
        TargetForm = "target_form",
        /// Absolute-form that contradicts Host, or has no authority.
        TargetAuthority = "target_authority",
        /// Host missing, repeated or malformed.
        Host = "host",
        /// HTTP version not 1.0 or 1.1.
        Version = "version",
        /// The HTTP/2 preface on an HTTP/1 port.
        Http2Preface = "http2_preface",
        /// A TLS ClientHello on a plain port.
        Tls = "tls",
        /// Head over its limit of bytes or of fields.
        HeadTooLarge = "head_too_large",
        /// An Expect that is not 100-continue.
        Expect = "expect",
        /// Upgrade to websocket with a body.
        UpgradeBody = "upgrade_body",
        /// Malformed chunked framing.
        Chunked = "chunked",
        /// Trailers over their limit or malformed.
        Trailers = "trailers",
        /// A body that ended before its framing said so.
        Truncated = "truncated",
        /// A path that could be read as another one.
        Path = "path",
        /// Unknown function.
        UnknownFunction = "unknown_function",
        /// Over the function's in-flight limit.
        Inflight = "inflight",
        /// The buffers' memory is used up.
        Memory = "memory",
        /// Over the number of parked callers.
        Parked = "parked",
        /// The head did not arrive in time.
        HeadTimeout = "head_timeout",
        /// The body made no progress.
        BodyTimeout = "body_timeout",
        /// A preflight from an origin that is not allowed.
        Origin = "origin",
        /// No descriptor is left for a connection to the function.
        Descriptors = "descriptors",
        /// More interim replies than a function may send.
        Interims = "interims",
        /// A switch of protocols that was not asked for, or not to WebSocket.
        Switch = "switch",
    }
}

labels! {
    /// Why a request was sent again (`dataplane.md` 2.7).
    RetryRule {
        /// R0: the connection could not be made, or no byte was written.
        Connect = "connect",
        /// R1: idempotent and still held whole.
        Idempotent = "idempotent",
        /// R2: the function ended the connection before it acknowledged a byte, as the kernel
        /// proves; or none was sent.
        Unapplied = "unapplied",
    }
}

/// Why an exchange got no answer from its function; each has one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The function was deleted while its caller waited.
    Deleted,
    /// Over the function's in-flight limit.
    TooManyInflight,
    /// The buffers' memory is used up.
    OutOfMemory,
    /// Over a limit of parked callers.
    TooManyParked,
    /// No replica became ready in time.
    NoReplica,
    /// No replica could be connected to.
    Unreachable,
    /// The control plane could not be connected to.
    ControlDown,
    /// This process has no descriptor left.
    Shortage,
    /// The connection ended before a reply.
    Died,
    /// The reply was not HTTP one can trust.
    BadReply,
    /// The reply's head did not begin in time.
    Deadline,
    /// The function took no more of the request's body.
    Stalled,
    /// The client ended before its body did.
    BodyTruncated,
    /// The client's body framing is broken.
    BodyMalformed,
    /// The client's body made no progress.
    BodyTimeout,
}

/// A failure's reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) text: &'static str,
    /// Seconds.
    pub(crate) retry_after: Option<u32>,
}

impl Failure {
    /// What the client is told: the one place where a failure becomes a status.
    pub(crate) const fn said(self) -> Said {
        let (status, text) = match self {
            Self::Deleted => (404, "the function was deleted"),
            Self::TooManyInflight => (429, "the function has too many calls in flight"),
            Self::OutOfMemory => (503, "the gateway's memory for buffers is used up"),
            Self::TooManyParked => (503, "too many calls wait for the function to start"),
            Self::NoReplica => (503, "no replica of the function became ready in time"),
            Self::Unreachable => (502, "the function refused the connection"),
            Self::ControlDown => (503, "the control plane is not available"),
            Self::Shortage => (503, "the gateway has no descriptor left"),
            Self::Died => (502, "the function ended the connection before it answered"),
            Self::BadReply => (502, "the function's reply is not valid HTTP"),
            Self::Deadline => (504, "the function did not answer in time"),
            Self::Stalled => (504, "the function stopped reading the request"),
            Self::BodyTruncated => (400, "the request body ended early"),
            Self::BodyMalformed => (400, "the chunked body is malformed"),
            Self::BodyTimeout => (408, "the request body made no progress"),
        };
        let retry_after = match status {
            429 | 503 => Some(1),
            _ => None,
        };
        Said {
            status,
            text,
            retry_after,
        }
    }
}
