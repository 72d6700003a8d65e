//! A strict reader of requests, which shares no code with the gateway: what cannot be read in
//! two ways it reads, all else it refuses.

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Without its framing.
    pub(crate) body: Vec<u8>,
    /// Whether its sender awaits 100.
    pub(crate) expects: bool,
    /// Whether its sender awaits nothing behind its reply.
    pub(crate) closes: bool,
}

/// What the bytes begin with.
#[derive(Debug)]
pub(crate) enum Next {
    /// A request of so many bytes.
    Whole(Request, usize),
    /// A request's beginning; the request without its body once its head is whole.
    Part(Option<Request>),
    Refused,
}

/// All requests of a connection's bytes, up to the first that is refused, not whole, or the last.
pub(crate) fn requests(mut bytes: &[u8]) -> Vec<Request> {
    let mut all = Vec::new();
    while let Next::Whole(request, used) = next(bytes) {
        let closes = request.closes;
        all.push(request);
        bytes = &bytes[used..];
        if closes {
            break;
        }
    }
    all
}

/// Reads one request.
pub(crate) fn next(bytes: &[u8]) -> Next {
    let skipped = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let rest = &bytes[skipped..];
    let end = find(rest, b"\r\n\r\n");
    let head = &rest[..end.map_or(rest.len(), |at| at + 2)];
    if has_bare_line_end(head, end.is_some()) {
        return Next::Refused;
    }
    let Some(end) = end else {
        return Next::Part(None);
    };
    let Some((mut request, framing)) = head_of(head) else {
        return Next::Refused;
    };
    let body = &rest[end + 4..];
    let read = match framing {
        Framing::Length(length) if body.len() < length => Body::Part,
        Framing::Length(length) => Body::Whole(body[..length].to_vec(), length),
        Framing::Chunked => chunked(body),
    };
    match read {
        Body::Whole(data, used) => {
            request.body = data;
            Next::Whole(request, skipped + end + 4 + used)
        }
        Body::Part => Next::Part(Some(request)),
        Body::Refused => Next::Refused,
    }
}

enum Framing {
    Length(usize),
    Chunked,
}

enum Body {
    /// Its data, and how many bytes they took.
    Whole(Vec<u8>, usize),
    Part,
    Refused,
}

/// A CR without LF or an LF without CR; a last CR may still be completed.
fn has_bare_line_end(bytes: &[u8], whole: bool) -> bool {
    bytes.iter().enumerate().any(|(at, byte)| match byte {
        b'\n' => at == 0 || bytes[at - 1] != b'\r',
        b'\r' => bytes.get(at + 1).map_or(whole, |next| *next != b'\n'),
        _ => false,
    })
}

fn head_of(head: &[u8]) -> Option<(Request, Framing)> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.strip_suffix("\r\n")?.split("\r\n");
    let parts: Vec<&str> = lines.next()?.split(' ').collect();
    let [method, target, version] = parts[..] else {
        return None;
    };
    let old = version == "HTTP/1.0";
    let readable =
        |target: &str| !target.is_empty() && target.bytes().all(|b| b.is_ascii_graphic());
    if !is_token(method) || !readable(target) || !(old || version == "HTTP/1.1") {
        return None;
    }
    let mut fields = Vec::new();
    for line in lines {
        fields.push(field(line)?);
    }
    let values = |name: &str| -> Vec<&str> {
        let named = fields.iter().filter(|(n, _)| n == name);
        named.map(|(_, value)| *value).collect()
    };
    let connection = values("connection").join(",").to_ascii_lowercase();
    let has = |option: &str| connection.split(',').any(|o| o.trim() == option);
    if has("content-length") || has("transfer-encoding") || has("host") {
        return None;
    }
    if values("host").len() > 1 || (values("host").is_empty() && !old) {
        return None;
    }
    let framing = framing(&values("content-length"), &values("transfer-encoding"), old)?;
    let request = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        body: Vec::new(),
        expects: values("expect")
            .iter()
            .any(|e| e.eq_ignore_ascii_case("100-continue")),
        closes: has("close") || (old && !has("keep-alive")),
    };
    Some((request, framing))
}

