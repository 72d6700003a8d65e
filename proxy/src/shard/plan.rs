//! One request understood: where it goes, how it is framed, and its head for the function.
//!
//! Synchronous and without allocation: the borrowed head lives only in here.

use crate::cors::Grant;
use crate::fault::Reject;
use crate::http::forward::{self, Ids, ToControl, ToFunction};
use crate::http::{Framing, Method, Refusal, RequestHead, Version, parse_request, request_slots};
use crate::limits::CALL_ID_BYTES_MAX;
use crate::metrics::PATH_BYTES;
use crate::route::{Route, route};
use crate::shard::Shard;
use crate::shard::conn::Conn;
use crate::shard::cross::{self, Cross};
use crate::table::{Forward, FunctionRef};

/// A request that will be forwarded. Small: it lives across every await of its exchange.
pub(crate) struct Plan {
    pub(crate) target: Target,
    pub(crate) method: Method,
    pub(crate) framing: Framing,
    pub(crate) version: Version,
    pub(crate) keep_alive: bool,
    pub(crate) expect_continue: bool,
    pub(crate) websocket: bool,
    pub(crate) wants_trailers: bool,
    /// The page that calls is of an allowed origin.
    pub(crate) cors: Option<Grant>,
    pub(crate) stamp: Stamp,
}

/// Where a request goes.
pub(crate) enum Target {
    /// Replicas of a function.
    Function(FunctionRef),
    /// The control plane.
    Control,
}

/// What identifies a request in headers and logs.
pub(crate) struct Stamp {
    call_id: [u8; CALL_ID_BYTES_MAX],
    call_id_len: u8,
    start: [u8; 20],
    start_len: u8,
    pub(crate) start_nanos: u64,
    pub(crate) start_micros: u64,
    /// Kept only when the access log is on.
    pub(crate) line: Option<Box<RequestLine>>,
}

/// What the access log says of a request's head.
#[derive(Clone, Copy)]
pub(crate) struct RequestLine {
    pub(crate) path: [u8; PATH_BYTES],
    pub(crate) path_len: u16,
    pub(crate) method: [u8; 8],
}

/// A request that is answered here.
pub(crate) enum Local {
    /// Not understood: answered, then the connection ends.
    Refused(Refusal),
    /// Understood, and answered by the gateway.
    Answer {
        status: u16,
        text: &'static str,
        location: Option<Vec<u8>>,
        /// Further field lines, mostly none.
        extra: Vec<u8>,
        method: Method,
        framing: Framing,
        keep_alive: bool,
        stamp: Box<Stamp>,
    },
}

impl Plan {
    /// Whether the method may be repeated without being asked (RFC 9110 §9.2.2).
    pub(crate) const fn is_idempotent(&self) -> bool {
        matches!(
            self.method,
            Method::Get | Method::Head | Method::Options | Method::Put | Method::Delete
        )
    }

    /// Looks the function up again. `false` when it is gone; the plan keeps the row it had.
    pub(crate) fn refresh(&mut self, shard: &Shard) -> bool {
        let Target::Function(function) = &mut self.target else {
            return true;
        };
        match function.newest(&shard.table()) {
            Some(newest) => {
                *function = newest;
                true
            }
            None => false,
        }
    }

    /// The field lines that let the page that calls read its reply; mostly none.
    pub(crate) fn cors_fields<'s>(&self, shard: &'s Shard) -> &'s [u8] {
        granted(shard, self.cors)
    }

    pub(crate) const fn function(&self) -> Option<&FunctionRef> {
        match &self.target {
            Target::Function(function) => Some(function),
            Target::Control => None,
        }
    }
}

impl Local {
    /// Adds field lines to an answer.
    fn add(&mut self, fields: &[u8]) {
        if let Self::Answer { extra, .. } = self {
            extra.extend_from_slice(fields);
        }
    }
}

