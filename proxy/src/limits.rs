//! Every bound of the data plane, each with its reason.

use std::time::Duration;

/// Longest request or reply head. 64 KiB: four times nginx's default, an edge never needs more.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most fields in a request head (hyper: 100, nginx: none, Envoy: 100).
pub const REQUEST_HEADERS_MAX: usize = 128;
/// Most fields in a reply head; functions behind frameworks send many cookies.
pub const RESPONSE_HEADERS_MAX: usize = 256;
/// Longest single header line.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Longest request target (RFC 9110 §4.1 asks for at least 8,000).
pub const TARGET_BYTES_MAX: usize = 8 * 1024;
/// Longest method token.
pub const METHOD_BYTES_MAX: usize = 32;
/// Most digits of a `Content-Length`: 19 hold `i64::MAX`, past which common receivers overflow.
pub const LENGTH_DIGITS_MAX: usize = 19;
/// Most elements of a message's `Connection` fields (real ones have one or two); each may be
/// compared with each field of the head.
pub const CONNECTION_OPTIONS_MAX: usize = 32;
/// Longest client-chosen `X-Call-Id` that is kept.
pub const CALL_ID_BYTES_MAX: usize = 64;
/// Chunk extension bytes in one chunk-size line.
pub const CHUNK_EXTENSION_BYTES_MAX: usize = 256;
/// Chunk extension bytes in one body.
pub const CHUNK_EXTENSIONS_BYTES_MAX: usize = 4 * 1024;
/// Most hexadecimal digits of a chunk size: 15 digits stay below 2^60.
pub const CHUNK_SIZE_DIGITS_MAX: usize = 15;
/// Most trailer fields of one body.
pub const TRAILERS_MAX: usize = 32;
/// Longest trailer section.
pub const TRAILER_BYTES_MAX: usize = 8 * 1024;
/// Most interim (1xx) replies in one exchange; more is a broken or hostile function.
pub const INTERIM_REPLIES_MAX: u32 = 8;

/// How long a head may take from its first byte to its last (slowloris: total, not per read).
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long dialling one endpoint may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long to wait for a function's 100 before telling the client to go on (Go does the same).
pub const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long bytes of a refused request are read and dropped before the connection closes.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// How many bytes of a refused request are read and dropped before the connection closes.
pub const LINGER_BYTES_MAX: usize = 256 * 1024;
/// Age of an exchange at which the client's absence is looked for.
pub const ABORT_WATCH_AFTER: Duration = Duration::from_millis(100);
/// Least time between two reports that a provider has no replica of a function: one starts a look
/// at the provider, and a second look within this time would see nothing new.
pub const UNREADY_EVERY: Duration = Duration::from_millis(250);
/// Longest wait for a first endpoint.
pub const PARK_TIMEOUT_MAX: Duration = Duration::from_secs(100);
/// Idle time of a client connection after which it gives its buffer back.
pub const IDLE_DEMOTE: Duration = Duration::from_secs(1);

/// Connections of a shard up to which idle ones keep their buffer: with few of them the buffers
/// (half a MiB in all, with what runs the calls) cost less than a read that can be cancelled.
pub const PINNED_BUFFERS_MAX: usize = 64;

/// Callers parked per function and shard.
pub const PARKED_PER_FUNCTION_MAX: u32 = 1_000;
/// Callers parked per shard.
pub const PARKED_PER_SHARD_MAX: usize = 10_000;

/// Callers let go at once for each endpoint when a function gets its first: what a replica that
/// has just started can be expected to accept at once.
pub const RAMP_FIRST: usize = 16;
/// Callers let go when a call ends while others wait: its own place and one more, so that the
/// calls in flight double with each round of replies, as far as the function keeps up.
pub const RAMP_STEP: usize = 2;
/// Time after which twice as many are let go as the time before, whether calls end or not: with
/// [`PARKED_PER_FUNCTION_MAX`] callers and one endpoint all have their turn after five times this.
pub const RAMP_EVERY: Duration = Duration::from_millis(100);

/// Idle upstream connections kept per endpoint, over all shards, unless the configuration says
/// otherwise: as many as OpenFaaS keeps. With a provider in front of all functions that is one.
pub const IDLE_PER_ENDPOINT_MAX: usize = 1_024;
/// Idle upstream connections kept, over all endpoints and shards, unless the configuration says
/// otherwise.
pub const IDLE_MAX: usize = 4_096;
/// Idle time after which an upstream connection is closed.
pub const UPSTREAM_IDLE: Duration = Duration::from_secs(30);
/// Idle time after which an upstream connection no longer carries a non-idempotent request.
pub const UPSTREAM_IDLE_UNSAFE: Duration = Duration::from_secs(3);
/// Idle time after which an upstream connection is peeked at before use.
pub const UPSTREAM_PEEK_AFTER: Duration = Duration::from_millis(5);

/// Size of the buffers heads are read into.
pub const HEAD_BUFFER_BYTES: usize = 4 * 1024;
/// Room kept free in front of what is read: a rewritten head or a chunk-size line goes there.
pub const HEADROOM_BYTES: usize = 1024;
/// Room kept free behind what is read: the CRLF of a re-chunked reply goes there.
pub const TAILROOM_BYTES: usize = 8;

