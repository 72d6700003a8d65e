//! Which pages of other origins may call functions (CORS, the Fetch standard §3.2): the settings,
//! and the reply fields they lead to, composed once.

use std::time::Duration;

/// Lets pages of other origins call functions. Answers preflights at the gateway and adds the
/// fields that let a browser read a reply, unless the function's reply has them itself.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Origins,
    /// By the origin's place in the list; one entry for [`Origins::Any`].
    fields: Vec<Fields>,
}

/// The origins that are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every one.
    Any,
    /// These, byte for byte as browsers send them: `scheme://host` or `scheme://host:port`.
    Listed(Vec<String>),
}

/// An allowed origin, as a place in [`Cors::fields`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant(usize);

/// What an allowed origin is told: field lines, each with its line end.
#[derive(Clone, Debug)]
struct Fields {
    reply: String,
    preflight: String,
}

impl Cors {
    /// Settings that make sense together. `max_age` is how long a browser may remember the answer
    /// to a preflight.
    ///
    /// # Errors
    /// A sentence that names what is wrong.
    pub fn new(origins: Origins, credentials: bool, max_age: Duration) -> Result<Self, String> {
        let allowed: Vec<&str> = match &origins {
            Origins::Any if credentials => {
                return Err(
                    "credentials cannot be allowed to every origin: list those that may \
                            send them"
                        .into(),
                );
            }
            Origins::Any => vec!["*"],
            Origins::Listed(list) if list.is_empty() => return Err("no origin is listed".into()),
            Origins::Listed(list) => list.iter().map(String::as_str).collect(),
        };
        if let Origins::Listed(list) = &origins
            && let Some(bad) = list.iter().find(|origin| !is_origin(origin))
        {
            return Err(format!(
                "{bad:?} is not an origin: scheme://host or scheme://host:port, in lower case, \
                 without a path"
            ));
        }
        let fields = |origin: &&str| Fields::compose(origin, credentials, max_age);
        let fields = allowed.iter().map(fields).collect();
        Ok(Self { origins, fields })
    }

    /// Whether the value of an `Origin` field is allowed.
    pub(crate) fn grant(&self, origin: &[u8]) -> Option<Grant> {
        match &self.origins {
            Origins::Any => Some(Grant(0)),
            Origins::Listed(list) => {
                let at = list.iter().position(|own| own.as_bytes() == origin);
                at.map(Grant)
            }
        }
    }

    /// What a reply to an allowed origin says.
    pub(crate) fn reply_fields(&self, grant: Grant) -> &[u8] {
        self.fields.get(grant.0).map_or(b"", |f| f.reply.as_bytes())
    }

    /// What the answer to an allowed origin's preflight says, apart from the headers it may send.
    pub(crate) fn preflight_fields(&self, grant: Grant) -> &[u8] {
        self.fields
            .get(grant.0)
            .map_or(b"", |f| f.preflight.as_bytes())
    }
}

impl Fields {
    fn compose(origin: &str, credentials: bool, max_age: Duration) -> Self {
        let mut allow = format!("Access-Control-Allow-Origin: {origin}\r\n");
        if credentials {
            allow.push_str("Access-Control-Allow-Credentials: true\r\n");
        }
        Self {
            reply: format!(
                "{allow}Access-Control-Expose-Headers: X-Call-Id, X-Duration-Seconds\r\n\
                 Vary: Origin\r\n"
            ),
            preflight: format!(
                "{allow}Access-Control-Allow-Methods: GET, HEAD, POST, PUT, PATCH, DELETE, \
                 OPTIONS\r\nAccess-Control-Max-Age: {}\r\nVary: Origin, \
                 Access-Control-Request-Method, Access-Control-Request-Headers\r\n",
                max_age.as_secs()
            ),
        }
    }
}

/// Whether `text` is an origin as browsers write it (RFC 6454 §6.2); `null` names nobody.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else {
        return false;
    };
    let plain = |byte: u8| {
        matches!(byte, b'!'..=b'~')
            && !byte.is_ascii_uppercase()
            && !matches!(byte, b'/' | b'?' | b'#' | b'@' | b'*' | b',' | b'"' | b'\\')
    };
    !scheme.is_empty() && !host.is_empty() && text.replacen("://", "", 1).bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str], credentials: bool) -> Result<Cors, String> {
        let origins = match origins {
            ["*"] => Origins::Any,
            list => Origins::Listed(list.iter().map(|o| (*o).to_owned()).collect()),
        };
        Cors::new(origins, credentials, Duration::from_secs(600))
    }

    fn text(fields: &[u8]) -> &str {
        std::str::from_utf8(fields).unwrap()
    }

    #[test]
    fn listed_origins_are_compared_byte_for_byte() {
        let cors = cors(&["https://a.example", "http://b:8080"], true).unwrap();
        let first = cors.grant(b"https://a.example").unwrap();
        let second = cors.grant(b"http://b:8080").unwrap();
        for other in [
            "",
            "null",
            "*",
            "https://a.example/",
            "https://A.example",
            "http://b",
        ] {
            assert_eq!(cors.grant(other.as_bytes()), None, "{other}");
        }
        assert_eq!(
            text(cors.reply_fields(first)),
            "Access-Control-Allow-Origin: https://a.example\r\n\
             Access-Control-Allow-Credentials: true\r\n\
             Access-Control-Expose-Headers: X-Call-Id, X-Duration-Seconds\r\nVary: Origin\r\n"
        );
        assert_eq!(
            text(cors.preflight_fields(second)),
            "Access-Control-Allow-Origin: http://b:8080\r\n\
             Access-Control-Allow-Credentials: true\r\n\
             Access-Control-Allow-Methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n\
             Access-Control-Max-Age: 600\r\nVary: Origin, Access-Control-Request-Method, \
             Access-Control-Request-Headers\r\n"
        );
    }

    #[test]
    fn any_origin_is_a_star() {
        let cors = cors(&["*"], false).unwrap();
        let grant = cors.grant(b"null").unwrap();
        assert_eq!(
            text(cors.reply_fields(grant)),
            "Access-Control-Allow-Origin: *\r\n\
             Access-Control-Expose-Headers: X-Call-Id, X-Duration-Seconds\r\nVary: Origin\r\n"
        );
    }

    #[test]
    fn settings_that_make_no_sense_are_named() {
        assert!(cors(&["*"], true).unwrap_err().contains("credentials"));
        assert!(cors(&[], false).unwrap_err().contains("no origin"));
        for bad in [
            "",
            "a",
            "null",
            "://a",
            "http://",
            "http://a/",
            "http://a/b",
            "http://A",
            "http://a b",
            "http://*.a",
            "http://a, http://b",
            "http://a\r\nX: y",
            "http://u@a",
        ] {
            assert!(
                cors(&["http://ok", bad], false)
                    .unwrap_err()
                    .contains(&format!("{bad:?}"))
            );
        }
    }
}
