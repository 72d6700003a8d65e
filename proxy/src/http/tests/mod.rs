//! Every rule of `dataplane.md` section 6 with what it lets through and what it refuses.
//!
//! Each sample is also fed in pieces: the answer may depend on the bytes, never on the reads.
//! Random tests print their seed; `RINGWAY_SEED` repeats one.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

mod body;
mod chunked;
mod digits;
mod forward;
mod framing;
mod head_end;
mod header;
mod random;
mod render;
mod reply;
mod request;
mod response;
mod split;
mod target;

use crate::fault::Reject;
use crate::http::{
    HeadEnd, Method, Refusal, RequestHead, ResponseHead, parse_request, parse_response,
    request_slots, response_slots,
};

/// So many rounds of a random test; Miri, which is slow and looks at each access, has fewer.
pub(crate) const fn rounds(usual: usize) -> usize {
    if cfg!(miri) { usual / 300 } else { usual }
}

/// A xorshift generator: the same numbers for the same seed.
pub(crate) struct Random(u64);

impl Random {
    /// With the seed of the environment, else with `seed`; says which.
    pub(crate) fn new(seed: u64) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test's seed is not a setting")]
        let from_env = std::env::var("RINGWAY_SEED").ok();
        let seed = from_env.and_then(|text| text.parse().ok()).unwrap_or(seed);
        // Shown by the test harness only when the test fails.
        #[expect(clippy::print_stdout, reason = "the seed of a failed test")]
        {
            println!("RINGWAY_SEED={seed}");
        }
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 11) as usize % bound
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    pub(crate) fn bytes(&mut self, len_max: usize) -> Vec<u8> {
        let len = self.below(len_max + 1);
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// Finds the end of a request's head and parses it; fed in every way a read may cut it.
fn request<T>(
    bytes: &[u8],
    see: impl FnOnce(Result<RequestHead<'_, '_>, Refusal>) -> T,
) -> Option<T> {
    let end = split::head_end(bytes, HeadEnd::request);
    let mut slots = request_slots();
    match end {
        Ok(None) => None,
        Ok(Some(len)) => Some(see(parse_request(&bytes[..len], &mut slots))),
        Err(refusal) => Some(see(Err(refusal))),
    }
}

/// The same for a reply to a request with `method`.
fn response<T>(
    bytes: &[u8],
    method: Method,
    see: impl FnOnce(Result<ResponseHead<'_, '_>, Refusal>) -> T,
) -> Option<T> {
    let end = split::head_end(bytes, HeadEnd::response);
    let mut slots = response_slots();
    match end {
        Ok(None) => None,
        Ok(Some(len)) => Some(see(parse_response(&bytes[..len], &mut slots, method))),
        Err(refusal) => Some(see(Err(refusal))),
    }
}

/// A whole request that is accepted.
#[track_caller]
pub(crate) fn accepts<T>(bytes: impl AsRef<[u8]>, see: impl FnOnce(RequestHead<'_, '_>) -> T) -> T {
    let bytes = bytes.as_ref();
    request(bytes, |head| match head {
        Ok(head) => see(head),
        Err(refusal) => panic!("{refusal:?} for {}", bytes.escape_ascii()),
    })
    .unwrap_or_else(|| panic!("incomplete: {}", bytes.escape_ascii()))
}

/// A whole request that is refused.
#[track_caller]
fn refuses(bytes: impl AsRef<[u8]>, status: u16, why: Reject) {
    let bytes = bytes.as_ref();
    let refusal = request(bytes, |head| head.err());
    assert_eq!(
        refusal,
        Some(Some(Refusal { status, why })),
        "{}",
        bytes.escape_ascii()
    );
}

/// A whole reply to GET that is accepted.
#[track_caller]
fn trusts<T>(bytes: impl AsRef<[u8]>, see: impl FnOnce(ResponseHead<'_, '_>) -> T) -> T {
    trusts_for(Method::Get, bytes, see)
}

/// A whole reply that is accepted.
#[track_caller]
fn trusts_for<T>(
    method: Method,
    bytes: impl AsRef<[u8]>,
    see: impl FnOnce(ResponseHead<'_, '_>) -> T,
) -> T {
    let bytes = bytes.as_ref();
    response(bytes, method, |head| match head {
        Ok(head) => see(head),
        Err(refusal) => panic!("{refusal:?} for {}", bytes.escape_ascii()),
    })
    .unwrap_or_else(|| panic!("incomplete: {}", bytes.escape_ascii()))
}

/// A whole reply to GET that is refused; the client's status is 502 whatever the rule says.
#[track_caller]
fn distrusts(bytes: impl AsRef<[u8]>, why: Reject) {
    let bytes = bytes.as_ref();
    let refusal = response(bytes, Method::Get, |head| head.err());
    let reason = refusal.flatten().map(|refusal| refusal.why);
    assert_eq!(reason, Some(why), "{}", bytes.escape_ascii());
}

/// `GET /function/x` with `Host` and these field lines.
fn get(fields: &str) -> String {
    format!("GET /function/x HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// `POST /function/x` with `Host` and these field lines.
fn post(fields: &str) -> String {
    format!("POST /function/x HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// The same in HTTP/1.0.
fn old(method: &str, fields: &str) -> String {
    format!("{method} /function/x HTTP/1.0\r\n{fields}\r\n")
}

/// A reply with status 200 and these field lines.
fn ok(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n")
}
