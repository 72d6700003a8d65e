//! Request targets.

use super::{accepts, refuses};
use crate::fault::Reject;
use crate::limits::TARGET_BYTES_MAX;

fn with(method: &str, target: &str, host: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

/// Asserts path, query and effective host.
#[track_caller]
fn reads(text: String, path: &str, query: Option<&str>, host: &str) {
    accepts(text, |head| {
        assert_eq!(head.path, path.as_bytes());
        assert_eq!(head.query, query.map(str::as_bytes));
        assert_eq!(head.host, Some(host.as_bytes()));
    });
}

#[test]
fn row_24_bytes() {
    for byte in 0_u8..=255 {
        let mut text = b"GET /a".to_vec();
        text.push(byte);
        text.extend_from_slice(b"b?c HTTP/1.1\r\nHost: a\r\n\r\n");
        match byte {
            b'\n' | b'\r' => refuses(text, 400, Reject::BareLineEnd),
            // What follows the space is then taken for the version.
            b' ' => refuses(text, 400, Reject::Version),
            b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'}' => {
                refuses(text, 400, Reject::TargetBytes);
            }
            b'!'..=b'~' => accepts(text, |head| assert_eq!(head.path[..2], b"/a"[..])),
            _ => refuses(text, 400, Reject::TargetBytes),
        }
    }
}

#[test]
fn row_25_length() {
    let of = |bytes: usize| with("GET", &format!("/{}", "t".repeat(bytes - 1)), "a");
    accepts(of(TARGET_BYTES_MAX), |head| {
        assert_eq!(head.path.len(), TARGET_BYTES_MAX);
    });
    refuses(of(TARGET_BYTES_MAX + 1), 414, Reject::TargetTooLong);
}

#[test]
fn origin_form() {
    reads(with("GET", "/", "a"), "/", None, "a");
    reads(with("GET", "/?", "a"), "/", Some(""), "a");
    reads(with("GET", "/p?q?r/../", "a"), "/p", Some("q?r/../"), "a");
    reads(with("GET", "//h/p", "a"), "//h/p", None, "a");
    reads(with("GET", "/http://h/p", "a"), "/http://h/p", None, "a");
}

#[test]
fn row_26_absolute_form() {
    reads(with("GET", "http://h/p?q", "h"), "/p", Some("q"), "h");
    reads(with("GET", "HTTP://H/p", "h"), "/p", None, "H");
    reads(with("GET", "https://h:443/p", "h"), "/p", None, "h:443");
    reads(with("GET", "http://h:80/p", "h"), "/p", None, "h:80");
    reads(with("GET", "http://h/p", "h:80"), "/p", None, "h");
    reads(with("GET", "http://h:/p", "h"), "/p", None, "h:");
    reads(with("GET", "http://h", "h"), "/", None, "h");
    reads(with("GET", "http://h?q", "h"), "/", Some("q"), "h");
    reads(
        with("GET", "http://[::1]:8080/p", "[::1]:8080"),
        "/p",
        None,
        "[::1]:8080",
    );
    reads(with("OPTIONS", "http://h", "h"), "*", None, "h");
    for host in ["g", "h:81", "h.", "", "h:443"] {
        refuses(
            with("GET", "http://h/p", host),
            400,
            Reject::TargetAuthority,
        );
    }
    refuses(
        with("GET", "https://h/p", "h:80"),
        400,
        Reject::TargetAuthority,
    );
    for target in [
        "http:///system",
        "http://",
        "http://u@h/p",
        "http://:80/p",
        "http://h:x/",
    ] {
        refuses(with("GET", target, "h"), 400, Reject::TargetAuthority);
    }
    // RFC 9112 §3.2: Host is required in HTTP/1.1 whatever the target's form.
    refuses("GET http://h/p HTTP/1.1\r\n\r\n", 400, Reject::Host);
    accepts("GET http://h/p HTTP/1.0\r\n\r\n", |head| {
        assert_eq!(head.host, Some(&b"h"[..]));
    });
}

#[test]
fn row_27_other_forms() {
    reads(with("OPTIONS", "*", "a"), "*", None, "a");
    refuses(with("GET", "*", "a"), 400, Reject::TargetForm);
    refuses(with("OPTIONS", "**", "a"), 400, Reject::TargetForm);
    for target in [
        "h:80",
        "h",
        "ftp://h/p",
        "file:///p",
        "function/x",
        "?q",
        "http:/h/p",
    ] {
        refuses(with("GET", target, "a"), 400, Reject::TargetForm);
    }
}
