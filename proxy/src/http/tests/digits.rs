//! Numbers.

use crate::http::digits::{HEX_BYTES_MAX, decimal, hex, octet_and_dot, push_decimal, write_hex};

#[test]
fn rows_6_and_7_plain_digits_only() {
    assert_eq!(decimal(b"0"), Some(0));
    assert_eq!(decimal(b"005"), Some(5));
    assert_eq!(decimal(b"0000000000000000005"), Some(5));
    assert_eq!(decimal(b"9223372036854775807"), Some(i64::MAX as u64));
    for bad in [
        "",
        "+5",
        "-5",
        "0x5",
        "5 5",
        "5 ",
        " 5",
        "5;",
        "5,5",
        "5a",
        "5.0",
        "1e3",
        "٥",
        "9223372036854775808",
        "9999999999999999999",
        "00000000000000000005",
    ] {
        assert_eq!(decimal(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn hexadecimal_digits() {
    for (byte, value) in [(b'0', 0), (b'9', 9), (b'a', 10), (b'F', 15)] {
        assert_eq!(hex(byte), Some(value));
    }
    for byte in [
        b'g', b'G', b'+', b' ', b'x', 0, 0xff, b'/', b':', b'@', b'`',
    ] {
        assert_eq!(hex(byte), None);
    }
}

#[test]
fn written_as_read() {
    for value in [0, 1, 9, 10, 255, 256, 65_535, u64::MAX] {
        let mut out = b"n=".to_vec();
        push_decimal(&mut out, value);
        assert_eq!(out, format!("n={value}").into_bytes());
        let mut room = [0; HEX_BYTES_MAX];
        assert_eq!(write_hex(value, &mut room), format!("{value:x}").as_bytes());
    }
}

#[test]
fn octets_end_with_a_dot() {
    for octet in 0..=u8::MAX {
        let (digits, len) = octet_and_dot(octet);
        assert_eq!(digits[..len], *format!("{octet}.").as_bytes());
    }
}
