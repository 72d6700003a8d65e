//! The address of another server of the installation: `http://host[:port][/base]`.

use std::fmt;

use http::Uri;

/// A server spoken to over plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderUrl {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    host: String,
    port: u16,
    /// Empty, or begins with a slash and ends without one.
    base_path: String,
}

impl ProviderUrl {
    /// Parses a URL; a slash at its end says nothing.
    ///
    /// # Errors
    /// A rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rule = "must be an address such as http://faas-netes.openfaas:8080/";
        let uri: Uri = text.trim().parse().map_err(|e| format!("{rule}: {e}"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(format!(
                    "{rule}: TLS towards a provider is not spoken; put a proxy that does in \
                     between"
                ));
            }
            _ => return Err(rule.to_owned()),
        }
        if uri.query().is_some() {
            return Err(format!("{rule}: without a query"));
        }
        let authority = uri.authority().ok_or(rule)?;
        if authority.as_str().contains('@') {
            return Err(format!(
                "{rule}: without credentials, which belong into secret_mount_path"
            ));
        }
        // A port that is none is not the same as no port.
        let after = &authority.as_str()[authority.host().len()..];
        let port = match after.strip_prefix(':') {
            Some(digits) => digits.parse().ok().filter(|port| *port > 0).ok_or(rule)?,
            None => 80,
        };
        Ok(Self {
            host: authority.host().to_ascii_lowercase(),
            port,
            base_path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// A server at a host's root.
    #[must_use]
    pub fn at(host: &str, port: u16) -> Option<Self> {
        Self::parse(&format!("http://{host}:{port}")).ok()
    }

    /// The host: a name, or an address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What every path begins with; empty, or a path without a slash at its end.
    #[must_use]
    pub fn base_path(&self) -> &str {
        &self.base_path
    }

    /// `Host` of requests to it.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == 80 {
            return self.host.clone();
        }
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Display for ProviderUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}{}", self.host, self.port, self.base_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_and_a_base_path_are_understood() {
        for (text, shown) in [
            ("http://faasd:8081/", "http://faasd:8081"),
            ("http://faasd:8081", "http://faasd:8081"),
            ("http://FAASD", "http://faasd:80"),
            (
                "http://10.0.0.1:81/base/path//",
                "http://10.0.0.1:81/base/path",
            ),
            ("http://[::1]:8080/", "http://[::1]:8080"),
        ] {
            assert_eq!(ProviderUrl::parse(text).unwrap().to_string(), shown);
        }
        assert_eq!(ProviderUrl::parse("http://a/").unwrap().authority(), "a");
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        for (text, word) in [
            ("", "address"),
            ("faasd:8081", "address"),
            ("https://faasd/", "TLS"),
            ("ftp://faasd/", "address"),
            ("http://", "address"),
            ("http://a:b/", "address"),
            ("http://a:0/", "address"),
            ("http://a:99999/", "address"),
            ("http://u:p@a/", "credentials"),
            ("http://a/?x=1", "query"),
            ("/only/a/path", "address"),
        ] {
            let error = ProviderUrl::parse(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
