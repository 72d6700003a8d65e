//! Pages of other origins that call functions.

use std::time::Duration;

use ringway_proxy::{Change, Config, Cors, Origins};

use crate::{Plane, config, each_config, function, line, ok, spec};

const PAGE: &str = "Origin: https://page.example\r\n";
const OTHER: &str = "Origin: https://other.example\r\n";
const ASKS: &str = "Access-Control-Request-Method: PUT\r\n\
    Access-Control-Request-Headers: content-type, x-mine\r\n";

fn with_cors(test: impl Fn(&Plane)) {
    let listed = Origins::Listed(vec!["https://page.example".into()]);
    let cors = Cors::new(listed, true, Duration::from_secs(60)).unwrap();
    let allowing = |driver| Config {
        cors: Some(cors.clone()),
        ..config(driver)
    };
    each_config(allowing, |plane| {
        let own = function(|head| {
            let reply = ok("body");
            if line(head).contains("/own") {
                reply.replacen("\r\n", "\r\nAccess-Control-Allow-Origin: null\r\n", 1)
            } else {
                reply
            }
        });
        plane.publisher.publish([Change::Put(spec("f", &[own]))]);
        test(plane);
    });
}

/// The `Access-Control-…` and `Vary` lines of a reply.
fn fields(reply: &str) -> Vec<&str> {
    let head = reply.split("\r\n\r\n").next().unwrap_or_default();
    let ours = |line: &&str| line.starts_with("Access-Control-") || line.starts_with("Vary");
    head.split("\r\n").filter(ours).collect()
}

const READABLE: [&str; 4] = [
    "Access-Control-Allow-Origin: https://page.example",
    "Access-Control-Allow-Credentials: true",
    "Access-Control-Expose-Headers: X-Call-Id, X-Duration-Seconds",
    "Vary: Origin",
];

#[test]
fn preflights_are_answered_here() {
    with_cors(|plane| {
        for path in ["/function/f/x", "/function/unknown", "/async-function/f"] {
            let reply = plane.call(&format!("OPTIONS {path}"), &format!("{PAGE}{ASKS}"));
            assert_eq!(line(&reply), "HTTP/1.1 204 No Content");
            assert_eq!(
                fields(&reply),
                [
                    READABLE[0],
                    READABLE[1],
                    "Access-Control-Allow-Methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
                    "Access-Control-Max-Age: 60",
                    "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
                    "Access-Control-Allow-Headers: content-type, x-mine",
                ]
            );
            assert!(reply.ends_with("\r\n\r\n") && !reply.contains("Content-"));
            let reply = plane.call(&format!("OPTIONS {path}"), &format!("{OTHER}{ASKS}"));
            assert_eq!(line(&reply), "HTTP/1.1 403 Forbidden");
            assert!(fields(&reply).is_empty());
        }
        // The control plane, which is not there, decides about its own paths.
        let reply = plane.call("OPTIONS /system/functions", &format!("{PAGE}{ASKS}"));
        assert_eq!(line(&reply), "HTTP/1.1 503 Service Unavailable");
        assert!(fields(&reply).is_empty());
    });
}

#[test]
fn replies_to_an_allowed_origin_can_be_read() {
    with_cors(|plane| {
        for (call, status) in [
            ("GET /function/f", "200 OK"),
            ("OPTIONS /function/f", "200 OK"),
            ("GET /function/unknown", "404 Not Found"),
        ] {
            let reply = plane.call(call, PAGE);
            assert_eq!(line(&reply), format!("HTTP/1.1 {status}"));
            assert_eq!(fields(&reply), READABLE);
            assert!(fields(&plane.call(call, OTHER)).is_empty());
            assert!(fields(&plane.call(call, "")).is_empty());
        }
        let own = plane.call("GET /function/f/own", PAGE);
        assert_eq!(fields(&own), ["Access-Control-Allow-Origin: null"]);
        assert!(fields(&plane.call("GET /healthz", PAGE)).is_empty());
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = gone.local_addr().unwrap();
        drop(gone);
        plane
            .publisher
            .publish([Change::Put(spec("f", &[address]))]);
        let reply = plane.call("POST /function/f", &format!("{PAGE}Content-Length: 0\r\n"));
        assert_eq!(line(&reply), "HTTP/1.1 502 Bad Gateway");
        assert_eq!(fields(&reply), READABLE);
        let chunked = format!("{PAGE}Transfer-Encoding: chunked\r\n\r\nzzz\r\n");
        let reply = plane.call("POST /function/f", &chunked);
        assert_eq!(line(&reply), "HTTP/1.1 400 Bad Request", "{reply}");
        assert_eq!(fields(&reply), READABLE);
    });
}

#[test]
fn without_the_setting_functions_decide() {
    crate::each_driver(|plane| {
        let echo = function(|head| ok(line(head)));
        plane.publisher.publish([Change::Put(spec("f", &[echo]))]);
        let reply = plane.call("OPTIONS /function/f", &format!("{PAGE}{ASKS}"));
        assert!(reply.ends_with("OPTIONS / HTTP/1.1"), "{reply}");
        assert!(fields(&reply).is_empty());
    });
}
