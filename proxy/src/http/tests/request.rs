//! Request heads: the rules about syntax, methods, hosts and the fields the gateway acts on.

use super::{accepts, get, old, post, refuses};
use crate::fault::Reject;
use crate::http::{Framing, Method, Version};
use crate::limits::REQUEST_HEADERS_MAX;
use crate::limits::{CALL_ID_BYTES_MAX, CONNECTION_OPTIONS_MAX, METHOD_BYTES_MAX};

#[test]
fn what_a_plain_request_says() {
    let text = "GET /function/x/y?a=1&b HTTP/1.1\r\nHost: h:80\r\nX-Call-Id: abc\r\n\r\n";
    accepts(text, |head| {
        assert_eq!(head.method, Method::Get);
        assert_eq!(head.method_bytes, b"GET");
        assert_eq!(head.path, b"/function/x/y");
        assert_eq!(head.query, Some(&b"a=1&b"[..]));
        assert_eq!(head.version, Version::Http11);
        assert_eq!(head.headers.len(), 2);
        assert_eq!(head.host, Some(&b"h:80"[..]));
        assert_eq!(head.framing, Framing::None);
        assert!(head.keep_alive && !head.expect_continue);
        assert!(!head.websocket && !head.wants_trailers);
        assert_eq!(head.call_id, Some(&b"abc"[..]));
    });
}

#[test]
fn row_14_underscores_do_not_disguise_a_field() {
    for name in [
        "Content_Length",
        "Transfer_Encoding",
        "transfer_encoding",
        "X_Forwarded_For",
        "X-Forwarded_Host",
        "X_Forwarded_Port",
        "X_Ringway_Peer",
        "X_RINGWAY-peer",
        "Proxy_Authorization",
        "Proxy_Connection",
        "Keep_Alive",
        "X_Call_Id",
    ] {
        refuses(get(&format!("{name}: 1\r\n")), 400, Reject::Underscore);
    }
    for name in [
        "user_id",
        "X_Forward",
        "_",
        "__",
        "Content_Type",
        "Content-Lengths_",
    ] {
        accepts(get(&format!("{name}: 1\r\n")), |head| {
            assert_eq!(head.headers.len(), 2);
        });
    }
}

#[test]
fn rows_14_and_20_names() {
    for line in [
        "Transfer-Encoding : chunked",
        "transfer-encoding\t: chunked",
        "Content-Length : 5",
        ": x",
        "no colon",
        "na\u{e9}me: x",
        "na me: x",
        "na(me: x",
        "na\0me: x",
    ] {
        refuses(post(&format!("{line}\r\n")), 400, Reject::HeaderBytes);
    }
    accepts(get("!#$%&'*+-.^`|~09azAZ: x\r\n"), |head| {
        assert_eq!(head.headers.len(), 2);
    });
}

