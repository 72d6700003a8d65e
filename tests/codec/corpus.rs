//! Streams of requests, honest ones and attempts to hide a second request in the first.

/// What a hidden request would be.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";

/// Pieces that mutations put in: each means something to some parser.
pub(super) const PIECES: [&str; 61] = [
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "\n\n",
    "\r\r\n",
    " ",
    "\t",
    "\x0b",
    "\0",
    "\u{e9}",
    ":",
    ": ",
    " :",
    ",",
    ";",
    "0",
    "00",
    "5",
    "a",
    "F",
    "+",
    "-",
    "0x",
    "_",
    ";a=b",
    ";\n",
    " ;",
    "ffffffffffffffff",
    "0\r\n\r\n",
    "0\r\n",
    "5\r\nhello\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Content-Length:+5\r\n",
    "Content_Length: 5\r\n",
    "Content-Length : 5\r\n",
    "content-length: 5, 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding:\tchunked\r\n",
    "Transfer-Encoding\t: chunked\r\n",
    "transfer-encoding: Chunked\r\n",
    "X: y\r\n",
    "X: y\r\n Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Connection: content-length\r\n",
    "Connection: x, upgrade\r\n",
    "Upgrade: websocket\r\n",
    "Upgrade: h2c\r\n",
    "Expect: 100-continue\r\n",
    "TE: trailers\r\n",
    "Trailer: x\r\n",
    "Host: other\r\n",
    "HTTP/1.0",
    "HTTP/1.1",
    "GET http://h/hidden HTTP/1.1\r\n",
    "POST / HTTP/1.1\r\n",
    HIDDEN,
];

/// Everything.
pub(super) fn all() -> Vec<String> {
    [accepted(), refused()].concat()
}

/// Streams that are accepted to their end.
pub(super) fn accepted() -> Vec<String> {
    let post = |fields: &str, body: &str| {
        format!("POST /function/x?q HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}{HIDDEN}")
    };
    let chunked = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    let get = |fields: &str| format!("GET /function/x HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    vec![
        get(""),
        HIDDEN.repeat(3),
        get("A:1\r\nB:\t2 \r\nC: 3\r\nd:\r\n"),
        get("Connection: close\r\n") + HIDDEN,
        get("Connection: x, keep-alive\r\nX: 1\r\n") + HIDDEN,
        get("Connection: upgrade\r\nUpgrade: websocket\r\n"),
        get("Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n"),
        get("X-Forwarded-For: 1.1.1.1\r\nForwarded: for=1\r\nX-Call-Id: 1\r\n"),
        get("Content-Length: 5\r\n") + "hello" + HIDDEN,
        post("Content-Length: 0\r\n", ""),
        post("Content-Length: 5\r\n", "hello"),
        post("Content-Length: 005\r\n", "hello"),
        post("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello"),
        // A body that looks like a request, and one that looks like the end of a body.
        post(&format!("Content-Length: {}\r\n", HIDDEN.len()), HIDDEN),
        post("Content-Length: 5\r\n", "0\r\n\r\n"),
        post("", ""),
        chunked("0\r\n\r\n"),
        chunked("5\r\nhello\r\n0\r\n\r\n"),
        chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
        chunked("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"),
        chunked("005\r\nhello\r\n000\r\n\r\n"),
        chunked("5;a=b\r\nhello\r\n0;c=\"d;e\"\r\n\r\n"),
        chunked("5 ;a\r\nhello\r\n0\t\r\n\r\n"),
        chunked("5\r\n0\r\n\r\n\r\n0\r\n\r\n"),
        chunked(&format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len())),
        chunked("5\r\nhello\r\n0\r\nX-Sum: 1\r\ny:2\r\n\r\n"),
        chunked("0\r\nCookie: x\r\nAuthorization: y\r\n\r\n"),
        post(
            "Transfer-encoding:\tCHUNKED \r\nTrailer: x\r\nTE: trailers\r\n",
            "0\r\nx: 1\r\n\r\n",
        ),
        format!("\r\n{HIDDEN}\r\n{HIDDEN}"),
        "GET http://h/function/x?q HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "GET https://h?q HTTP/1.1\r\nHost: H:443\r\n\r\n".to_owned(),
        "GET /function/x HTTP/1.0\r\n\r\n".to_owned() + HIDDEN,
        "GET /function/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_owned() + HIDDEN,
        "POST /x HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello".to_owned()
            + HIDDEN,
        "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "M-SEARCH /a/../b;c//d%2f?e=/../f HTTP/1.1\r\nHost:\r\n\r\n".to_owned(),
    ]
}

