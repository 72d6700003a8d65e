//! Rewritten heads.

use std::net::IpAddr;

use super::{accepts, get, ok, old, post, trusts, trusts_for};
use crate::http::forward::{self, Ids, ToClient, ToControl, ToFunction};
use crate::http::{Framing, Method, Version};

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

const TO: ToFunction<'static> = ToFunction {
    prefix: b"",
    rest: b"",
    host: b"fn:8080",
    peer: PEER,
    peer_is_trusted: false,
    call_id: b"call",
    start_time: b"17",
};

/// What the gateway adds to any request to a function.
const ADDED: &str = "X-Call-Id: call\r\nX-Start-Time: 17\r\n\
    X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Host: a\r\nX-Forwarded-Proto: http\r\n";

fn sent_with(text: impl AsRef<[u8]>, to: &ToFunction<'_>) -> String {
    accepts(text, |head| {
        let mut out = b"before".to_vec();
        forward::request(&head, to, &mut out);
        let out = String::from_utf8(out).unwrap();
        out.strip_prefix("before").unwrap().to_owned()
    })
}

/// The fields that come between `Host` and what the gateway adds.
#[track_caller]
fn keeps(text: impl AsRef<[u8]>, kept: &str) {
    let sent = sent_with(text, &TO);
    let (line, rest) = sent.split_once("Host: fn:8080\r\n").unwrap();
    assert!(line.ends_with(" / HTTP/1.1\r\n"), "{line}");
    let fields = rest.strip_suffix("\r\n").unwrap();
    let fields = fields.replace("X-Forwarded-Host: a\r\n", "");
    let added = ADDED.replace("X-Forwarded-Host: a\r\n", "");
    assert_eq!(fields.strip_suffix(&added), Some(kept), "{sent}");
}

#[test]
fn a_request_in_full() {
    let text = "POST /function/x/p%2F//q;r?a=b HTTP/1.1\r\nUser-Agent: t\r\nHost: a\r\n\
        Accept: */*\r\nContent-Length: 005\r\nX-Call-Id: mine\r\nAuthorization: Basic x\r\n\r\n";
    let to = ToFunction {
        prefix: b"/function/x",
        rest: b"/p%2F//q;r",
        ..TO
    };
    assert_eq!(
        sent_with(text, &to),
        format!(
            "POST /function/x/p%2F//q;r?a=b HTTP/1.1\r\nHost: fn:8080\r\nUser-Agent: t\r\n\
             Accept: */*\r\nAuthorization: Basic x\r\nContent-Length: 5\r\n{ADDED}\r\n"
        )
    );
}

#[test]
fn the_target_is_never_empty() {
    let line = |text: &str, to: &ToFunction<'_>| {
        let sent = sent_with(text, to);
        sent.split("\r\n").next().unwrap().to_owned()
    };
    assert_eq!(line(&get(""), &TO), "GET / HTTP/1.1");
    let query = "GET /function/x? HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(line(query, &TO), "GET /? HTTP/1.1");
    let prefix = ToFunction {
        prefix: b"/f/x",
        ..TO
    };
    assert_eq!(line(&old("PURGE", ""), &prefix), "PURGE /f/x/ HTTP/1.1");
}

#[test]
fn end_to_end_fields_keep_their_order_and_bytes() {
    keeps(
        get("A: 1\r\nb: 2\r\nUser_Id: 3\r\nA: 4\r\n"),
        "A: 1\r\nb: 2\r\nUser_Id: 3\r\nA: 4\r\n",
    );
    keeps(
        get("X-Real-Ip: 1\r\nX-Served-By: y\r\n"),
        "X-Real-Ip: 1\r\nX-Served-By: y\r\n",
    );
    keeps(get("a: gr\u{fc}n\r\n"), "a: gr\u{fc}n\r\n");
}

#[test]
fn odd_white_space_is_normalised() {
    keeps(
        get("a:1\r\nb:\t2 \r\nc:  3\r\nd:\r\ne: \r\n"),
        "a: 1\r\nb: 2\r\nc: 3\r\nd: \r\ne: \r\n",
    );
    keeps(
        get("a: 1\r\nb:2\r\nc: 3 \r\nd: 4\r\n"),
        "a: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\n",
    );
    keeps(get("a: 1 \t 2\r\n"), "a: 1 \t 2\r\n");
}

