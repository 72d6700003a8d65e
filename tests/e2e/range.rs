//! Parts of files: `Range` and `Content-Range` pass through, and the bytes are the right ones.

use ringway_tests::proof::pattern;
use ringway_tests::{Client, Deployment, Gateway};

const SIZE: usize = 1_000_000;

#[test]
fn a_part_arrives_as_the_function_sent_it() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let file = pattern(1, SIZE);
    let mut client = Client::connect(gateway.address).unwrap();
    // One byte, a few, as many as go through a pipe, all; the first and the last ones.
    for (first, last) in [
        (0, 0),
        (0, 99),
        (SIZE - 100, SIZE - 1),
        (1_234, 7_000),
        (5, 40_004),
        (100_000, 899_999),
        (0, SIZE - 1),
    ] {
        let range = format!("bytes={first}-{last}");
        let fields = [("Range", range.as_str())];
        let target = "/function/vice/range";
        let reply = client.request("GET", target, &fields, b"").unwrap();
        assert_eq!((reply.status, reply.complete), (206, true), "{range}");
        let told = format!("bytes {first}-{last}/{SIZE}");
        assert_eq!(reply.header("content-range"), Some(told.as_str()));
        assert_eq!(reply.header("accept-ranges"), Some("bytes"), "{range}");
        assert_eq!(reply.header("etag"), Some("\"one\""), "{range}");
        let length = (last - first + 1).to_string();
        assert_eq!(reply.header("content-length"), Some(length.as_str()));
        assert!(reply.body == file[first..=last], "{range}: other bytes");
        let head = client.request("HEAD", target, &fields, b"").unwrap();
        assert_eq!(head.status, 206, "HEAD {range}");
        assert_eq!(head.header("content-range"), Some(told.as_str()));
        assert_eq!(head.header("content-length"), Some(length.as_str()));
    }
    let whole = client.request("GET", "/function/vice/range", &[], b"");
    let whole = whole.unwrap();
    assert_eq!((whole.status, whole.header("content-range")), (200, None));
    assert!(whole.body == file);
}

#[test]
fn a_part_that_is_not_there_is_416_by_the_functions_word() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut client = Client::connect(gateway.address).unwrap();
    let fields = [("Range", "bytes=1000000-1000001")];
    let reply = client
        .request("GET", "/function/vice/range", &fields, b"")
        .unwrap();
    assert_eq!(reply.status, 416);
    assert_eq!(reply.header("content-range"), Some("bytes */1000000"));
    assert_eq!(reply.header("x-openfaas-internal"), None);
    let canary = client.request("GET", "/function/vice/canary", &[], b"");
    assert_eq!(canary.unwrap().text(), "vice GET /canary");
}

/// The gateway does not understand ranges, and need not: whatever they say arrives.
#[test]
fn every_spelling_of_a_range_reaches_the_function() {
    let gateway = Gateway::start();
    gateway.deploy_ready(&Deployment::vice("vice"), 1);
    let mut client = Client::connect(gateway.address).unwrap();
    for range in ["bytes=0-9,20-29", "bytes=-5", "bytes=5-", "lines=1-2", "x"] {
        let fields = [("Range", range), ("If-Range", "\"one\"")];
        for method in ["GET", "POST"] {
            let reply = client.request(method, "/function/vice/raw", &fields, b"");
            let seen = reply.unwrap().text();
            assert!(seen.contains(&format!("\r\nRange: {range}\r\n")), "{seen}");
            assert!(seen.contains("\r\nIf-Range: \"one\"\r\n"), "{seen}");
        }
    }
}