impl Stamp {
    pub(crate) fn call_id(&self) -> &[u8] {
        &self.call_id[..usize::from(self.call_id_len)]
    }

    pub(crate) fn start_time(&self) -> &[u8] {
        &self.start[..usize::from(self.start_len)]
    }

    /// The three reply fields.
    pub(crate) fn ids<'a>(&'a self, shard: &'a Shard) -> Ids<'a> {
        Ids {
            call_id: self.call_id(),
            start_time: self.start_time(),
            served_by: shard.config.served_by.as_bytes(),
        }
    }

    /// For a request that was refused before it was understood.
    pub(crate) fn anonymous(shard: &Shard) -> Self {
        let mut stamp = Self::blank(shard, shard.clock.read_micros());
        stamp.take_new_id(shard);
        stamp
    }

    fn new(shard: &Shard, head: &RequestHead<'_, '_>, start_micros: u64) -> Self {
        let mut stamp = Self::blank(shard, start_micros);
        match head.call_id.filter(|id| id.len() <= CALL_ID_BYTES_MAX) {
            Some(id) => {
                stamp.call_id[..id.len()].copy_from_slice(id);
                stamp.call_id_len = id.len() as u8;
            }
            None => stamp.take_new_id(shard),
        }
        stamp.line = shard.log.as_ref().map(|_| Box::new(RequestLine::new(head)));
        stamp
    }

    fn take_new_id(&mut self, shard: &Shard) {
        self.call_id[..36].copy_from_slice(&uuid_v4(shard.random(), shard.random()));
        self.call_id_len = 36;
    }

    fn blank(shard: &Shard, start_micros: u64) -> Self {
        let mut stamp = Self {
            call_id: [0; CALL_ID_BYTES_MAX],
            call_id_len: 0,
            start: [0; 20],
            start_len: 0,
            start_nanos: shard.clock.unix_nanos(start_micros),
            start_micros,
            line: None,
        };
        stamp.start_len = decimal(stamp.start_nanos, &mut stamp.start);
        stamp
    }
}

impl RequestLine {
    fn new(head: &RequestHead<'_, '_>) -> Self {
        let path = &head.path[..head.path.len().min(PATH_BYTES)];
        let method = &head.method_bytes[..head.method_bytes.len().min(8)];
        let mut line = Self {
            path: [0; PATH_BYTES],
            path_len: path.len() as u16,
            method: [0; 8],
        };
        line.path[..path.len()].copy_from_slice(path);
        line.method[..method.len()].copy_from_slice(method);
        line
    }
}

/// Parses and routes a complete head, and leaves the head to send in the shard's scratch.
pub(crate) fn plan(conn: &Conn, bytes: &[u8], start_micros: u64) -> Result<Plan, Local> {
    let shard = conn.shard;
    let mut slots = request_slots();
    let head = parse_request(bytes, &mut slots).map_err(Local::Refused)?;
    let stamp = Stamp::new(shard, &head, start_micros);
    let route = route(head.path);
    let cors = match &shard.config.cors {
        None => None,
        Some(cors) => match cross::look(cors, &head, &route) {
            Cross::Call(grant) => grant,
            Cross::Preflight(grant) => return Err(preflight(shard, &head, stamp, grant)),
        },
    };
    let mut scratch = shard.scratch.borrow_mut();
    scratch.clear();
    let target = match route {
        Route::Function { name, rest } => {
            let Some(function) = FunctionRef::route(&shard.table(), name) else {
                shard.counters.reject(Reject::UnknownFunction);
                let text = "no function of this name is deployed";
                let mut local = local(&head, stamp, 404, text);
                local.add(granted(shard, cors));
                return Err(local);
            };
            let (prefix, rest) = sent_path(&function.forward, head.path, rest);
            let to = ToFunction {
                prefix,
                rest,
                host: function.authority.as_bytes(),
                peer: conn.peer_ip(),
                peer_is_trusted: conn.trusted,
                call_id: stamp.call_id(),
                start_time: stamp.start_time(),
            };
            forward::request(&head, &to, &mut scratch);
            Target::Function(function)
        }
        Route::Fallback if head.path == b"*" => {
            return Err(local(&head, stamp, 200, ""));
        }
        Route::Fallback => {
            let to = ToControl {
                peer: conn.peer,
                call_id: stamp.call_id(),
            };
            forward::control_request(&head, &to, &mut scratch);
            Target::Control
        }
        Route::Redirect(location) => return Err(redirect(shard, &head, stamp, location)),
        Route::Refuse(refusal) => return Err(Local::Refused(refusal)),
    };
    Ok(Plan {
        websocket: head.websocket && matches!(target, Target::Function(_)),
        target,
        method: head.method,
        framing: head.framing,
        version: head.version,
        keep_alive: head.keep_alive,
        expect_continue: head.expect_continue,
        wants_trailers: head.wants_trailers,
        cors,
        stamp,
    })
}

