//! Unsigned numbers in messages: no sign, no space, no overflow.
//!
//! `str::parse` is not used on purpose: it accepts a leading `+`, which other parsers on the
//! way may not, and two readings of one length are how requests are smuggled.

use crate::limits::LENGTH_DIGITS_MAX;

/// Room for any `u64` in decimal.
pub(super) const DECIMAL_BYTES_MAX: usize = 20;
/// Room for any `u64` in hexadecimal.
pub(super) const HEX_BYTES_MAX: usize = 16;

/// Reads a `Content-Length`: 1 to 19 digits and at most `i64::MAX` (RFC 9110 §8.6 sets no
/// bound; beyond this one, common receivers overflow).
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > LENGTH_DIGITS_MAX {
        return None;
    }
    let mut value: u64 = 0;
    for &byte in text {
        let digit = char::from(byte).to_digit(10)?;
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    i64::try_from(value).is_ok().then_some(value)
}

/// Reads one hexadecimal digit.
pub(super) fn hex(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

/// Appends `value` in decimal.
pub(super) fn push_decimal(out: &mut Vec<u8>, value: u64) {
    let mut text = [b'0'; DECIMAL_BYTES_MAX];
    let mut rest = value;
    let mut unused = text.len();
    for slot in text.iter_mut().rev() {
        *slot = digit(rest % 10);
        rest /= 10;
        unused = unused.saturating_sub(1);
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(text.get(unused..).unwrap_or_default());
}

/// `octet` in decimal with a dot behind it, and the length of both.
pub(super) const fn octet_and_dot(octet: u8) -> ([u8; 4], usize) {
    let hundreds = b'0' | (octet / 100);
    let tens = b'0' | (octet / 10 % 10);
    let ones = b'0' | (octet % 10);
    match octet {
        0..=9 => ([ones, b'.', 0, 0], 2),
        10..=99 => ([tens, ones, b'.', 0], 3),
        100.. => ([hundreds, tens, ones, b'.'], 4),
    }
}

/// Writes `value` in hexadecimal at the end of `text` and answers with what was written.
pub(super) fn write_hex(value: u64, text: &mut [u8; HEX_BYTES_MAX]) -> &[u8] {
    let mut rest = value;
    let mut unused = text.len();
    for slot in text.iter_mut().rev() {
        *slot = digit(rest & 0xf);
        rest >>= 4;
        unused = unused.saturating_sub(1);
        if rest == 0 {
            break;
        }
    }
    text.get(unused..).unwrap_or_default()
}

/// `value` below 16 as a digit.
fn digit(value: u64) -> u8 {
    usize::try_from(value)
        .ok()
        .and_then(|index| DIGITS.get(index))
        .copied()
        .unwrap_or(b'0')
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";
