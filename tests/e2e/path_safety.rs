//! Paths that try to reach management without credentials, on a real socket with auth on; and
//! paths that must reach a function byte for byte.

use ringway_tests::provider::{Kind, Options, Provider, Readiness};
use ringway_tests::server::{clean, decode};
use ringway_tests::{Client, Credentials, Deployment, Gateway, Reply};
use serde_json::json;

/// In every management answer there is, and nowhere else.
const MARK: &str = "mark-of-management";

/// Targets by the rule they try, and the statuses that GET and POST may get. 0 is an end of the
/// connection without an answer.
const TRAPS: [(&str, &[u16], &[u16]); 62] = [
    // Dot segments in front of or behind the name: cleaned for GET, refused for POST.
    ("/function/../system/functions", &[301, 400], &[400]),
    ("/function/one/../../system/functions", &[301, 400], &[400]),
    (
        "/function/one/../../../system/functions",
        &[301, 400],
        &[400],
    ),
    ("/function/./system/functions", &[301, 400], &[400]),
    ("/./system/functions", &[301, 400, 401], &[400, 401]),
    ("/function/one/..", &[301, 400], &[400]),
    ("/function/one/.", &[301, 400], &[400]),
    ("/function/.", &[301, 400, 404], &[400, 404]),
    ("/function/..", &[301, 400, 404, 401], &[400, 404, 401]),
    ("/../system/functions", &[301, 400, 401], &[400, 401]),
    (
        "/function/one/a/../../../../system/functions?x=1",
        &[301, 400],
        &[400],
    ),
    // The same, encoded.
    ("/function/%2e%2e/system/functions", &[400], &[400]),
    (
        "/function/one/%2e%2e/%2e%2e/system/functions",
        &[400],
        &[400],
    ),
    ("/function/one/%2E./%2E./system/functions", &[400], &[400]),
    ("/function/one/.%2e/.%2E/system/functions", &[400], &[400]),
    // No name has a percent sign: a path that nobody routes to a function.
    (
        "/function/%252e%252e/system/functions",
        &[400, 401],
        &[400, 401],
    ),
    ("/%2e%2e/system/functions", &[301, 400, 401], &[400, 401]),
    // Encoded slashes and backslashes.
    ("/function/one%2f..%2f..%2fsystem/functions", &[400], &[400]),
    (
        "/function/one%2F..%2F..%2Fsystem%2Ffunctions",
        &[400],
        &[400],
    ),
    ("/function/one/..%2f..%2fsystem/functions", &[400], &[400]),
    (
        "/function/one/a%2f..%2f..%2f..%2fsystem/functions",
        &[400],
        &[400],
    ),
    (
        "/function/one/%2e%2e%2f%2e%2e%2fsystem/functions",
        &[400],
        &[400],
    ),
    ("/function/one%5c..%5c..%5csystem/functions", &[400], &[400]),
    ("/function/one/..%5c..%5csystem/functions", &[400], &[400]),
    ("/function/one\\..\\..\\system\\functions", &[400], &[400]),
    ("/function/one/..\\..\\system/functions", &[400], &[400]),
    ("/function/%2fsystem/functions", &[400], &[400]),
    ("/function/%5csystem/functions", &[400], &[400]),
    (
        "/function%2f..%2fsystem/functions",
        &[400, 401],
        &[400, 401],
    ),
    // Empty segments.
    ("//system/functions", &[301, 400, 401], &[400, 401]),
    ("///system//functions", &[301, 400, 401], &[400, 401]),
    ("/system//functions", &[301, 400, 401], &[400, 401]),
    ("//function/one/x", &[301, 400, 401], &[400, 401]),
    ("/function//one/x", &[301, 400, 404, 401], &[400, 404, 401]),
    (
        "/function//../system/functions",
        &[301, 400, 401],
        &[400, 401],
    ),
    (
        "//gateway.test/system/functions",
        &[301, 400, 401],
        &[400, 401],
    ),
    // Parameters of path segments.
    ("/system;a=b/functions", &[400, 401, 404], &[400, 401, 404]),
    ("/system/functions;x", &[400, 401, 404], &[400, 401, 404]),
    (
        "/function/one;/../../system/functions",
        &[301, 400, 401],
        &[400, 401],
    ),
    ("/function/one;x/y", &[400, 401, 404], &[400, 401, 404]),
    (
        "/function/..;/system/functions",
        &[301, 400, 401, 404],
        &[400, 401, 404],
    ),
    // Bytes that end strings elsewhere.
    ("/function/one%00/../system/functions", &[400], &[400]),
    ("/function/one/%00", &[400], &[400]),
    ("/system/functions%00", &[400], &[400]),
    // Another case, another spelling.
    ("/FUNCTION/one/x", &[401], &[401]),
    ("/Function/one/x", &[401], &[401]),
    ("/SYSTEM/functions", &[401], &[401]),
    ("/%73ystem/functions", &[400, 401], &[400, 401]),
    ("/system%2ffunctions", &[400, 401], &[400, 401]),
    ("/system/%66unctions", &[400, 401], &[400, 401]),
    ("/%66unction/one/x", &[400, 401], &[400, 401]),
    ("/function%2fone", &[400, 401], &[400, 401]),
    // Management by its own name, with things behind it.
    ("/system/functions", &[401], &[401]),
    ("/system/functions?x=/function/one", &[401], &[401]),
    (
        "/system/functions/../../function/one",
        &[301, 400, 401],
        &[400, 401],
    ),
    (
        "/async-function/../system/functions",
        &[301, 400, 401],
        &[400, 401],
    ),
    (
        "/async-function/one/../../system/functions",
        &[301, 400, 401],
        &[400, 401],
    ),
    (
        "/async-function/%2e%2e/system/functions",
        &[400, 401],
        &[400, 401],
    ),
    (
        "/healthz/../system/functions",
        &[301, 400, 401],
        &[400, 401],
    ),
    ("/healthz%2f..%2fsystem/functions", &[400, 401], &[400, 401]),
    ("/ui/../system/functions", &[301, 400, 401], &[400, 401]),
    (
        "/metrics/../system/functions",
        &[301, 400, 401],
        &[400, 401],
    ),
];