#[test]
fn hop_by_hop_fields_are_stripped() {
    for field in [
        "Connection: keep-alive",
        "Proxy-Connection: x",
        "Keep-Alive: timeout=5",
        "Proxy-Authenticate: x",
        "Proxy-Authorization: x",
        "TE: gzip",
        "Trailer: x",
        "Upgrade: h2c",
        "HTTP2-Settings: AAA",
        "X-Ringway-Peer: 1.2.3.4:5",
        "X-RINGWAY-any: x",
        "X-Start-Time: 1",
        "X-Call-Id: me",
        "X-Forwarded-For: 1",
        "X-Forwarded-Host: x",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Port: 1",
        "Forwarded: for=1",
        "Expect: 100-continue",
    ] {
        keeps(
            get(&format!("a: 1\r\n{field}\r\nb: 2\r\n")),
            "a: 1\r\nb: 2\r\n",
        );
    }
}

#[test]
fn row_41_nominated_fields_are_stripped_but_not_those_we_rely_on() {
    let fields = "X-Mine: 1\r\nOther: 2\r\nConnection: close, x-MINE\r\nX-Mine: 3\r\n";
    keeps(get(fields), "Other: 2\r\n");
    let fields = "Authorization: b\r\nCookie: c\r\nConnection: authorization, cookie, x\r\n";
    keeps(get(fields), "Authorization: b\r\nCookie: c\r\n");
    let to = ToFunction {
        peer_is_trusted: true,
        ..TO
    };
    let text = get("Connection: x-forwarded-for\r\nX-Forwarded-For: 1.1.1.1\r\n");
    assert!(sent_with(text, &to).contains("X-Forwarded-For: 1.1.1.1, 192.0.2.7\r\n"));
}

#[test]
fn framing_is_written_anew() {
    keeps(post("Content-Length: 0\r\n"), "Content-Length: 0\r\n");
    keeps(
        post("a: 1\r\ncontent-LENGTH:  0012 \r\nb: 2\r\n"),
        "a: 1\r\nb: 2\r\nContent-Length: 12\r\n",
    );
    keeps(
        post("transfer-encoding:CHUNKED\r\na: 1\r\n"),
        "a: 1\r\nTransfer-Encoding: chunked\r\n",
    );
    keeps(
        old("POST", "Content-Length: 5\r\n"),
        "Content-Length: 5\r\n",
    );
}

#[test]
fn trailers_are_announced_when_they_may_come() {
    let chunked = "Transfer-Encoding: chunked\r\n";
    let trailer = "Trailer: x-sum, Host,,X-Other, a b\r\nTrailer: Content-Length, y\r\n";
    keeps(
        post(&format!("{trailer}{chunked}")),
        "Transfer-Encoding: chunked\r\nTrailer: x-sum, X-Other, y\r\n",
    );
    keeps(post(trailer), "");
    keeps(post(&format!("{chunked}Trailer: host\r\n")), chunked);
    keeps(
        get("TE: deflate, trailers\r\nConnection: te\r\n"),
        "TE: trailers\r\n",
    );
}

#[test]
fn expectations_and_upgrades_are_passed_on() {
    keeps(
        post("Expect: 100-Continue\r\nContent-Length: 5\r\n"),
        "Content-Length: 5\r\nExpect: 100-continue\r\n",
    );
    keeps(
        get("Upgrade: WebSocket\r\nConnection: upgrade\r\nSec-WebSocket-Key: k\r\n"),
        "Sec-WebSocket-Key: k\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
    );
    keeps(get("Upgrade: websocket\r\n"), "");
    keeps(post("Upgrade: websocket\r\nConnection: upgrade\r\n"), "");
}

#[test]
fn traces_pass_whole_or_not_at_all() {
    let trace = "tracestate: a=1\r\n\
        traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    keeps(get(trace), trace);
    keeps(get(&format!("{trace}Connection: traceparent\r\n")), trace);
    keeps(get(&trace.replace("00-4b", "00-4B")), "");
    keeps(get("tracestate: a=1\r\n"), "");
}