/// Descriptors kept back from client connections: upstream connections, files, the control plane.
pub const DESCRIPTORS_RESERVED: u64 = 4_096;
/// Most pipes in use unless the configuration says otherwise, over all shards: one for each body of
/// [`SPLICE_BYTES_MIN`] or more whose receiver is slower than its sender. Others go through buffers.
pub const PIPES_MAX: usize = 512;
/// Most pipes that may be asked for: their ends are half of [`DESCRIPTORS_RESERVED`].
pub const PIPES_MOST: usize = 1_024;
/// Bytes that a pipe is asked to hold; the kernel gives less to a user with many pipes.
pub const PIPE_BYTES: usize = 256 * 1024;
/// A pipe that holds less is no better than a buffer.
pub const PIPE_BYTES_MIN: usize = 64 * 1024;
/// Least known rest of a body that goes through a pipe: for less, the system calls cost more than
/// the copies.
pub const SPLICE_BYTES_MIN: u64 = 32 * 1024;
/// How long accepting rests when descriptors or memory run out, and a send that the kernel has room
/// for and does not take.
pub const SHORTAGE_PAUSE: Duration = Duration::from_millis(50);
/// Steps of one connection's task before others have their turn.
pub const STEPS_MAX: u32 = 32;
/// Bytes moved that count as one more step: a turn moves a MiB, some 200 us.
pub const STEP_BYTES: usize = 32 * 1024;
/// Most retries of one request.
pub const RETRIES_MAX: u32 = 2;

/// Limits that an operator may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's head: at most [`HEAD_BYTES_MAX`], its default.
    pub head_bytes_max: usize,
    /// Time from the first byte of a request's head to its last, by default [`HEAD_TIMEOUT`].
    pub head_timeout: Duration,
    /// Time to make a connection to a function, by default [`CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// Callers of a shard that may be parked, by default [`PARKED_PER_SHARD_MAX`].
    pub parked_max: usize,
    /// How often a request may be sent again, by default [`RETRIES_MAX`].
    pub retries_max: u32,
    /// Pipes that large bodies may be in at once, over all shards, by default [`PIPES_MAX`], at most
    /// [`PIPES_MOST`]. 0: all bodies go through buffers.
    pub pipes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes_max: HEAD_BYTES_MAX,
            head_timeout: HEAD_TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            parked_max: PARKED_PER_SHARD_MAX,
            retries_max: RETRIES_MAX,
            pipes_max: PIPES_MAX,
        }
    }
}

/// Client connections allowed by a descriptor limit: all but [`DESCRIPTORS_RESERVED`], and at
/// least half of a small limit.
#[must_use]
pub fn connections_max(descriptors: u64) -> usize {
    let after_reserve = descriptors.saturating_sub(DESCRIPTORS_RESERVED);
    let connections = after_reserve.max(descriptors / 2).max(1);
    usize::try_from(connections).unwrap_or(usize::MAX)
}

/// Pipes allowed by a descriptor limit: none where [`DESCRIPTORS_RESERVED`] is not there whole.
#[must_use]
pub fn pipes_max(wanted: usize, descriptors: u64) -> usize {
    if descriptors < 2 * DESCRIPTORS_RESERVED {
        return 0;
    }
    wanted.min(PIPES_MOST)
}

/// The part of shard `index` of `count` in what they have together: all parts make the whole.
#[must_use]
pub fn part(whole: usize, count: usize, index: usize) -> usize {
    let count = count.max(1);
    whole / count + usize::from(index < whole % count)
}

/// One shard's part of the memory for buffers, and enough to work with in any case.
#[must_use]
pub fn buffer_bytes_max(memory: u64, shards: usize) -> u64 {
    (memory / (shards as u64).max(1)).max(BUFFER_BYTES_MIN)
}

/// Least memory of one shard's buffers: some hundred heads and a few bodies.
pub const BUFFER_BYTES_MIN: u64 = 2 * 1024 * 1024;

const _: () = assert!(HEADER_BYTES_MAX <= HEAD_BYTES_MAX);
const _: () = assert!(TARGET_BYTES_MAX <= HEAD_BYTES_MAX);
const _: () = assert!(HEADROOM_BYTES + TAILROOM_BYTES < HEAD_BUFFER_BYTES);
const _: () = assert!(CHUNK_SIZE_DIGITS_MAX < 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_descriptors_to_all_else() {
        let reserved = DESCRIPTORS_RESERVED;
        assert_eq!(connections_max(1_000_000), 1_000_000 - 4_096);
        // Where the reserve is more than half of all, half of it must do.
        assert_eq!(connections_max(2 * reserved), 4_096);
        assert_eq!(connections_max(2 * reserved + 1), 4_097);
        assert_eq!(connections_max(1_024), 512);
        assert_eq!(connections_max(0), 1);
    }

    #[test]
    fn pipes_leave_descriptors_to_all_else() {
        assert_eq!(pipes_max(512, 1_000_000), 512);
        assert_eq!(pipes_max(512, 8_192), 512);
        assert_eq!(pipes_max(512, 8_191), 0);
        assert_eq!(pipes_max(2_000, 8_192), 1_024);
        assert_eq!(pipes_max(0, 8_192), 0);
    }

    #[test]
    fn all_parts_make_the_whole() {
        for whole in 0..20 {
            for count in 1..5 {
                let parts = (0..count).map(|index| part(whole, count, index));
                assert_eq!(parts.sum::<usize>(), whole);
            }
        }
        assert_eq!(part(5, 0, 0), 5);
    }

    #[test]
    fn every_shard_has_enough_memory_to_work_with() {
        assert_eq!(
            buffer_bytes_max(8 * BUFFER_BYTES_MIN, 4),
            2 * BUFFER_BYTES_MIN
        );
        assert_eq!(
            buffer_bytes_max(4 * BUFFER_BYTES_MIN - 1, 4),
            BUFFER_BYTES_MIN
        );
        assert_eq!(buffer_bytes_max(0, 0), BUFFER_BYTES_MIN);
    }
}