/// Absolute targets: the path behind the authority, under the same rules.
const ABSOLUTE: [&str; 7] = [
    "http://gateway.test/system/functions",
    "http://gateway.test/function/../system/functions",
    "http://gateway.test/function/one/%2e%2e/%2e%2e/system/functions",
    "http://gateway.test//system/functions",
    "http:///system/functions",
    "http://gateway.test:80@x/system/functions",
    "http://gateway.test",
];

/// Bytes that no target may have, sent raw.
const RAW: [&[u8]; 9] = [
    b"/function/one/\x00/../system/functions",
    b"/function/one/\xc0\xae\xc0\xae/system/functions",
    b"/function/one/\xff",
    b"/function/one#/../system/functions",
    b"/function/one /system/functions",
    b"/function/one\t/x",
    b"function/../system/functions",
    b"*",
    b"system/functions",
];

fn send(gateway: &Gateway, method: &str, target: &[u8]) -> Option<Reply> {
    let mut client = Client::connect(gateway.address).ok()?;
    let mut bytes = method.as_bytes().to_vec();
    bytes.push(b' ');
    bytes.extend_from_slice(target);
    bytes.extend_from_slice(b" HTTP/1.1\r\nHost: gateway.test\r\n\r\n");
    client.send(&bytes).ok()?;
    client.reply(method).ok()
}

