//! Feeding the same bytes in pieces.

use super::Random;
use crate::fault::Reject;
use crate::http::{BodyCursor, HeadEnd, Refusal};

/// What finding the head's end comes to; asserts that no cut changes it.
#[track_caller]
pub(super) fn head_end(bytes: &[u8], new: impl Fn() -> HeadEnd) -> Result<Option<usize>, Refusal> {
    let whole = new().find(bytes);
    let shown = &bytes[..bytes.len().min(200)];
    // Every prefix in turn: one byte more at each read. Long inputs take longer strides.
    let stride = 1 + bytes.len() / cuts(2_000);
    let mut end = new();
    let mut seen = Ok(None);
    for len in (0..bytes.len()).step_by(stride).chain([bytes.len()]) {
        seen = end.find(&bytes[..len]);
        if !matches!(seen, Ok(None)) {
            break;
        }
    }
    assert_eq!(seen, whole, "read by read: {}", shown.escape_ascii());
    for cut in (0..bytes.len()).step_by(stride) {
        let mut end = new();
        let mut seen = end.find(&bytes[..cut]);
        if matches!(seen, Ok(None)) {
            seen = end.find(bytes);
        }
        assert_eq!(seen, whole, "cut at {cut}: {}", shown.escape_ascii());
    }
    whole
}

/// At how many places to cut at most; under Miri, which is slow, at a few.
const fn cuts(usual: usize) -> usize {
    if cfg!(miri) { 8 } else { usual }
}

/// What was sent for a body, and how much of the input it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) out: Vec<u8>,
    /// Behind it, bytes belong to the next message.
    pub(super) used: usize,
    pub(super) done: bool,
}

/// Passes `pieces` through a cursor, as the pump does.
#[track_caller]
pub(super) fn pass(mut cursor: BodyCursor, pieces: &[&[u8]]) -> Result<Passed, Reject> {
    let mut passed = Passed {
        out: Vec::new(),
        used: 0,
        done: cursor.is_done(),
    };
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let step = cursor.step(rest)?;
            let used = step.skip + step.forward;
            let prefix = step.prefix.as_bytes();
            assert!(prefix.len() <= step.skip + 24, "no room for {prefix:?}");
            if used == 0 {
                assert!(rest.is_empty() || cursor.is_done(), "no progress");
                assert!(prefix.is_empty() && !step.crlf);
                break;
            }
            passed.out.extend_from_slice(prefix);
            passed.out.extend_from_slice(&rest[step.skip..used]);
            if step.crlf {
                passed.out.extend_from_slice(b"\r\n");
            }
            passed.used += used;
            rest = &rest[used..];
        }
    }
    passed.done = cursor.is_done();
    if passed.done {
        passed.out.extend_from_slice(cursor.tail());
    } else {
        assert_eq!(cursor.tail(), b"");
    }
    Ok(passed)
}

/// Passes `input` through a cursor that sees no more of it than it must: `seen` bytes at a time, and
/// nothing of what is passed on whatever it is, but for its last `left` bytes.
#[track_caller]
fn pass_unseen(
    mut cursor: BodyCursor,
    input: &[u8],
    seen: usize,
    left: u64,
) -> Result<Passed, Reject> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < input.len() && !cursor.is_done() {
        let unseen = usize::try_from(cursor.verbatim().saturating_sub(left)).unwrap_or(usize::MAX);
        let unseen = unseen.min(input.len() - at);
        out.extend_from_slice(&input[at..at + unseen]);
        cursor.passed(unseen as u64);
        at += unseen;
        let piece = &input[at..input.len().min(at + seen)];
        let step = cursor.step(piece)?;
        out.extend_from_slice(step.prefix.as_bytes());
        out.extend_from_slice(&piece[step.skip..step.skip + step.forward]);
        if step.crlf {
            out.extend_from_slice(b"\r\n");
        }
        at += step.skip + step.forward;
    }
    out.extend_from_slice(cursor.tail());
    Ok(Passed {
        out,
        used: at,
        done: cursor.is_done(),
    })
}

/// Passes `input` whole; asserts that no cut changes what comes of it.
#[track_caller]
pub(super) fn pass_all_ways(new: impl Fn() -> BodyCursor, input: &[u8]) -> Result<Passed, Reject> {
    let whole = pass(new(), &[input]);
    let shown = &input[..input.len().min(200)];
    let bytewise: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(pass(new(), &bytewise), whole, "{}", shown.escape_ascii());
    for (seen, left) in [(1, 0), (1, 1), (7, 0), (7, 3)] {
        let unseen = pass_unseen(new(), input, seen, left);
        assert_eq!(unseen, whole, "unseen: {}", shown.escape_ascii());
    }
    let stride = 1 + input.len() / cuts(400);
    for cut in (0..=input.len()).step_by(stride) {
        let (a, b) = input.split_at(cut);
        assert_eq!(
            pass(new(), &[a, b]),
            whole,
            "cut at {cut}: {}",
            shown.escape_ascii()
        );
    }
    whole
}

/// Cuts `input` at random places.
pub(super) fn partition<'a>(random: &mut Random, input: &'a [u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = input;
    let longest = 1 + random.below(40);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(1 + random.below(longest)));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
