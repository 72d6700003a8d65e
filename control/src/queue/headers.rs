//! Header fields as they are kept: lines, of which those about a connection, a length or a host
//! are left out. Pure.

use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The lines of the fields that are kept.
#[must_use]
pub(crate) fn lines(headers: &HeaderMap) -> Vec<u8> {
    let nominated: Vec<&str> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let mut out = Vec::with_capacity(256);
    for (name, value) in headers {
        let nominated = nominated
            .iter()
            .any(|n| n.eq_ignore_ascii_case(name.as_str()));
        if nominated || LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The fields of lines that [`lines`] wrote; what is none is passed over.
#[must_use]
pub(crate) fn map(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let name = HeaderName::from_bytes(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// The fields that say what a body is and how it is read.
#[must_use]
pub(crate) fn of_body(headers: &HeaderMap) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| OF_BODY.contains(name));
    kept.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

const OF_BODY: [HeaderName; 3] = [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE];

/// About the connection, the message's framing, or the host it was sent to.
const LEFT_OUT: [&str; 14] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-start-time",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_and_those_of_the_connection_do_not() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
            ("host", "a"),
            ("x-twice", "1"),
            ("x-twice", "2"),
            ("x-empty", ""),
        ] {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_static(value));
        }
        let bytes = HeaderValue::from_bytes(b"caf\xe9").unwrap();
        headers.append("x-bytes", bytes);
        let kept = map(&lines(&headers));
        assert_eq!(kept.len(), 4);
        let twice: Vec<_> = kept.get_all("x-twice").iter().collect();
        assert_eq!(twice, ["1", "2"]);
        assert_eq!(kept["x-bytes"].as_bytes(), b"caf\xe9");
        assert_eq!(kept["x-empty"], "");
    }

    #[test]
    fn what_is_no_line_is_passed_over() {
        assert_eq!(map(b"").len(), 0);
        assert_eq!(
            map(b"no colon\r\n: no name\r\nb\x00d: x\r\nok: 1\r\n").len(),
            1
        );
    }
}
