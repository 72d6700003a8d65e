//! What CORS makes of one request: a preflight to answer here, or fields to add to its reply.
//!
//! Synchronous. Nothing here runs, and nothing is looked for, while [`Config::cors`] is `None`.
//!
//! [`Config::cors`]: crate::Config::cors

use crate::cors::{Cors, Grant};
use crate::http::{Method, RequestHead, is_list_of_tokens};
use crate::route::Route;

/// What CORS makes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cross {
    /// A call like any other, whose reply an allowed origin may read.
    Call(Option<Grant>),
    /// The question whether a call may be made, from an allowed origin or another.
    Preflight(Option<Grant>),
}

/// Looks at a routed request.
pub(crate) fn look(cors: &Cors, head: &RequestHead<'_, '_>, route: &Route<'_>) -> Cross {
    let Some(origin) = head.only(b"Origin") else {
        return Cross::Call(None);
    };
    let calls = matches!(route, Route::Function { .. });
    let queues = matches!(route, Route::Fallback) && head.path.starts_with(b"/async-function/");
    if head.method == Method::Options
        && (calls || queues)
        && head.only(b"Access-Control-Request-Method").is_some()
    {
        return Cross::Preflight(cors.grant(origin));
    }
    // What else the control plane answers is its own.
    let reads = calls || queues;
    Cross::Call(if reads { cors.grant(origin) } else { None })
}

/// The fields of the answer to an allowed preflight. It may send what it asked for.
pub(crate) fn preflight_fields(cors: &Cors, grant: Grant, head: &RequestHead<'_, '_>) -> Vec<u8> {
    let mut fields = cors.preflight_fields(grant).to_vec();
    let asked = head.only(b"Access-Control-Request-Headers");
    if let Some(names) = asked.filter(|names| is_list_of_tokens(names)) {
        for part in [b"Access-Control-Allow-Headers: ", names, b"\r\n"] {
            fields.extend_from_slice(part);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cors::Origins;
    use crate::http::tests::accepts;
    use crate::route::route;

    fn cors() -> Cors {
        let list = Origins::Listed(vec!["http://a".into()]);
        Cors::new(list, false, Duration::from_secs(1)).unwrap()
    }

    fn cross(line: &str, fields: &str) -> Cross {
        let text = format!("{line} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        accepts(text, |head| look(&cors(), &head, &route(head.path)))
    }

    const ASKS: &str = "Origin: http://a\r\nAccess-Control-Request-Method: PUT\r\n";

    #[test]
    fn preflights_to_functions_and_to_the_queue_are_answered() {
        let grant = cors().grant(b"http://a");
        assert!(grant.is_some());
        for path in [
            "/function/x",
            "/function/x.ns/a?b",
            "/async-function/x",
            "/async-function/x/y",
        ] {
            assert_eq!(
                cross(&format!("OPTIONS {path}"), ASKS),
                Cross::Preflight(grant)
            );
            let other = ASKS.replace("http://a", "http://b");
            assert_eq!(
                cross(&format!("OPTIONS {path}"), &other),
                Cross::Preflight(None)
            );
        }
    }

    #[test]
    fn all_else_is_a_call() {
        let grant = cors().grant(b"http://a");
        let origin = "Origin: http://a\r\n";
        assert_eq!(cross("OPTIONS /function/x", origin), Cross::Call(grant));
        assert_eq!(cross("GET /function/x", ASKS), Cross::Call(grant));
        for (line, fields) in [
            ("GET /function/x", ""),
            ("GET /function/x", "Origin: http://b\r\n"),
            (
                "GET /function/x",
                "Origin: http://a\r\norigin: http://a\r\n",
            ),
            (
                "OPTIONS /function/x",
                "Access-Control-Request-Method: PUT\r\n",
            ),
            ("OPTIONS /system/functions", ASKS),
            ("OPTIONS /", ASKS),
            ("OPTIONS *", ASKS),
            ("OPTIONS /function/x/../y", ASKS),
        ] {
            assert_eq!(cross(line, fields), Cross::Call(None), "{line} {fields}");
        }
    }

    #[test]
    fn headers_are_allowed_as_asked_for_or_not_at_all() {
        let allowed = |names: &str| {
            let text = format!(
                "OPTIONS /function/x HTTP/1.1\r\nHost: h\r\n\
                 Access-Control-Request-Headers: {names}\r\n\r\n"
            );
            let grant = cors().grant(b"http://a").unwrap();
            let fields = accepts(text, |head| preflight_fields(&cors(), grant, &head));
            let fields = String::from_utf8(fields).unwrap();
            let (_, names) = fields.split_once("Access-Control-Allow-Headers: ")?;
            Some(names.strip_suffix("\r\n").unwrap().to_owned())
        };
        for names in ["x-a", "content-type,x-call-id, X_b", "a , b"] {
            assert_eq!(allowed(names).as_deref(), Some(names));
        }
        for names in ["", "a:b", "a;b", "<a>", "a\tb", "gr\u{fc}n"] {
            assert_eq!(allowed(names), None, "{names}");
        }
    }
}