fn framing(lengths: &[&str], codings: &[&str], old: bool) -> Option<Framing> {
    match (lengths, codings) {
        ([], []) => Some(Framing::Length(0)),
        ([length], []) if is_all(length, |b| b.is_ascii_digit()) && length.len() < 20 => {
            length.parse().ok().map(Framing::Length)
        }
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") && !old => Some(Framing::Chunked),
        _ => None,
    }
}

/// A field line's name in lower case, and its value.
fn field(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.split_once(':')?;
    let clean = value
        .bytes()
        .all(|b| b == b'\t' || (b >= b' ' && b != 0x7f));
    (is_token(name) && clean).then(|| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])))
}

fn chunked(bytes: &[u8]) -> Body {
    let mut data = Vec::new();
    let mut at = 0;
    loop {
        let line = match line(&bytes[at..]) {
            Line::Whole(line) => line,
            Line::Part => return Body::Part,
            Line::Refused => return Body::Refused,
        };
        at += line.len() + 2;
        let Some(size) = chunk_size(line) else {
            return Body::Refused;
        };
        if size == 0 {
            return trailers(bytes, at, data);
        }
        let rest = &bytes[at..];
        let behind = rest.get(size..).unwrap_or_default();
        if !b"\r\n".starts_with(&behind[..behind.len().min(2)]) {
            return Body::Refused;
        }
        if behind.len() < 2 {
            return Body::Part;
        }
        data.extend_from_slice(&rest[..size]);
        at += size + 2;
    }
}

fn trailers(bytes: &[u8], mut at: usize, data: Vec<u8>) -> Body {
    loop {
        let line = match line(&bytes[at..]) {
            Line::Whole(line) => line,
            Line::Part => return Body::Part,
            Line::Refused => return Body::Refused,
        };
        at += line.len() + 2;
        if line.is_empty() {
            return Body::Whole(data, at);
        }
        let framing = ["content-length", "transfer-encoding", "host"];
        match field(line) {
            Some((name, _)) if !framing.contains(&name.as_str()) => {}
            _ => return Body::Refused,
        }
    }
}

enum Line<'a> {
    Whole(&'a str),
    Part,
    Refused,
}

fn line(bytes: &[u8]) -> Line<'_> {
    let end = find(bytes, b"\r\n");
    let line = &bytes[..end.unwrap_or(bytes.len())];
    let bare = |byte: &u8| *byte == b'\n' || *byte == b'\r';
    let inner = line
        .len()
        .saturating_sub(usize::from(end.is_none() && line.ends_with(b"\r")));
    match (std::str::from_utf8(line), end) {
        _ if line[..inner].iter().any(bare) => Line::Refused,
        (Ok(line), Some(_)) => Line::Whole(line),
        (_, None) => Line::Part,
        (Err(_), _) => Line::Refused,
    }
}

/// Plain hexadecimal digits, then nothing or an extension.
fn chunk_size(line: &str) -> Option<usize> {
    let (size, extension) = line.split_at(line.find([';', ' ', '\t']).unwrap_or(line.len()));
    let extension = extension.trim_start_matches([' ', '\t']);
    let clean = extension
        .bytes()
        .all(|b| b == b'\t' || (b >= b' ' && b != 0x7f));
    let is_one = extension.is_empty() || extension.starts_with(';');
    if !clean || !is_one || size.len() > 15 || !is_all(size, |b| b.is_ascii_hexdigit()) {
        return None;
    }
    usize::from_str_radix(size, 16).ok()
}

fn is_token(word: &str) -> bool {
    is_all(word, |b| {
        b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
    })
}

fn is_all(word: &str, allowed: impl Fn(u8) -> bool) -> bool {
    !word.is_empty() && word.bytes().all(allowed)
}

/// Where `what` begins.
pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
