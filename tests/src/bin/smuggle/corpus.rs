//! The requests: honest ones, and attempts to hide a second request in the first, made by
//! crossing methods, versions, spellings of lengths and codings, and bodies.

use crate::spellings::{CHUNKED, CODINGS, FIELDS, HEADS, LENGTHS};

/// One connection's bytes before the canary; [`ID`] stands for its id.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) bytes: String,
    pub(crate) method: String,
}

impl Input {
    /// The bytes with an id, and behind them the canary, which ends the connection.
    pub(crate) fn with_canary(&self, id: &str) -> Vec<u8> {
        let canary =
            "GET /function/x/QQQQQQQQ/canary HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        format!("{}{canary}", self.bytes)
            .replace(ID, id)
            .into_bytes()
    }
}

/// As long as an id, so that lengths are right.
const ID: &str = "QQQQQQQQ";

/// The request that must not be seen unless it is one.
const HIDDEN: &str = "GET /function/x/QQQQQQQQ/hidden HTTP/1.1\r\nHost: h\r\n\r\n";

/// A body, and the lengths that somebody could give it.
struct Body {
    name: &'static str,
    bytes: String,
    lengths: Vec<usize>,
}

fn bodies() -> Vec<Body> {
    let wrapped = format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len());
    let whole = wrapped.len();
    vec![
        Body {
            name: "hidden",
            bytes: HIDDEN.to_owned(),
            lengths: vec![HIDDEN.len(), 0],
        },
        Body {
            name: "last chunk, hidden",
            bytes: format!("0\r\n\r\n{HIDDEN}"),
            lengths: vec![5 + HIDDEN.len(), 5, 0],
        },
        Body {
            name: "hidden in a chunk",
            bytes: wrapped,
            lengths: vec![whole, 4],
        },
    ]
}

/// Everything.
pub(crate) fn all() -> Vec<Input> {
    let mut all = Vec::new();
    for body in bodies() {
        for length in &body.lengths {
            for spelling in LENGTHS {
                for coding in FEW_CODINGS {
                    all.push(framed(["POST", "1.1"], &body, *length, spelling, coding));
                }
            }
            for coding in CODINGS {
                for spelling in FEW_LENGTHS {
                    all.push(framed(["POST", "1.1"], &body, *length, spelling, coding));
                }
            }
            for method in METHODS {
                for version in ["1.1", "1.0"] {
                    for spelling in FEW_LENGTHS {
                        for coding in FEW_CODINGS {
                            all.push(framed([method, version], &body, *length, spelling, coding));
                        }
                    }
                }
            }
        }
    }
    all.extend(chunked_bodies());
    all.extend(fields());
    all.extend(HEADS.iter().map(|head| Input {
        name: format!("head {head:?}"),
        bytes: head.replace("{hidden}", HIDDEN),
        method: head.split(' ').next().unwrap_or_default().to_owned(),
    }));
    all.sort_by(|a, b| a.bytes.cmp(&b.bytes));
    all.dedup_by(|a, b| a.bytes == b.bytes);
    all
}

fn framed(
    [method, version]: [&str; 2],
    body: &Body,
    length: usize,
    spelling: &str,
    coding: &str,
) -> Input {
    let spelling = spelling.replace("{n}", &length.to_string());
    let fields = format!("{spelling}{coding}");
    let bytes = &body.bytes;
    Input {
        name: format!("{method} {version} {fields:?} body: {}", body.name),
        bytes: format!(
            "{method} /function/x/{ID}/main HTTP/{version}\r\nHost: h\r\n{fields}\r\n{bytes}"
        ),
        method: method.to_owned(),
    }
}

fn chunked_bodies() -> Vec<Input> {
    let mut all = Vec::new();
    let size = format!("{:x}", HIDDEN.len());
    for body in CHUNKED {
        for method in ["POST", "GET", "DELETE"] {
            for more in [
                "",
                "Expect: 100-continue\r\n",
                "Trailer: x\r\nTE: trailers\r\n",
            ] {
                let bytes = body.replace("{hidden}", HIDDEN).replace("{size}", &size);
                let fields = format!("Transfer-Encoding: chunked\r\n{more}");
                all.push(Input {
                    name: format!("{method} {more:?} chunked body {body:?}"),
                    bytes: format!(
                        "{method} /function/x/{ID}/main HTTP/1.1\r\nHost: h\r\n{fields}\r\n{bytes}"
                    ),
                    method: method.to_owned(),
                });
            }
        }
    }
    all
}

/// Fields beside an honest length, beside none, and beside an honest coding.
fn fields() -> Vec<Input> {
    let mut all = Vec::new();
    let length = format!("Content-Length: {}\r\n", HIDDEN.len());
    let wrapped = format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len());
    let kinds = [
        (length.as_str(), HIDDEN),
        ("", ""),
        ("Transfer-Encoding: chunked\r\n", &wrapped),
    ];
    for field in FIELDS {
        for (framing, body) in kinds {
            for method in ["POST", "GET"] {
                for fields in [format!("{field}{framing}"), format!("{framing}{field}")] {
                    let head = format!("{method} /function/x/{ID}/main HTTP/1.1\r\nHost: h\r\n");
                    all.push(Input {
                        name: format!("{method} {fields:?}"),
                        bytes: format!("{head}{fields}\r\n{body}"),
                        method: method.to_owned(),
                    });
                }
            }
        }
    }
    all
}

const METHODS: [&str; 8] = [
    "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "M-SEARCH",
];
const FEW_LENGTHS: [&str; 2] = ["", "Content-Length: {n}\r\n"];
const FEW_CODINGS: [&str; 3] = [
    "",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: xchunked\r\n",
];