#[test]
fn rows_15_and_21_white_space_does_not_begin_a_line() {
    refuses(get("a: b\r\n c\r\n"), 400, Reject::ObsFold);
    refuses(get("a: b\r\n\tc\r\n"), 400, Reject::ObsFold);
    refuses(get(" a: b\r\n"), 400, Reject::ObsFold);
    let first = "GET / HTTP/1.1\r\n Host: a\r\n\r\n";
    refuses(first, 400, Reject::Syntax);
    refuses(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, Reject::Syntax);
    refuses("\tGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, Reject::Syntax);
}

#[test]
fn row_17_bare_cr() {
    refuses(get("a: b\rc\r\n"), 400, Reject::BareLineEnd);
    refuses(get("a: b\r\r\n"), 400, Reject::BareLineEnd);
    refuses(get("a\r: b\r\n"), 400, Reject::BareLineEnd);
    refuses(
        "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n",
        400,
        Reject::BareLineEnd,
    );
    refuses(
        "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        400,
        Reject::BareLineEnd,
    );
    refuses(
        "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n\r\n",
        400,
        Reject::BareLineEnd,
    );
}

#[test]
fn rows_18_and_19_value_bytes() {
    for byte in (0..=31_u8).chain([127]) {
        let mut text = get("a: b").into_bytes();
        // In front of the empty line.
        text.truncate(text.len() - 2);
        text.push(byte);
        text.extend_from_slice(b"c\r\n\r\n");
        match byte {
            b'\t' => accepts(text, |head| assert_eq!(head.headers[1].value, b"b\tc")),
            b'\n' | b'\r' => refuses(text, 400, Reject::BareLineEnd),
            _ => refuses(text, 400, Reject::HeaderBytes),
        }
    }
    accepts(get("a: gr\u{fc}n\r\n"), |head| {
        assert_eq!(head.headers[1].value, "gr\u{fc}n".as_bytes());
    });
}

#[test]
fn row_23_methods() {
    let with = |method: &str| format!("{method} /function/x HTTP/1.1\r\nHost: a\r\n\r\n");
    for (name, method) in [
        ("GET", Method::Get),
        ("HEAD", Method::Head),
        ("POST", Method::Post),
        ("PUT", Method::Put),
        ("DELETE", Method::Delete),
        ("OPTIONS", Method::Options),
        ("PATCH", Method::Patch),
        ("PURGE", Method::Other),
        ("get", Method::Other),
        ("M-SEARCH", Method::Other),
    ] {
        accepts(with(name), |head| assert_eq!(head.method, method));
    }
    accepts(with(&"M".repeat(METHOD_BYTES_MAX)), |head| {
        assert_eq!(head.method, Method::Other);
    });
    let long = with(&"M".repeat(METHOD_BYTES_MAX + 1));
    refuses(long, 400, Reject::Method);
    for bad in ["G(T", "G\u{e9}T", "", "G,T", "G\0T"] {
        let why = if bad.is_empty() {
            Reject::Syntax
        } else {
            Reject::Method
        };
        refuses(with(bad), 400, why);
    }
    for refused in ["TRACE", "TRACK", "CONNECT", "trace", "Connect"] {
        refuses(with(refused), 405, Reject::MethodRefused);
    }
    let tunnel = "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n";
    refuses(tunnel, 405, Reject::MethodRefused);
}

#[test]
fn row_28_host() {
    let with = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n");
    refuses(with(""), 400, Reject::Host);
    refuses(with("Host: a\r\nHost: a\r\n"), 400, Reject::Host);
    refuses(with("Host: a\r\nhost: b\r\n"), 400, Reject::Host);
    for bad in [
        "a/b", "a?b", "a#b", "a@b", "a,b", "a b", "a\\b", "a:b", "[::1", "a]", "a:80:80",
    ] {
        refuses(with(&format!("Host: {bad}\r\n")), 400, Reject::Host);
    }
    for good in [
        "",
        "a",
        "a:80",
        "A.b-c_d",
        "127.0.0.1:8080",
        "[::1]",
        "[::1]:80",
        "a:",
    ] {
        accepts(with(&format!("Host: {good}\r\n")), |head| {
            assert_eq!(head.host, Some(good.as_bytes()));
        });
    }
    accepts(old("GET", ""), |head| assert_eq!(head.host, None));
}

#[test]
fn rows_29_and_30_versions() {
    refuses("GET /\r\n\r\n", 400, Reject::Version);
    let with = |version: &str| format!("GET / {version}\r\nHost: a\r\n\r\n");
    for later in [
        "HTTP/1.2", "HTTP/1.9", "HTTP/2.0", "HTTP/0.9", "HTTP/3.0", "HTTP/2",
    ] {
        refuses(with(later), 505, Reject::Version);
    }
    for bad in [
        "http/1.1",
        "HTTP/1.11",
        "HTTP/11",
        "HTTP/1,1",
        "HTTP 1.1",
        "HTTP/1.1 ",
        "X/1.1",
    ] {
        refuses(with(bad), 400, Reject::Version);
    }
    accepts(old("GET", ""), |head| {
        assert_eq!(head.version, Version::Http10)
    });
}

#[test]
fn row_33_most_fields() {
    let with = |fields: usize| get(&"a: b\r\n".repeat(fields - 1));
    accepts(with(REQUEST_HEADERS_MAX), |head| {
        assert_eq!(head.headers.len(), REQUEST_HEADERS_MAX);
    });
    refuses(with(REQUEST_HEADERS_MAX + 1), 431, Reject::HeadTooLarge);
}

#[test]
fn keep_alive_by_version_and_options() {
    let keeps = |text: String| accepts(text, |head| head.keep_alive);
    assert!(keeps(get("")));
    assert!(keeps(get("Connection: keep-alive\r\n")));
    assert!(!keeps(get("Connection: close\r\n")));
    assert!(!keeps(get("Connection: foo, CLOSE\r\n")));
    assert!(!keeps(get(
        "Connection: keep-alive\r\nConnection: close\r\n"
    )));
    assert!(!keeps(get("Connection: ,close,\r\n")));
    assert!(!keeps(old("GET", "")));
    assert!(keeps(old("GET", "Connection: Keep-Alive\r\n")));
    assert!(!keeps(old("GET", "Connection: keep-alive, close\r\n")));
    assert!(keeps(get(
        "Connection: closed\r\nProxy-Connection: close\r\n"
    )));
}

#[test]
fn row_41_nominations() {
    for name in [
        "content-length",
        "Transfer-Encoding",
        "host",
        "content_length",
    ] {
        let text = post(&format!(
            "Content-Length: 0\r\nConnection: close, {name}\r\n"
        ));
        refuses(text, 400, Reject::Nomination);
    }
    for name in [
        "authorization",
        "x-call-id",
        "te",
        "x-forwarded-for",
        "upgrade",
    ] {
        accepts(get(&format!("Connection: {name}\r\n")), |head| {
            assert!(!head.nominates, "{name}");
        });
    }
    accepts(get("Connection: x-mine\r\n"), |head| {
        assert!(head.nominates)
    });
    let most = vec!["a"; CONNECTION_OPTIONS_MAX].join(",");
    accepts(get(&format!("Connection: {most}\r\n")), |head| {
        assert!(head.nominates);
    });
    let more = get(&format!("Connection: {most}\r\nConnection: close\r\n"));
    refuses(more, 400, Reject::ConnectionOptions);
}

#[test]
fn expectations() {
    let expects = |text: String| accepts(text, |head| head.expect_continue);
    assert!(expects(post(
        "Content-Length: 5\r\nExpect: 100-continue\r\n"
    )));
    assert!(expects(post(
        "Transfer-Encoding: chunked\r\nExpect: 100-Continue\r\n"
    )));
    assert!(!expects(post(
        "Content-Length: 0\r\nExpect: 100-continue\r\n"
    )));
    assert!(!expects(post("Expect: 100-continue\r\n")));
    // RFC 9110 §10.1.1: ignored in HTTP/1.0.
    assert!(!expects(old(
        "POST",
        "Content-Length: 5\r\nExpect: 100-continue\r\n"
    )));
    for bad in ["", "200-ok", "100-continue, x", "100-continue;q=1"] {
        let text = post(&format!("Content-Length: 5\r\nExpect: {bad}\r\n"));
        refuses(text, 417, Reject::Expect);
    }
}

#[test]
fn rows_42_and_43_upgrades() {
    let websocket = |text: String| accepts(text, |head| head.websocket);
    let fields = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";
    assert!(websocket(get(fields)));
    assert!(websocket(get(&format!("{fields}Content-Length: 0\r\n"))));
    assert!(!websocket(get("Upgrade: websocket\r\n")));
    assert!(!websocket(get("Connection: upgrade\r\n")));
    assert!(!websocket(post(fields)));
    assert!(!websocket(old("GET", fields)));
    assert!(!websocket(old(
        "POST",
        &format!("{fields}Content-Length: 5\r\n")
    )));
    for other in ["h2c", "h2", "websocket, h2c", "websocket/13", "TLS/1.0", ""] {
        let text = get(&format!("Connection: upgrade\r\nUpgrade: {other}\r\n"));
        assert!(!websocket(text), "{other}");
    }
    let twice = "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n";
    assert!(!websocket(get(twice)));
    for body in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        refuses(get(&format!("{fields}{body}")), 400, Reject::UpgradeBody);
        refuses(post(&format!("{fields}{body}")), 400, Reject::UpgradeBody);
    }
}

