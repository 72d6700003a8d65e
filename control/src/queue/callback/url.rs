//! A URL that a reply may be delivered to. Pure.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};

/// `http` or `https`, a host, and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackUrl {
    pub(super) is_https: bool,
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// `Host`.
    pub(super) authority: String,
    /// Path and query.
    pub(super) target: String,
    /// Of `user:password@`.
    pub(super) authorization: Option<HeaderValue>,
}

impl CallbackUrl {
    /// Parses an absolute URL.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rule = "must be a URL such as https://example.com/path";
        if text.len() > URL_BYTES_MAX {
            return Err(format!("must not be longer than {URL_BYTES_MAX} bytes"));
        }
        let text = text.split('#').next().unwrap_or_default();
        let uri: Uri = text.parse().map_err(|error| format!("{rule}: {error}"))?;
        let is_https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(rule.to_owned()),
        };
        let whole = uri.authority().ok_or(rule)?.as_str();
        let (user, place) = match whole.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, whole),
        };
        let (host, port) = split(place).ok_or(rule)?;
        if host.is_empty() {
            return Err(rule.to_owned());
        }
        let default = if is_https { 443 } else { 80 };
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Self {
            is_https,
            host: host.to_ascii_lowercase(),
            port: port.unwrap_or(default),
            authority: place.to_owned(),
            target: target.to_owned(),
            authorization: user.and_then(basic),
        })
    }

    /// Its host, when that is an address.
    #[must_use]
    pub fn address(&self) -> Option<std::net::IpAddr> {
        self.host.parse().ok()
    }

    /// Where a redirect from here leads (RFC 3986 section 5.2).
    ///
    /// # Errors
    /// It names no URL.
    pub(super) fn redirected(&self, location: &str) -> Result<Self, String> {
        let scheme = if self.is_https { "https" } else { "http" };
        let authority = &self.authority;
        let location = location.split('#').next().unwrap_or_default();
        let path = self.target.split('?').next().unwrap_or("/");
        let text = if has_scheme(location) {
            location.to_owned()
        } else if location.starts_with("//") {
            format!("{scheme}:{location}")
        } else if location.is_empty() {
            format!("{scheme}://{authority}{}", self.target)
        } else if location.starts_with('?') {
            format!("{scheme}://{authority}{path}{location}")
        } else {
            let (to, query) = location
                .find('?')
                .map_or((location, ""), |at| location.split_at(at));
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let path = if to.starts_with('/') {
                without_dots(to)
            } else {
                without_dots(&format!("{folder}/{to}"))
            };
            format!("{scheme}://{authority}{path}{query}")
        };
        let mut next = Self::parse(&text).map_err(|rule| format!("a redirect {rule}"))?;
        let is_same = (&next.host, next.port) == (&self.host, self.port);
        if next.authorization.is_none() && is_same && next.is_https == self.is_https {
            next.authorization = self.authorization.clone();
        }
        Ok(next)
    }
}

/// Without user and password, to be shown.
impl fmt::Display for CallbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.target)
    }
}

/// Whether a reference begins with a scheme: a colon in a path or a query is none.
fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else {
        return false;
    };
    let others = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(others)
}

/// An absolute path whose `.` and `..` have been followed; `..` at the root stays there.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                // What they lead to is a folder.
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// Host without brackets, and port.
fn split(place: &str) -> Option<(&str, Option<u16>)> {
    let (host, after) = match place.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => place.find(':').map_or((place, ""), |at| place.split_at(at)),
    };
    let port = match after.strip_prefix(':') {
        None if after.is_empty() => None,
        None => return None,
        Some("") => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse().ok().filter(|port| *port > 0)?)
        }
        Some(_) => return None,
    };
    Some((host, port))
}

fn basic(user: &str) -> Option<HeaderValue> {
    let pair = if user.contains(':') {
        user.to_owned()
    } else {
        format!("{user}:")
    };
    let decoded = percent_decoded(&pair)?;
    let value = format!("Basic {}", STANDARD.encode(decoded));
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(out)
}

const URL_BYTES_MAX: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = CallbackUrl::parse("https://us%40er:p:w@Example.com:8443/a/b?c=d#e").unwrap();
        assert_eq!(
            (url.host.as_str(), url.port, url.is_https),
            ("example.com", 8443, true)
        );
        assert_eq!(url.target, "/a/b?c=d");
        let basic = format!("Basic {}", STANDARD.encode("us@er:p:w"));
        assert_eq!(url.authorization.as_ref().unwrap(), basic.as_str());
        assert_eq!(url.to_string(), "https://Example.com:8443/a/b?c=d");
        let url = CallbackUrl::parse("http://[::1]:81").unwrap();
        assert_eq!(
            (url.host.as_str(), url.port, url.target.as_str()),
            ("::1", 81, "/")
        );
        assert_eq!(CallbackUrl::parse("http://a").unwrap().port, 80);
        assert_eq!(CallbackUrl::parse("https://a").unwrap().port, 443);
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "/path",
            "example.com",
            "ftp://a/",
            "file:///etc/passwd",
            "http://",
            "http:///x",
            "http://a:b/",
            "http://a:0/",
            "http://a:70000/",
            "http://a b/",
            "gopher://a",
            "http://[::1/",
        ] {
            assert!(CallbackUrl::parse(bad).is_err(), "{bad}");
        }
        let long = format!("http://a/{}", "x".repeat(URL_BYTES_MAX));
        assert!(CallbackUrl::parse(&long).is_err());
    }

    #[test]
    fn redirects_are_relative_to_where_they_come_from() {
        let url = CallbackUrl::parse("http://u:p@a:81/x/y?q").unwrap();
        for (location, shown) in [
            ("/z", "http://a:81/z"),
            ("z", "http://a:81/x/z"),
            ("//b/z", "http://b/z"),
            ("https://c/", "https://c/"),
            ("?r", "http://a:81/x/y?r"),
            ("", "http://a:81/x/y?q"),
            ("#f", "http://a:81/x/y?q"),
            ("z?next=http://b/c", "http://a:81/x/z?next=http://b/c"),
            ("/s?next=http://b/c", "http://a:81/s?next=http://b/c"),
            ("?next=http://b/c", "http://a:81/x/y?next=http://b/c"),
            ("./z:1/../w", "http://a:81/x/w"),
            ("../z", "http://a:81/z"),
            ("../../../z", "http://a:81/z"),
            ("..", "http://a:81/"),
            (".", "http://a:81/x/"),
            ("z/", "http://a:81/x/z/"),
        ] {
            assert_eq!(url.redirected(location).unwrap().to_string(), shown);
        }
        assert!(url.redirected("/z").unwrap().authorization.is_some());
        assert!(url.redirected("http://b/").unwrap().authorization.is_none());
        assert!(
            url.redirected("https://a:81/")
                .unwrap()
                .authorization
                .is_none()
        );
        assert!(url.redirected("ftp://b/").is_err());
        assert!(url.redirected("mailto:a").is_err());
    }
}
