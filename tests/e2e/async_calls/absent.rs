//! A gateway without a place for its queue.

use std::time::Duration;

use ringway_tests::provider::{Kind, Provider, Readiness};
use ringway_tests::{Gateway, eventually, request};

#[test]
fn it_starts_answers_503_says_why_and_finds_the_place_later() {
    let provider = Provider::start(Kind::Netes);
    provider.add("one", Readiness::AtOnce);
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("data");
    std::fs::write(&blocked, "a file where a folder should be").unwrap();
    let path = blocked.display().to_string();
    let gateway = Gateway::behind(&provider, &[("RINGWAY_DATA", &path)]);
    let post = || request(gateway.address, "POST", "/async-function/one", &[], b"x").unwrap();
    let reply = post();
    assert_eq!(reply.status, 503, "{reply:?}");
    assert!(
        reply.text().contains("not available") && reply.text().contains(&path),
        "{reply:?}"
    );
    assert_eq!(gateway.call("POST", "/function/one", b"x").status, 200);
    assert_eq!(gateway.metric("ringway_async_available"), Some(0.0));
    std::thread::sleep(Duration::from_millis(5_500));
    let told = gateway
        .log()
        .matches("asynchronous calls are not available")
        .count();
    assert_eq!(told, 1, "{}", gateway.log());
    std::fs::remove_file(&blocked).unwrap();
    eventually("the queue", Duration::from_secs(15), || {
        (post().status == 202).then_some(())
    });
}

#[test]
fn two_gateways_do_not_share_a_queue() {
    let provider = Provider::start(Kind::Netes);
    provider.add("one", Readiness::AtOnce);
    let first = Gateway::behind(&provider, &[]);
    let path = first.data.path().display().to_string();
    let second = Gateway::behind(&provider, &[("RINGWAY_DATA", &path)]);
    let reply = second.call("POST", "/async-function/one", b"x");
    assert_eq!(reply.status, 503, "{reply:?}");
    assert!(reply.text().contains("another gateway"), "{reply:?}");
    assert_eq!(first.call("POST", "/async-function/one", b"x").status, 202);
}