#[test]
fn trailers_are_wanted_when_te_says_so() {
    let wants = |text: String| accepts(text, |head| head.wants_trailers);
    assert!(wants(get("TE: trailers\r\n")));
    assert!(wants(get("TE: gzip;q=0.5, Trailers\r\nConnection: TE\r\n")));
    assert!(!wants(get("TE: gzip\r\n")));
    assert!(!wants(get("TE: trailer\r\n")));
    assert!(!wants(old("GET", "TE: trailers\r\n")));
}

#[test]
fn row_45_only_usable_call_ids_are_kept() {
    let id = |text: String| accepts(text, |head| head.call_id.map(<[u8]>::to_vec));
    let longest = "i".repeat(CALL_ID_BYTES_MAX);
    assert_eq!(
        id(get(&format!("x-call-id: {longest}\r\n"))),
        Some(longest.clone().into())
    );
    assert_eq!(id(get(&format!("x-call-id: {longest}i\r\n"))), None);
    for bad in ["", "a b", "a,b", "a\tb", "\u{e9}", "a:b", "a/b"] {
        assert_eq!(id(get(&format!("x-call-id: {bad}\r\n"))), None, "{bad}");
    }
    assert_eq!(id(get("x-call-id: a\r\nx-call-id: a\r\n")), None);
}

#[test]
fn traces_are_kept_when_well_formed() {
    let traced = |value: &str| {
        let text = get(&format!("tracestate: a=1\r\ntraceparent: {value}\r\n"));
        accepts(text, |head| head.traced)
    };
    let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert!(traced(good));
    assert!(traced(&good.replace("00-4b", "cc-4b")));
    for bad in [
        "",
        "00",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
    ] {
        assert!(!traced(bad), "{bad}");
    }
    let twice = get(&format!("traceparent: {good}\r\ntraceparent: {good}\r\n"));
    assert!(!accepts(twice, |head| head.traced));
}
