//! Percent-encoding (RFC 3986 §2.1) of texts that become part of a request's target. Pure.

use std::fmt::Write;

/// Encodes everything but the unreserved characters; fit for a path's segment and for a query's
/// value.
#[must_use]
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_target_is_encoded() {
        assert_eq!(encoded("a-b.c_d~9"), "a-b.c_d~9");
        assert_eq!(encoded("../a?b#c d%é"), "..%2Fa%3Fb%23c%20d%25%C3%A9");
    }
}
