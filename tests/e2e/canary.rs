//! What stands behind a request in the same write: behind a refused one it is never answered,
//! behind an odd one that is accepted it is answered by its function.

use std::path::PathBuf;
use std::time::Duration;

use ringway_tests::{Client, Deployment, Gateway};

/// A reason's label, the status, and requests that are refused for it.
type Refused = (&'static str, u16, Vec<String>);

/// The start of a request to the function, which lacks fields and an empty line.
const POST: &str = "POST /function/vice/x HTTP/1.1\r\nHost: a\r\n";
const GET: &str = "GET /function/vice/x HTTP/1.1\r\nHost: a\r\n";

/// What is refused where lines, names and fields are read.
fn refused_for_syntax() -> Vec<Refused> {
    let owned = |requests: &[&str]| requests.iter().map(|r| (*r).to_owned()).collect();
    let get = |fields: &[&str]| fields.iter().map(|f| format!("{GET}{f}\r\n")).collect();
    vec![
        ("syntax", 400, {
            let leading = format!(" {GET}\r\n");
            vec![format!("\r\n\r\n{GET}\r\n"), leading]
        }),
        ("bare_line_end", 400, get(&["X: y\n", "X: y\rZ: w\r\n"])),
        (
            "header_bytes",
            400,
            get(&["X: \0\r\n", "X(y): z\r\n", "no colon\r\n", "X : y\r\n"]),
        ),
        ("obs_fold", 400, get(&["X: y\r\n z\r\n"])),
        ("underscore", 400, get(&["Content_Length: 5\r\n"])),
        ("nomination", 400, get(&["Connection: content-length\r\n"])),
        ("expect", 417, get(&["Expect: tea\r\n"])),
        (
            "method",
            400,
            vec![
                GET.replacen("GET", "G@T", 1) + "\r\n",
                GET.replacen("GET", &"G".repeat(33), 1) + "\r\n",
            ],
        ),
        (
            "method_refused",
            405,
            ["TRACE", "TRACK", "CONNECT"]
                .map(|m| GET.replacen("GET", m, 1) + "\r\n")
                .to_vec(),
        ),
        // A version of the right form, as `HTTP/2.0`, is 505: tests/e2e/head.rs.
        (
            "version",
            400,
            owned(&[
                "GET /function/vice/x\r\nHost: a\r\n\r\n",
                "GET /function/vice/x http/1.1\r\nHost: a\r\n\r\n",
            ]),
        ),
        (
            "http2_preface",
            505,
            owned(&["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]),
        ),
        (
            "host",
            400,
            owned(&[
                "GET /function/vice/x HTTP/1.1\r\n\r\n",
                "GET /function/vice/x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
                "GET /function/vice/x HTTP/1.1\r\nHost: a b\r\n\r\n",
            ]),
        ),
    ]
}

/// What is refused for its target, or its size.
fn refused_for_target() -> Vec<Refused> {
    let to = |targets: &[&str]| {
        let request = |t: &&str| format!("GET {t} HTTP/1.1\r\nHost: a\r\n\r\n");
        targets.iter().map(request).collect()
    };
    let long = format!("/function/vice/{}", "a".repeat(8 * 1024));
    let many: String = (0..128).map(|i| format!("X-{i}: y\r\n")).collect();
    let large = format!("X: {}\r\n", "y".repeat(17 * 1024));
    vec![
        ("target_bytes", 400, to(&["/function/vice/x\"", "/a#b"])),
        ("target_too_long", 414, to(&[&long])),
        ("target_form", 400, to(&["*", "a", "ftp://a/x"])),
        (
            "target_authority",
            400,
            to(&["http:///x", "http://b/function/vice/x"]),
        ),
        (
            "path",
            400,
            to(&["/function/vice/%2e%2e/x", "/function/vice%2fx"]),
        ),
        (
            "head_too_large",
            431,
            vec![format!("{GET}{many}\r\n"), format!("{GET}{large}\r\n")],
        ),
    ]
}

/// What is refused for where its body ends.
fn refused_for_framing() -> Vec<Refused> {
    let post = |rests: &[&str]| rests.iter().map(|r| format!("{POST}{r}")).collect();
    let chunked = |bodies: &[&str]| {
        let request = |b: &&str| format!("{POST}Transfer-Encoding: chunked\r\n\r\n{b}");
        bodies.iter().map(request).collect()
    };
    let old = |method: &str, rest: &str| {
        vec![format!(
            "{method} /function/vice/x HTTP/1.0\r\nHost: a\r\n{rest}"
        )]
    };
    let trailer = format!("0\r\nX: {}\r\n\r\n", "y".repeat(9 * 1024));
    vec![
        (
            "length_and_chunked",
            400,
            post(&["Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]),
        ),
        (
            "repeated_length",
            400,
            post(&["Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"]),
        ),
        (
            "bad_length",
            400,
            post(&[
                "Content-Length: +5\r\n\r\nhello",
                "Content-Length: 99999999999999999999\r\n\r\nhello",
            ]),
        ),
        (
            "bad_transfer_encoding",
            400,
            post(&["Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"]),
        ),
        (
            "chunked_http10",
            400,
            old("POST", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "body_http10",
            413,
            old("GET", "Content-Length: 5\r\n\r\nhello"),
        ),
        (
            "upgrade_body",
            400,
            post(&["Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello"]),
        ),
        (
            "chunked",
            400,
            chunked(&["+5\r\nhello\r\n0\r\n\r\n", "5\r\nhello!\r\n0\r\n\r\n"]),
        ),
        (
            "trailers",
            400,
            chunked(&["0\r\nContent-Length: 5\r\n\r\n", &trailer]),
        ),
    ]
}

/// Odd, but clear: the request's marker in the function's reply, or the gateway's own status.
fn accepted() -> Vec<(String, &'static str, u16)> {
    let odd = |request: &str| (request.to_owned(), "vice GET /x", 200);
    let post = |rest: &str| (format!("{POST}{rest}"), "vice POST /x", 200);
    let own = |request: &str, status| (request.to_owned(), "", status);
    vec![
        odd(&format!("\r\n{GET}\r\n")),
        odd("GET /function/vice/x HTTP/1.1\r\nhost:a\r\nX:\r\nX:\t y \r\n\r\n"),
        odd("GET http://a/function/vice/x HTTP/1.1\r\nHost: a\r\n\r\n"),
        odd("GET /function/vice/x? HTTP/1.1\r\nHost: a\r\n\r\n"),
        odd("GET /function/vice/x HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"),
        odd(&format!("{GET}Content-Length: 5\r\n\r\nhello")),
        odd(&format!("{GET}Upgrade: h2c\r\nConnection: upgrade\r\n\r\n")),
        odd(&format!("{GET}X_Own: y\r\nConnection: x-own, x\r\n\r\n")),
        post("Content-Length: 005\r\n\r\nhello"),
        post("Content-Length:\t5 \r\n\r\nhello"),
        post("Content-Length: 0\r\n\r\n"),
        post("\r\n"),
        post("transfer-encoding: CHUNKED\r\n\r\n005;a=b\r\nhello\r\n000\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
        post("Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"),
        own("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        own("GET //function/vice HTTP/1.1\r\nHost: a\r\n\r\n", 301),
        own("GET /function/nobody HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    ]
}

struct Scene {
    gateway: Gateway,
    calls: PathBuf,
}

impl Scene {
    fn start() -> Self {
        let gateway = Gateway::start();
        let calls = gateway.data.path().join("calls");
        let vice = Deployment::vice("vice").env("VICE_CALLS", &calls.display().to_string());
        gateway.deploy_ready(&vice, 1);
        Self { gateway, calls }
    }

    /// A connection on which the request and its canary were sent, in one write or byte by byte.
    fn send(&self, request: &str, canary: usize, bytewise: bool) -> Client {
        let behind = format!("GET /function/vice/canary?id={canary}. HTTP/1.1\r\nHost: a\r\n\r\n");
        let bytes = format!("{request}{behind}").into_bytes();
        let mut client = Client::connect(self.gateway.address).unwrap();
        let size = if bytewise { 1 } else { bytes.len() };
        for piece in bytes.chunks(size) {
            // Whoever refuses may have closed by now.
            if client.send(piece).is_err() {
                break;
            }
        }
        client
    }

    fn has_seen(&self, canary: usize) -> bool {
        let calls = std::fs::read_to_string(&self.calls).unwrap_or_default();
        calls.lines().any(|line| line == format!("{canary}."))
    }
}

/// Sends a label's requests one after the other: each ends its connection, and counts once.
fn refuse(scene: &Scene, (label, status, requests): Refused, first: usize, bytewise: bool) {
    let series = format!("ringway_rejects_total{{reason=\"{label}\"}}");
    for (nth, request) in requests.iter().enumerate() {
        let canary = first + nth;
        let shown: String = request.chars().take(120).collect();
        let what = format!("{label}: {shown:?}");
        let mut client = scene.send(request, canary, bytewise);
        let reply = client.reply("GET");
        let reply = reply.unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
        assert_eq!(reply.header("x-openfaas-internal"), Some("gateway"));
        assert_eq!(reply.header("connection"), Some("close"), "{what}");
        let closed = client.is_closed(Duration::from_secs(10));
        assert!(closed, "{what}: more than one reply, or no end");
        let told = u32::try_from(nth + 1).unwrap_or(0);
        scene.gateway.await_metric(&series, told.into());
        assert!(!scene.has_seen(canary), "{what}: the canary was seen");
    }
}

/// The labels side by side: each has a counter of its own.
fn refused_requests_hide_nothing(bytewise: bool) {
    let scene = Scene::start();
    let cases = [
        refused_for_syntax(),
        refused_for_target(),
        refused_for_framing(),
    ];
    let wanted: usize = cases.iter().flatten().map(|(_, _, r)| r.len()).sum();
    std::thread::scope(|scope| {
        for (n, case) in cases.into_iter().flatten().enumerate() {
            let scene = &scene;
            scope.spawn(move || refuse(scene, case, 100 * n, bytewise));
        }
    });
    // Each is counted once, and nothing else is.
    let counted = scene.gateway.sum("ringway_rejects_total");
    assert_eq!(counted, f64::from(u32::try_from(wanted).unwrap_or(0)));
    // A canary that came late would be in the books by now, before this one.
    let last = scene.gateway.call("GET", "/function/vice/x?id=last", b"");
    assert_eq!(last.status, 200);
    std::thread::sleep(Duration::from_millis(200));
    let calls = std::fs::read_to_string(&scene.calls).unwrap();
    let canaries: Vec<&str> = calls.lines().filter(|line| line.ends_with('.')).collect();
    assert!(canaries.is_empty(), "seen: {canaries:?}");
    assert!(calls.contains("last\n"), "the books are kept");
}

#[test]
fn behind_a_refused_request_nothing_is_answered() {
    refused_requests_hide_nothing(false);
}

#[test]
fn behind_a_refused_request_that_comes_byte_by_byte_nothing_is_answered() {
    refused_requests_hide_nothing(true);
}

/// A TLS client cannot read a refusal: its connection ends without one.
#[test]
fn behind_a_tls_handshake_nothing_is_answered() {
    let scene = Scene::start();
    for (canary, bytewise) in [false, true].into_iter().enumerate() {
        let mut client = scene.send("\u{16}\u{3}\u{1}\u{2}\0", canary, bytewise);
        assert!(client.is_closed(Duration::from_secs(10)));
        assert!(!scene.has_seen(canary));
        let told = u32::try_from(canary + 1).unwrap();
        let series = "ringway_rejects_total{reason=\"tls\"}";
        scene.gateway.await_metric(series, told.into());
    }
}

#[test]
fn behind_an_odd_request_that_is_accepted_the_next_is_answered_too() {
    let scene = Scene::start();
    let both = [false, true].into_iter();
    let cases = both.flat_map(|bytewise| accepted().into_iter().map(move |c| (bytewise, c)));
    for (canary, (bytewise, (request, marker, status))) in cases.enumerate() {
        let what = format!("{request:?}, byte by byte: {bytewise}");
        let mut client = scene.send(&request, canary, bytewise);
        let reply = client
            .reply("GET")
            .unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
        assert!(reply.text().starts_with(marker), "{what}: {}", reply.text());
        let next = client
            .reply("GET")
            .unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(next.text(), "vice GET /canary", "{what}");
        assert!(scene.has_seen(canary), "{what}");
        assert!(!client.is_closed(Duration::from_millis(20)), "{what}");
    }
    let unknown = "ringway_rejects_total{reason=\"unknown_function\"}";
    assert_eq!(scene.gateway.metric(unknown), Some(2.0));
}
