//! Replies that hide a second one, by crossing statuses, framings and bodies; `@SEEN@` is what
//! the origin was asked.

/// What the origin sends.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) bytes: String,
    /// Whether it then closes.
    pub(crate) closes: bool,
}

const HIDDEN: &str = "HTTP/1.1 200 OK\r\nX-Seen: hidden\r\nContent-Length: 2\r\n\r\nhi";

/// Everything.
pub(crate) fn all() -> Vec<Reply> {
    let wrapped = format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len());
    let bodies = [
        (String::new(), 0),
        (HIDDEN.to_owned(), HIDDEN.len()),
        (format!("0\r\n\r\n{HIDDEN}"), 5),
        (wrapped, 4),
        (format!("hello{HIDDEN}"), 5),
    ];
    let mut all = Vec::new();
    for status in STATUSES {
        for framing in FRAMINGS {
            for (body, length) in &bodies {
                let framing = framing.replace("{n}", &length.to_string());
                for closes in [false, true] {
                    all.push(Reply {
                        bytes: format!("{status}\r\nX-Seen: @SEEN@\r\n{framing}\r\n{body}"),
                        closes,
                    });
                }
            }
        }
    }
    for body in BODIES {
        let head = "HTTP/1.1 200 OK\r\nX-Seen: @SEEN@\r\nTransfer-Encoding: chunked\r\n\r\n";
        for closes in [false, true] {
            all.push(Reply {
                bytes: format!("{head}{}", body.replace("{hidden}", HIDDEN)),
                closes,
            });
        }
    }
    for head in HEADS {
        for closes in [false, true] {
            all.push(Reply {
                bytes: head.replace("{hidden}", HIDDEN),
                closes,
            });
        }
    }
    all
}

const STATUSES: [&str; 4] = [
    "HTTP/1.1 200 OK",
    "HTTP/1.0 200 OK",
    "HTTP/1.1 204 No Content",
    "HTTP/1.1 304 Not Modified",
];

const FRAMINGS: [&str; 26] = [
    "",
    "Content-Length: {n}\r\n",
    "Content-Length: 0{n}\r\n",
    "Content-Length: +{n}\r\n",
    "Content-Length: {n},{n}\r\n",
    "Content-Length: {n} \r\nContent-Length: {n}\r\n",
    "Content-Length: {n}\r\nContent-Length: 0\r\n",
    "Content-Length: 0\r\nContent-Length: {n}\r\n",
    "Content-Length : {n}\r\n",
    "Content_Length: {n}\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: {n}\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding: xchunked\r\n",
    "Content-Length: {n}\nTransfer-Encoding: chunked\r\n",
    "Content-Length: {n}\r\n Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: CHUNKED\r\nConnection: close\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked, identity\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: \u{b}chunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "Connection: close\r\nContent-Length: {n}\r\n",
    "Connection: content-length\r\nContent-Length: {n}\r\n",
];

const BODIES: [&str; 22] = [
    "0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n{hidden}",
    "5\nhello\r\n0\r\n\r\n{hidden}",
    "5\r\nhello\n0\r\n\r\n{hidden}",
    "5\r\nhello0\r\n\r\n{hidden}",
    "5;\nhello\r\n0\r\n\r\n{hidden}",
    "5;a\rb\r\nhello\r\n0\r\n\r\n{hidden}",
    "+5\r\nhello\r\n0\r\n\r\n{hidden}",
    "0x5\r\nhello\r\n0\r\n\r\n{hidden}",
    "\r\nhello\r\n0\r\n\r\n{hidden}",
    "ffffffffffffffff\r\nhello\r\n0\r\n\r\n{hidden}",
    "5\r\nhello\r\n0\n\r\n{hidden}",
    "5\r\nhello\r\n0\r\n\n{hidden}",
    "5\r\nhello\r\n0\r\n{hidden}",
    "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n{hidden}",
    "5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n{hidden}",
    "5\r\nhello\r\n0\r\nX: y\n\r\n{hidden}",
    "5\r\nhello\r\n",
    "5\r\nhel",
    "5",
];

const HEADS: [&str; 21] = [
    "HTTP/1.1 200 OK\nX-Seen: @SEEN@\nContent-Length: 0\n\n{hidden}",
    "HTTP/1.1 200 OK\r\nX-Seen: @SEEN@\r\nContent-Length: 0\r\n\n{hidden}",
    "HTTP/1.1 200 OK\r\nX-Seen: @SEEN@\rContent-Length: 0\r\n\r\n{hidden}",
    "HTTP/1.1 200 OK\r\n X-Seen: @SEEN@\r\nContent-Length: 0\r\n\r\n{hidden}",
    "HTTP/1.1 200 OK\r\nX-Seen: @SEEN@\r\nX: \0\r\nContent-Length: 0\r\n\r\n{hidden}",
    "\r\nHTTP/1.1 200 OK\r\nX-Seen: @SEEN@\r\nContent-Length: 0\r\n\r\n{hidden}",
    "HTTP/1.1 099 x\r\nX-Seen: @SEEN@\r\nContent-Length: 0\r\n\r\n{hidden}",
    "HTTP/1.1 2000 x\r\nX-Seen: @SEEN@\r\nContent-Length: 0\r\n\r\n{hidden}",
    "HTTP/1.1 200\r\nX-Seen: @SEEN@\r\nContent-Length: 0\r\n\r\n{hidden}",
    "HTTP/1.2 200 OK\r\nX-Seen: @SEEN@\r\nContent-Length: 0\r\n\r\n{hidden}",
    "HTTP/2.0 200 OK\r\nX-Seen: @SEEN@\r\nContent-Length: 0\r\n\r\n{hidden}",
    "HTTP/1.1 101 x\r\nX-Seen: @SEEN@\r\n\r\n{hidden}",
    "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n{hidden}",
    "HTTP/1.1 100 x\r\nContent-Length: 67\r\n\r\nHTTP/1.1 200 OK\r\nX-Seen: @SEEN@\r\nContent-Length: 0\r\n\r\n{hidden}",
    "HTTP/1.1 100 x\r\n\r\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 200 OK\r\nX-Seen: @SEEN@\r\nContent-Length: 0\r\n\r\n{hidden}",
    "HTTP/1.1 200 OK\r\nX-Seen: @SEEN@\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n{hidden}",
    "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\nX-Seen: @SEEN@\r\nContent-Length: 0\r\n\r\n{hidden}",
    "HTTP/1.1 205 x\r\nX-Seen: @SEEN@\r\n\r\n{hidden}",
    "ICY 200 OK\r\nX-Seen: @SEEN@\r\n\r\n{hidden}",
    "x",
    "",
];