/// The path a function is sent, in two pieces: what is put in front, and the client's own bytes.
/// `rest` is the end of `path` behind the function's name.
fn sent_path<'p>(forward: &'p Forward, path: &'p [u8], rest: &'p [u8]) -> (&'p [u8], &'p [u8]) {
    match forward {
        Forward::Trimmed => (b"", rest),
        Forward::Kept { prefix } => (prefix.as_bytes(), path),
    }
}

/// The answer to a path that is not clean: the clean one, for methods that may follow.
fn redirect(shard: &Shard, head: &RequestHead<'_, '_>, stamp: Stamp, mut clean: Vec<u8>) -> Local {
    if !matches!(head.method, Method::Get | Method::Head) {
        shard.counters.reject(Reject::Path);
        return local(head, stamp, 400, "the path is not in its clean form");
    }
    if let Some(query) = head.query {
        clean.push(b'?');
        clean.extend_from_slice(query);
    }
    let mut answer = local(head, stamp, 301, "moved to the cleaned path");
    if let Local::Answer { location, .. } = &mut answer {
        *location = Some(clean);
    }
    answer
}

/// The answer to a preflight.
fn preflight(
    shard: &Shard,
    head: &RequestHead<'_, '_>,
    stamp: Stamp,
    grant: Option<Grant>,
) -> Local {
    let (Some(grant), Some(cors)) = (grant, &shard.config.cors) else {
        shard.counters.reject(Reject::Origin);
        return local(head, stamp, 403, "this origin may not call functions");
    };
    let mut answer = local(head, stamp, 204, "");
    answer.add(&cross::preflight_fields(cors, grant, head));
    answer
}

/// The field lines for a reply to an allowed origin.
fn granted(shard: &Shard, grant: Option<Grant>) -> &[u8] {
    match (grant, &shard.config.cors) {
        (Some(grant), Some(cors)) => cors.reply_fields(grant),
        _ => b"",
    }
}

fn local(head: &RequestHead<'_, '_>, stamp: Stamp, status: u16, text: &'static str) -> Local {
    Local::Answer {
        status,
        text,
        location: None,
        extra: Vec::new(),
        method: head.method,
        framing: head.framing,
        // The client waits for 100: without it the body may or may not come, so end.
        keep_alive: head.keep_alive && !head.expect_continue,
        stamp: Box::new(stamp),
    }
}

