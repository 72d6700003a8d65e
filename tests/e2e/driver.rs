//! The driver in use is the one asked for, and is told.

use std::time::Duration;

use ringway_tests::{Gateway, eventually};

#[test]
fn the_driver_is_logged_and_exported() {
    let gateway = Gateway::start();
    let wanted = match std::env::var("RINGWAY_TEST_DRIVER").as_deref() {
        Ok("epoll" | "refused") => "epoll",
        _ => "io_uring",
    };
    let series = format!("ringway_driver{{driver=\"{wanted}\"}}");
    assert_eq!(
        gateway.metric(&series),
        Some(1.0),
        "{}",
        gateway.metrics_text()
    );
    // It serves a moment before it says so.
    let log = eventually("the word of it", Duration::from_secs(5), || {
        let log = gateway.log();
        log.contains(wanted).then_some(log)
    });
    if std::env::var("RINGWAY_TEST_DRIVER").as_deref() == Ok("refused") {
        assert!(log.contains("io_uring is refused"), "{log}");
    }
}