#[test]
fn who_the_client_is() {
    let lines = |text: String, to: &ToFunction<'_>| {
        let sent = sent_with(text, to);
        let lines = sent.split("\r\n").filter(|line| line.contains("orwarded"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let trusted = ToFunction {
        peer_is_trusted: true,
        ..TO
    };
    let fields = "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Host: pub\r\nForwarded: for=1\r\n\
        x-forwarded-for: 2.2.2.2, 3.3.3.3\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For:\r\n";
    assert_eq!(
        lines(get(fields), &trusted),
        [
            "X-Forwarded-Host: pub",
            "Forwarded: for=1",
            "X-Forwarded-Proto: https",
            "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.7",
        ]
    );
    let own = [
        "X-Forwarded-For: 192.0.2.7",
        "X-Forwarded-Host: a",
        "X-Forwarded-Proto: http",
    ];
    assert_eq!(lines(get(fields), &TO), own);
    assert_eq!(lines(get(""), &trusted), own);
    let absolute = "GET http://pub:80/ HTTP/1.1\r\nHost: PUB\r\n\r\n";
    assert_eq!(lines(absolute.into(), &TO)[1], "X-Forwarded-Host: pub:80");
    // No Host, no X-Forwarded-Host.
    assert_eq!(lines(old("GET", ""), &TO), [own[0], own[2]]);
    let empty = "GET / HTTP/1.1\r\nHost:\r\n\r\n";
    assert_eq!(lines(empty.into(), &TO), [own[0], own[2]]);
    for (peer, shown) in [
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("0.0.0.0", "0.0.0.0"),
        ("255.255.255.255", "255.255.255.255"),
    ] {
        let to = ToFunction {
            peer: peer.parse().unwrap(),
            ..TO
        };
        assert_eq!(lines(get(""), &to)[0], format!("X-Forwarded-For: {shown}"));
    }
}

#[test]
fn a_request_to_the_control_plane() {
    let sent = |text: &str, peer: &str| {
        accepts(text, |head| {
            let mut out = Vec::new();
            let to = ToControl {
                peer: peer.parse().unwrap(),
                call_id: b"call",
            };
            forward::control_request(&head, &to, &mut out);
            String::from_utf8(out).unwrap()
        })
    };
    assert_eq!(
        sent(
            "POST /system/functions?a HTTP/1.1\r\nHost: pub\r\nAuthorization: Basic x\r\n\
             X-Ringway-Peer: 9.9.9.9:9\r\nContent-Length: 5\r\nConnection: upgrade, mine\r\n\
             Upgrade: websocket\r\nMine: 1\r\nX-Forwarded-For: 1\r\nX-Call-Id: c\r\n\r\n"
                .replace("Connection: upgrade, mine", "Connection: mine")
                .as_str(),
            "192.0.2.7:4711"
        ),
        "POST /system/functions?a HTTP/1.1\r\nHost: pub\r\nAuthorization: Basic x\r\n\
         X-Forwarded-For: 1\r\nContent-Length: 5\r\nX-Call-Id: call\r\n\
         X-Ringway-Peer: 192.0.2.7:4711\r\n\r\n"
    );
    let upgrade =
        "GET /ui HTTP/1.1\r\nHost: p\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(
        sent(upgrade, "[2001:db8::1]:1"),
        "GET /ui HTTP/1.1\r\nHost: p\r\nX-Call-Id: call\r\nX-Ringway-Peer: [2001:db8::1]:1\r\n\r\n"
    );
    let options = "OPTIONS * HTTP/1.0\r\n\r\n";
    assert_eq!(
        sent(options, "[::ffff:192.0.2.7]:65535"),
        "OPTIONS * HTTP/1.1\r\nHost: \r\nX-Call-Id: call\r\n\
         X-Ringway-Peer: 192.0.2.7:65535\r\n\r\n"
    );
}

const BACK: ToClient<'static> = ToClient {
    version: Version::Http11,
    framing: Framing::Length(5),
    close: false,
    trailers: false,
    ids: None,
    cors: b"",
};