/// A random (version 4, variant 1) UUID in its text form (RFC 9562 §5.4).
fn uuid_v4(high: u64, low: u64) -> [u8; 36] {
    let high = (high & 0xFFFF_FFFF_FFFF_0FFF) | 0x4000;
    let low = (low & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000;
    let [a, b, c, d] = [high >> 32, high, low >> 32, low].map(|half| hex(half as u32));
    let mut text = [b'-'; 36];
    text[..8].copy_from_slice(&a);
    text[9..13].copy_from_slice(&b[..4]);
    text[14..18].copy_from_slice(&b[4..]);
    text[19..23].copy_from_slice(&c[..4]);
    text[24..28].copy_from_slice(&c[4..]);
    text[28..].copy_from_slice(&d);
    text
}

/// `n` in eight hexadecimal digits, all of them at once.
const fn hex(n: u32) -> [u8; 8] {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    // Each digit to a byte of its own.
    let n = n as u64;
    let n = (n | n << 16) & 0x0000_FFFF_0000_FFFF;
    let n = (n | n << 8) & 0x00FF_00FF_00FF_00FF;
    let n = (n | n << 4) & 0x0F0F_0F0F_0F0F_0F0F;
    // Those that are letters: 6 more has a fifth bit.
    let letters = ((n + 6 * EACH) >> 4) & EACH;
    let text = n + b'0' as u64 * EACH + letters * (b'a' - b'0' - 10) as u64;
    text.to_be_bytes()
}

/// Writes `n` in decimal; returns the number of digits.
fn decimal(n: u64, out: &mut [u8; 20]) -> u8 {
    const HALF: u64 = 100_000_000;
    let mut digits = [0; 24];
    for (at, part) in [n / HALF / HALF, n / HALF % HALF, n % HALF]
        .into_iter()
        .enumerate()
    {
        digits[8 * at..][..8].copy_from_slice(&eight_digits(part));
    }
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let digits = &digits[zeros.min(23)..];
    out[..digits.len()].copy_from_slice(digits);
    digits.len() as u8
}

/// `n`, which is below 100,000,000, in eight decimal digits, all of them at once.
const fn eight_digits(n: u64) -> [u8; 8] {
    // Halves, then pairs, then digits, each to a place of its own, the first to the lowest; the
    // divisions are by multiplication, exact for what can be there.
    let n = (n / 10_000) | ((n % 10_000) << 32);
    let hundreds = ((n * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let n = hundreds | (n - 100 * hundreds) << 16;
    let tens = ((n * 103) >> 10) & 0x000F_000F_000F_000F;
    let n = tens | (n - 10 * tens) << 8;
    (n + u64::from_ne_bytes([b'0'; 8])).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_trimmed_or_kept_byte_for_byte() {
        let kept = |prefix: &str| Forward::Kept {
            prefix: prefix.into(),
        };
        for rest in [
            "",
            "/",
            "/a%2Fb;c//d",
            "/%E2%82%AC/\u{20ac}",
            "//",
            "/.../%2f",
        ] {
            let path = format!("/function/x.ns{rest}");
            let sent = |forward: &Forward| {
                let (prefix, own) = sent_path(forward, path.as_bytes(), rest.as_bytes());
                String::from_utf8([prefix, own].concat()).unwrap()
            };
            assert_eq!(sent(&Forward::Trimmed), rest);
            assert_eq!(sent(&kept("")), path);
            assert_eq!(sent(&kept("/base/v1")), format!("/base/v1{path}"));
        }
    }

    #[test]
    fn uuids_have_their_form() {
        let text = uuid_v4(u64::MAX, u64::MAX);
        assert_eq!(&text, b"ffffffff-ffff-4fff-bfff-ffffffffffff");
        let text = uuid_v4(0, 0x0123_4567_89ab_cdef);
        assert_eq!(&text, b"00000000-0000-4000-8123-456789abcdef");
    }

    #[test]
    fn numbers_in_decimal() {
        let powers = (0..20).map(|n| 10u64.pow(n));
        let around = powers.flat_map(|power| [power - 1, power, power + 1]);
        let each = (0..10_000).map(|n| n * 10_001);
        for n in around
            .chain(each)
            .chain([1_700_000_000_123_456_789, u64::MAX])
        {
            let mut out = [0; 20];
            let len = decimal(n, &mut out);
            assert_eq!(&out[..usize::from(len)], n.to_string().as_bytes());
        }
    }
}
