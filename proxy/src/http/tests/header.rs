//! Names of fields.

use super::{Random, rounds};
use crate::http::header::{folds_to, starts_folded};

#[test]
fn a_name_is_known_in_any_case_and_with_low_lines() {
    for known in [
        "te",
        "host",
        "cookie",
        "upgrade",
        "x-call-id",
        "http2-settings",
    ] {
        let name = known.to_uppercase();
        assert!(folds_to(name.as_bytes(), known.as_bytes()), "{name}");
        let name = name.replace('-', "_");
        assert!(folds_to(name.as_bytes(), known.as_bytes()), "{name}");
    }
    assert!(starts_folded(b"X-Forwarded_For", b"x-forwarded-"));
    assert!(!starts_folded(b"x-forwarded", b"x-forwarded-"));
    assert!(!folds_to(b"host", b"hosts"));
}

/// Whatever is compared at once is compared as byte for byte.
#[test]
fn names_are_compared_as_byte_by_byte() {
    let same = |name: &[u8], known: &[u8]| {
        name.iter().zip(known).all(|(byte, is)| match byte {
            b'_' => *is == b'-',
            _ => byte.to_ascii_lowercase() == *is,
        })
    };
    let mut random = Random::new(17);
    for _ in 0..rounds(200_000) {
        let known: Vec<u8> = (0..random.below(21))
            .map(|_| b"abchtz-029"[random.below(10)])
            .collect();
        let mut name = known.clone();
        for _ in 0..random.below(3) {
            if !name.is_empty() {
                let at = random.below(name.len());
                name[at] = match random.below(4) {
                    0 => name[at] ^ 0x20,
                    1 => name[at] ^ (1 << random.below(8)),
                    2 => b'_',
                    _ => random.next() as u8,
                };
            }
        }
        assert_eq!(
            folds_to(&name, &known),
            same(&name, &known),
            "{name:?} {known:?}"
        );
    }
}