#[track_caller]
fn answers(text: impl AsRef<[u8]>, to: &ToClient<'_>, expected: &str) {
    trusts(text, |head| {
        let mut out = Vec::new();
        forward::response(&head, to, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    });
}

#[test]
fn a_reply_in_full() {
    let ids = Ids {
        call_id: b"c",
        start_time: b"1",
        served_by: b"r",
    };
    let to = ToClient {
        ids: Some(ids),
        ..BACK
    };
    answers(
        "HTTP/1.0 201 Made \r\nA: 1\r\nContent-Length: 5\r\nConnection: x, close\r\nX: 2\r\n\
         Keep-Alive: 1\r\nB:3\r\nSet-Cookie: c\r\nProxy-Authenticate: x\r\nTrailer: t\r\n\r\n",
        &to,
        "HTTP/1.1 201 Made \r\nA: 1\r\nB: 3\r\nSet-Cookie: c\r\nContent-Length: 5\r\n\
         X-Call-Id: c\r\nX-Start-Time: 1\r\nX-Served-By: r\r\n\r\n",
    );
    answers(
        ok("Content-Length: 5\r\nx-call-id: own\r\nX-Served-By: me\r\n"),
        &to,
        "HTTP/1.1 200 OK\r\nx-call-id: own\r\nX-Served-By: me\r\nContent-Length: 5\r\n\
         X-Start-Time: 1\r\n\r\n",
    );
}

#[test]
fn the_clients_framing_and_persistence() {
    let plain = "HTTP/1.1 200\r\n\r\n";
    let chunked = ToClient {
        framing: Framing::Chunked,
        ..BACK
    };
    answers(
        plain,
        &chunked,
        "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    let closing = ToClient {
        framing: Framing::UntilClose,
        close: true,
        ..BACK
    };
    answers(
        plain,
        &closing,
        "HTTP/1.1 200 \r\nConnection: close\r\n\r\n",
    );
    let kept = ToClient {
        version: Version::Http10,
        ..BACK
    };
    answers(
        ok("Content-Length: 5\r\n"),
        &kept,
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n",
    );
    let trailing = "Transfer-Encoding: chunked\r\nTrailer: Sum, Set-Cookie\r\n";
    let with = ToClient {
        trailers: true,
        ..chunked
    };
    answers(
        ok(trailing),
        &with,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n",
    );
    answers(
        ok(trailing),
        &chunked,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
}

#[test]
fn replies_without_a_body_keep_only_a_declared_length() {
    let none = ToClient {
        framing: Framing::None,
        ..BACK
    };
    answers(
        "HTTP/1.1 304 N\r\nETag: x\r\nContent-Length: 05\r\n\r\n",
        &none,
        "HTTP/1.1 304 N\r\nETag: x\r\nContent-Length: 5\r\n\r\n",
    );
    answers(
        "HTTP/1.1 204 N\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        &none,
        "HTTP/1.1 204 N\r\n\r\n",
    );
    trusts_for(Method::Head, ok("Content-Length: 7\r\n"), |head| {
        let mut out = Vec::new();
        forward::response(&head, &none, &mut out);
        assert_eq!(out, b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
    });
}

#[test]
fn a_switch_to_websocket() {
    let none = ToClient {
        framing: Framing::None,
        close: true,
        ..BACK
    };
    answers(
        "HTTP/1.1 101 S\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: k\r\n\
         Content-Length: 5\r\n\r\n",
        &none,
        "HTTP/1.1 101 S\r\nSec-WebSocket-Accept: k\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
}

#[test]
fn an_interim_reply() {
    let text = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 5\r\nConnection: x\r\n\
        X: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    trusts(text, |head| {
        let mut out = Vec::new();
        forward::interim(&head, &mut out);
        assert_eq!(out, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    });
}

#[test]
fn cors_fields_are_added_unless_the_function_has_its_own() {
    let to = ToClient {
        cors: b"Access-Control-Allow-Origin: *\r\nVary: Origin\r\n",
        ..BACK
    };
    answers(
        ok("Vary: Accept\r\nContent-Length: 5\r\n"),
        &to,
        "HTTP/1.1 200 OK\r\nVary: Accept\r\nContent-Length: 5\r\n\
         Access-Control-Allow-Origin: *\r\nVary: Origin\r\n\r\n",
    );
    answers(
        ok("access-control-allow-ORIGIN: http://a\r\nContent-Length: 5\r\n"),
        &to,
        "HTTP/1.1 200 OK\r\naccess-control-allow-ORIGIN: http://a\r\nContent-Length: 5\r\n\r\n",
    );
}
