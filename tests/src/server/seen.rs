//! A request as it came.

use serde_json::Value;

use super::path::decode;

/// One request of the record.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The target, byte for byte.
    pub target: String,
    /// Names in lower case, values as they came, in order.
    pub headers: Vec<(String, String)>,
    /// The request line and the headers, byte for byte, with the empty line.
    pub head: String,
    /// The body without its framing.
    pub body: Vec<u8>,
}

impl Seen {
    /// Reads a complete head; `None` when it is not one.
    pub(crate) fn parse(head: &[u8]) -> Option<Self> {
        let head = String::from_utf8_lossy(head).into_owned();
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
        if first.next() != Some("HTTP/1.1") {
            return None;
        }
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some(Self {
            method,
            target,
            headers,
            head,
            body: Vec::new(),
        })
    }

    /// A field's first value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.values(name).first().copied()
    }

    /// Every value of a field.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(n, _)| n == name);
        named.map(|(_, v)| v.as_str()).collect()
    }

    /// The target up to `?`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The target behind `?`.
    #[must_use]
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The last value of a query parameter, decoded: the last one is what OpenFaaS's providers
    /// read.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = self
            .query()
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let last = pairs.rfind(|(n, _)| decode(n, true) == name);
        last.map(|(_, value)| decode(value, true))
    }

    /// The body as JSON; `Null` when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// `METHOD target`.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_came() {
        let head = b"PUT /a%2Fb;c?x=1&x=%20+ HTTP/1.1\r\nX-A: 1\r\nx-a:  2 \r\n\r\n";
        let seen = Seen::parse(head).unwrap();
        assert_eq!(seen.line(), "PUT /a%2Fb;c?x=1&x=%20+");
        assert_eq!(seen.path(), "/a%2Fb;c");
        assert_eq!(seen.values("x-a"), ["1", "2"]);
        assert_eq!(seen.parameter("x").as_deref(), Some("  "));
        assert_eq!(seen.parameter("y"), None);
        assert_eq!(seen.head.as_bytes(), head);
    }

    #[test]
    fn what_is_no_head_is_none() {
        for head in ["", "GET", "GET /", "GET / HTTP/1.0\r\n\r\n", "\x16\x03\x01"] {
            assert!(Seen::parse(head.as_bytes()).is_none(), "{head:?}");
        }
    }
}