/// Every finding at once, so that one rule does not hide another.
fn check_no_management(gateway: &Gateway) {
    let mut findings = Vec::new();
    for (target, get, post) in TRAPS {
        for (method, allowed) in [("GET", get), ("POST", post), ("DELETE", post)] {
            let reply = send(gateway, method, target.as_bytes()).unwrap();
            findings.extend(finding(method, target, allowed, &reply));
        }
    }
    for target in ABSOLUTE {
        let reply = send(gateway, "GET", target.as_bytes()).unwrap();
        findings.extend(finding("GET", target, &[301, 307, 400, 401], &reply));
    }
    for target in RAW {
        let shown = String::from_utf8_lossy(target);
        if let Some(reply) = send(gateway, "GET", target) {
            findings.extend(finding("GET", &shown, &[400, 401], &reply));
        }
    }
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

fn finding(method: &str, target: &str, allowed: &[u16], reply: &Reply) -> Option<String> {
    let text = reply.text();
    let location = reply.header("location").unwrap_or_default();
    let path = target.strip_prefix("http://gateway.test").unwrap_or(target);
    let wanted = clean(path.split('?').next().unwrap_or_default());
    let elsewhere = !location.is_empty() && location != "/ui/" && !location.starts_with(&wanted);
    let wrong = !allowed.contains(&reply.status) || text.contains(MARK) || elsewhere;
    let status = reply.status;
    wrong.then(|| format!("{method} {target}: {status} {location} {}", text.trim()))
}

#[test]
fn no_path_leads_around_the_guard() {
    let gateway = Gateway::guarded(&Credentials::new("admin", "secret"), &[]);
    gateway.deploy(&Deployment::streaming("one", "cat"));
    gateway.deploy(&Deployment::streaming(MARK, "cat"));
    assert!(
        gateway
            .admin("GET", "/system/functions", b"")
            .text()
            .contains(MARK)
    );
    check_no_management(&gateway);
}

/// Whatever reaches the provider for these is still a path of a function when a lax router has
/// decoded and cleaned it.
#[test]
fn no_path_leads_around_the_guard_to_a_provider() {
    for kind in [Kind::Netes, Kind::Faasd] {
        let provider = Provider::with(Options::of(kind).guarded("admin", "secret"));
        provider.add("one", Readiness::AtOnce);
        provider.add(MARK, Readiness::AtOnce);
        let gateway = Gateway::behind(&provider, &[]);
        assert!(
            gateway
                .admin("GET", "/system/functions", b"")
                .text()
                .contains(MARK)
        );
        provider.server().forget();
        check_no_management(&gateway);
        for seen in provider.server().seen() {
            // The watch asks for these by itself.
            let own = [
                "/system/functions",
                "/system/namespaces",
                "/healthz",
                "/system/info",
            ];
            if seen.method == "GET" && own.contains(&seen.path()) {
                continue;
            }
            let lax = clean(&decode(seen.path(), false));
            assert!(lax.starts_with("/function/one"), "{}", seen.line());
            assert_eq!(seen.header("authorization"), None, "{}", seen.line());
        }
    }
}

/// What must arrive as it was sent, behind the function's name.
const EXACT: [&str; 20] = [
    "/a%2Fb",
    "/a%2fb%2F%2fc",
    "/a%3Fb%3Dc",
    "/a%23b",
    "/a%25b%252Fc%2525",
    "/a;b=c;d",
    "/a+b",
    "/a%20b%2B",
    "/%C3%A4%F0%9F%A6%80",
    "/%c0%ae",
    "/a:b@c!$&'()*,=~",
    "/%7E%41%61",
    "/trailing/",
    "/a%5Cb",
    "/...a/..b/c..",
    "?q",
    "/x?",
    "/x?a=b&a=c&&d",
    "/x?a=%2F..%2F%3F%23%25;+%20%C3%A4/../b//c?d",
    "/x?http://a/b?c=[1]|{2}",
];

#[test]
fn paths_and_queries_reach_a_function_behind_a_provider_byte_for_byte() {
    let provider = Provider::with(Options::of(Kind::Netes).guarded("admin", "secret"));
    provider.add("one", Readiness::AtOnce);
    let gateway = Gateway::behind(&provider, &[]);
    for rest in EXACT {
        // Braces and pipes are no bytes of a target.
        if rest.contains('{') {
            assert_eq!(
                gateway
                    .call("GET", &format!("/function/one{rest}"), b"")
                    .status,
                400
            );
            continue;
        }
        for name in ["one", "one.openfaas-fn"] {
            let target = format!("/function/{name}{rest}");
            provider.server().forget();
            let _ = gateway.call("POST", &target, b"body");
            let seen = provider.requests("POST /function/");
            assert_eq!(
                seen.first().map(|s| s.target.as_str()),
                Some(target.as_str())
            );
        }
    }
}

#[test]
fn paths_and_queries_reach_a_local_function_byte_for_byte() {
    let gateway = Gateway::guarded(&Credentials::new("admin", "secret"), &[]);
    gateway.deploy_ready(&Deployment::vice("one"), 1);
    for rest in EXACT.iter().filter(|rest| !rest.contains('{')) {
        let reply = gateway.call("GET", &format!("/function/one{rest}"), b"");
        let path = rest.split('?').next().unwrap();
        let path = if path.is_empty() { "/" } else { path };
        assert_eq!(reply.text(), format!("vice GET {path}"), "{rest}");
    }
}

#[test]
fn names_with_odd_letters_are_data_for_the_provider() {
    let provider = Provider::start(Kind::Faasd);
    let document = json!({"service": "a.b", "namespace": "openfaas-fn", "image": "i"});
    provider.add_document(&document, Readiness::AtOnce, 1);
    let gateway = Gateway::behind(&provider, &[]);
    // The text behind the last dot is a namespace: `a.b` is only reached with its own.
    let reply = gateway.call("GET", "/function/a.b.openfaas-fn/x", b"");
    assert!(matches!(reply.status, 200 | 503), "{reply:?}");
    for name in ["one.", ".one", "..", "a..b"] {
        let reply = gateway.call("GET", &format!("/function/{name}/x"), b"");
        assert!(
            matches!(reply.status, 301 | 400 | 404 | 503),
            "{name}: {reply:?}"
        );
        assert!(!reply.text().contains("createdAt"), "{name}: {reply:?}");
    }
}
