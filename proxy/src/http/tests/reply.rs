//! The gateway's own answers.

use super::trusts_for;
use crate::http::forward::Ids;
use crate::http::{Framing, Method, Reply};

const BARE: Reply<'static> = Reply {
    status: 404,
    text: "no such function",
    retry_after: None,
    location: None,
    extra: b"",
    close: false,
    head_only: false,
    ids: None,
};

fn written(reply: &Reply<'_>) -> String {
    let mut out = b"before".to_vec();
    reply.write(&mut out);
    let text = String::from_utf8(out).unwrap();
    text.strip_prefix("before").unwrap().to_owned()
}

#[test]
fn says_what_happened_in_one_line_of_text() {
    assert_eq!(
        written(&BARE),
        "HTTP/1.1 404 Not Found\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: 17\r\n\
         X-Content-Type-Options: nosniff\r\n\
         X-OpenFaaS-Internal: gateway\r\n\
         \r\n\
         no such function\n"
    );
}

#[test]
fn says_all_it_can() {
    let reply = Reply {
        status: 301,
        text: "moved",
        retry_after: Some(7),
        location: Some(b"/function/x?y"),
        extra: b"Vary: Origin\r\n",
        close: true,
        head_only: true,
        ids: Some(Ids {
            call_id: b"c",
            start_time: b"123",
            served_by: b"",
        }),
    };
    assert_eq!(
        written(&reply),
        "HTTP/1.1 301 Moved Permanently\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: 6\r\n\
         X-Content-Type-Options: nosniff\r\n\
         X-OpenFaaS-Internal: gateway\r\n\
         X-Call-Id: c\r\n\
         X-Start-Time: 123\r\n\
         Retry-After: 7\r\n\
         Location: /function/x?y\r\n\
         Vary: Origin\r\n\
         Connection: close\r\n\
         \r\n"
    );
}

#[test]
fn a_204_has_no_content() {
    let reply = Reply {
        status: 204,
        ..BARE
    };
    assert_eq!(
        written(&reply),
        "HTTP/1.1 204 No Content\r\nX-OpenFaaS-Internal: gateway\r\n\r\n"
    );
}

#[test]
fn is_a_reply_that_we_would_trust() {
    for status in 200..=599 {
        let text = written(&Reply { status, ..BARE });
        let method = Method::Post;
        trusts_for(method, text, |head| {
            assert_eq!(head.status, status);
            if !matches!(status, 204 | 304) {
                assert_eq!(head.framing, Framing::Length(17));
            }
            assert!(head.keep_alive);
        });
    }
}