/// Streams whose first request is refused.
pub(super) fn refused() -> Vec<String> {
    let post = |fields: &str, body: &str| {
        format!("POST /function/x HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}{HIDDEN}")
    };
    let both = |length: &str, coding: &str| {
        post(
            &format!("Content-Length: {length}\r\n{coding}\r\n"),
            "0\r\n\r\n",
        )
    };
    let mut streams = vec![
        // CL.TE, TE.CL, 0.CL, TE.0.
        both("5", "Transfer-Encoding: chunked"),
        both("0", "Transfer-Encoding: chunked"),
        both("39", "Transfer-Encoding: chunked"),
        both("5", "Transfer-Encoding: identity"),
        both("5", "Transfer-Encoding: xchunked"),
        both("5", "Transfer-Encoding : chunked"),
        both("5", "Transfer_Encoding: chunked"),
        both("5", "X: y\n Transfer-Encoding: chunked"),
        both("5", " Transfer-Encoding: chunked"),
        both("5", "Connection: content-length"),
        // CL.CL.
        post("Content-Length: 5\r\nContent-Length: 0\r\n", "hello"),
        post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
        post("Content-Length: 0\r\ncontent_length: 5\r\n", "hello"),
        post("GET /hidden HTTP/1.1\r\nContent-Length: 5\r\n", "hello"),
        post("Content-Length: 0\rX: y\r\n", ""),
        post("Content-Length: 5\nX: y\r\n", "hello"),
        post("Expect: 200-ok\r\nContent-Length: 5\r\n", "hello"),
        "POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned() + HIDDEN,
        "GET /x HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello".to_owned() + HIDDEN,
        "GET /x\r\nHost: h\r\n\r\n".to_owned() + HIDDEN,
        "GET /x HTTP/2.0\r\nHost: h\r\n\r\n".to_owned() + HIDDEN,
        "GET /x HTTP/1.1\r\n\r\n".to_owned() + HIDDEN,
        "GET http://g/x HTTP/1.1\r\nHost: h\r\n\r\n".to_owned() + HIDDEN,
        "GET /x HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n".to_owned() + HIDDEN,
        "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n".to_owned() + HIDDEN,
        "GET /x HTTP/1.1\nHost: h\n\n".to_owned() + HIDDEN,
        "GET /x HTTP/1.1\r\nHost: h\r\n\n".to_owned() + HIDDEN,
        "\n\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n".to_owned() + HIDDEN,
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned() + HIDDEN,
        "\x16\x03\x01\x02\0".to_owned() + HIDDEN,
    ];
    streams.extend(LENGTHS.map(|length| post(&format!("Content-Length: {length}\r\n"), "hello")));
    streams.extend(CODINGS.map(|coding| {
        let field = format!("Transfer-Encoding: {coding}\r\n");
        post(&field, "0\r\n\r\n")
    }));
    streams.extend(BODIES.map(|body| post("Transfer-Encoding: chunked\r\n", body)));
    streams
}

/// Lengths that are none.
const LENGTHS: [&str; 8] = [
    "+5",
    "-5",
    "0x5",
    "5 5",
    "",
    "5,5",
    "5;",
    "99999999999999999999",
];

/// Transfer codings that are not `chunked` alone.
const CODINGS: [&str; 13] = [
    "xchunked",
    "identity",
    "gzip",
    "chunked, chunked",
    "gzip, chunked",
    "chunked, identity",
    "chunked;q=1",
    ",chunked",
    "\x0bchunked",
    "\"chunked\"",
    "chunked\r\nTransfer-Encoding: chunked",
    "chunked\r\nTransfer-Encoding: identity",
    "\r\n chunked",
];

/// Chunked bodies that are none.
const BODIES: [&str; 22] = [
    "\r\nhello\r\n0\r\n\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "5 5\r\nhello\r\n0\r\n\r\n",
    "0000000000000005\r\nhello\r\n0\r\n\r\n",
    "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "5\nhello\r\n0\r\n\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhello\r\n0\n\r\n",
    "5\r\nhello\r\n0\r\n\n",
    // What one parser takes for an extension, another takes for the end of the line.
    "5;\nhello\r\n0\r\n\r\n",
    "5;a\nhello\r\n0\r\n\r\n",
    "5;a\rb\r\nhello\r\n0\r\n\r\n",
    "5;\"\n\"\r\nhello\r\n0\r\n\r\n",
    "2;\nxx\r\n4c\r\n0\r\n\r\n",
    "0\r\nContent-Length: 5\r\n\r\n",
    "0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "0\r\nHost: other\r\n\r\n",
    "0\r\nX: y\r\n z\r\n\r\n",
    "0\r\nX : y\r\n\r\n",
    "0\r\nX: y\n\r\n",
];
