//! A request's head as environment variables, named as of-watchdog names them. Pure.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use http::header::{HOST, TRANSFER_ENCODING};
use http::request::Parts;

/// `Http_Method`, `Http_Path`, … and one `Http_<Header_Name>` per header.
///
/// The path is the raw one, byte for byte. Of a repeated header the first value is taken, as
/// of-watchdog does. `Proxy` is left out: programs that look for `http_proxy` without regard to
/// case would take it for a setting (CVE-2016-5385).
pub(super) fn variables(head: &Parts, content_length: Option<u64>) -> Vec<(String, OsString)> {
    let mut variables: Vec<(String, OsString)> = Vec::with_capacity(head.headers.len() + 5);
    for name in head.headers.keys() {
        let Some(value) = head.headers.get(name).filter(|_| name != "proxy") else {
            continue;
        };
        if [TRANSFER_ENCODING, HOST].contains(name) {
            continue;
        }
        let variable = format!("Http_{}", go_name(name.as_str()));
        variables.push((variable, OsStr::from_bytes(value.as_bytes()).to_owned()));
    }
    // Behind the headers, so that none of them can pass for one of these.
    let length = content_length.map_or_else(|| "-1".to_owned(), |n| n.to_string());
    variables.push(("Http_Method".to_owned(), head.method.as_str().into()));
    variables.push(("Http_ContentLength".to_owned(), length.into()));
    variables.push(("Http_Path".to_owned(), head.uri.path().into()));
    if let Some(query) = head.uri.query().filter(|q| !q.is_empty()) {
        variables.push(("Http_Query".to_owned(), query.into()));
    }
    for (name, header) in [
        ("Http_Transfer_Encoding", TRANSFER_ENCODING),
        ("Http_Host", HOST),
    ] {
        if let Some(value) = head.headers.get(header) {
            variables.push((
                name.to_owned(),
                OsStr::from_bytes(value.as_bytes()).to_owned(),
            ));
        }
    }
    variables
}

/// `x-call-id` as `X_Call_Id`: Go's spelling of header names, with underscores.
fn go_name(name: &str) -> String {
    let mut upper = true;
    let spelled = name.chars().map(|c| {
        let spelled = if upper { c.to_ascii_uppercase() } else { c };
        upper = c == '-';
        if c == '-' { '_' } else { spelled }
    });
    spelled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(head: http::request::Builder, length: Option<u64>, name: &str) -> Option<String> {
        let (head, ()) = head.body(()).unwrap().into_parts();
        let all = variables(&head, length);
        let found = all.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.to_string_lossy().into_owned())
    }

    fn get(uri: &str) -> http::request::Builder {
        http::Request::get(uri)
    }

    #[test]
    fn the_head_is_told() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            value(get("/a%2Fb?x=1&y"), None, "Http_Path"),
            some("/a%2Fb")
        );
        assert_eq!(
            value(get("/a%2Fb?x=1&y"), None, "Http_Query"),
            some("x=1&y")
        );
        assert_eq!(value(get("/"), None, "Http_Query"), None);
        assert_eq!(value(get("/"), None, "Http_Method"), some("GET"));
        assert_eq!(value(get("/"), Some(5), "Http_ContentLength"), some("5"));
        assert_eq!(value(get("/"), None, "Http_ContentLength"), some("-1"));
        let head = || {
            get("/")
                .header("x-call-id", "7")
                .header("host", "h")
                .header("method", "X")
        };
        assert_eq!(value(head(), None, "Http_X_Call_Id"), some("7"));
        assert_eq!(value(head(), None, "Http_Host"), some("h"));
        assert_eq!(value(head(), None, "Http_Method"), some("GET"));
    }

    #[test]
    fn of_repeated_headers_the_first_counts_and_proxy_never() {
        let head = || {
            get("/")
                .header("a", "1")
                .header("a", "2")
                .header("proxy", "evil")
        };
        assert_eq!(value(head(), None, "Http_A").as_deref(), Some("1"));
        assert_eq!(value(head(), None, "Http_Proxy"), None);
    }
}
