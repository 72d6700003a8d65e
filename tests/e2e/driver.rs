//! The driver in use is the one asked for, and is told.

use ringway_tests::Gateway;

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
    let log = gateway.log();
    assert!(log.contains(wanted), "{log}");
    if std::env::var("RINGWAY_TEST_DRIVER").as_deref() == Ok("refused") {
        assert!(log.contains("io_uring is refused"), "{log}");
    }
}
