//! Connections to the provider: kept, shared, and never used after the provider ended them.

use std::time::Duration;

use ringway_tests::provider::{Kind, Provider, Readiness};
use ringway_tests::server::Vice;
use ringway_tests::{Client, Gateway, eventually};

fn start() -> (Provider, Gateway) {
    let provider = Provider::start(Kind::Netes);
    provider.add("one", Readiness::AtOnce);
    let gateway = Gateway::behind(&provider, &[]);
    (provider, gateway)
}

#[test]
fn invocations_share_kept_connections() {
    let (provider, gateway) = start();
    let mut client = Client::connect(gateway.address).unwrap();
    let before = provider.server().accepted();
    for _ in 0..100 {
        let reply = client
            .request("POST", "/function/one/x", &[], b"body")
            .unwrap();
        assert_eq!(reply.status, 200);
    }
    let opened = provider.server().accepted() - before;
    assert!(
        opened <= 3,
        "{opened} connections for 100 calls one after another"
    );
}

#[test]
fn management_requests_share_kept_connections() {
    let (provider, gateway) = start();
    let before = provider.server().accepted();
    for _ in 0..50 {
        assert_eq!(
            gateway.admin("GET", "/system/function/one", b"").status,
            200
        );
    }
    let opened = provider.server().accepted() - before;
    assert!(
        opened <= 5,
        "{opened} connections for 50 requests one after another"
    );
}

/// The provider closes idle connections sooner than the gateway would: no call may pay for it.
#[test]
fn a_connection_the_provider_just_closed_costs_no_call() {
    let (provider, gateway) = start();
    provider
        .server()
        .set_idle_timeout(Some(Duration::from_millis(15)));
    let mut client = Client::connect(gateway.address).unwrap();
    for round in 0..60 {
        for method in ["GET", "POST"] {
            let reply = client.request(method, "/function/one/x", &[], b"").unwrap();
            assert_eq!(
                reply.status,
                200,
                "{method} in round {round}: {}",
                reply.text()
            );
        }
        // Around the provider's limit: before it, at it, after it.
        std::thread::sleep(Duration::from_millis(10 + round % 10));
        let list = gateway.admin("GET", "/system/function/one", b"");
        assert_eq!(list.status, 200, "round {round}: {}", list.text());
    }
}

#[test]
fn a_restart_of_the_provider_leaves_no_stale_connection() {
    let (provider, gateway) = start();
    let mut clients: Vec<Client> = (0..20)
        .map(|_| Client::connect(gateway.address).unwrap())
        .collect();
    for round in 0..3 {
        for client in &mut clients {
            let reply = client
                .request("POST", "/function/one/x", &[], b"body")
                .unwrap();
            assert_eq!(reply.status, 200, "round {round}: {}", reply.text());
        }
        provider.server().close();
        let refused = gateway.call("POST", "/function/one/x", b"body");
        assert_eq!(refused.status, 502, "{}", refused.text());
        provider.server().open();
        // One call may find the address still marked as down.
        eventually("an answer", Duration::from_secs(5), || {
            let reply = gateway.call("POST", "/function/one/x", b"body");
            (reply.status == 200).then_some(())
        });
    }
}

/// A reset overtakes the acknowledgement of what was read just before it, so that the kernel has
/// no proof that a call was not taken.
#[test]
fn a_call_that_was_taken_is_not_sent_twice_unless_its_method_allows_it() {
    let (provider, gateway) = start();
    let mut client = Client::connect(gateway.address).unwrap();
    for (path, vice) in [("reset", Vice::Reset), ("close", Vice::Close)] {
        provider.script(&format!("/function/one/{path}"), vice);
        for (method, times) in [("POST", 1), ("PATCH", 1), ("PUT", 3), ("GET", 3)] {
            // Enough that the kernel delays acknowledgements on the kept connection.
            for _ in 0..20 {
                let reply = client.request("POST", "/function/one/x", &[], b"body");
                assert_eq!(reply.unwrap().status, 200);
            }
            let target = format!("/function/one/{path}");
            let reply = client.request(method, &target, &[], b"body").unwrap();
            assert_eq!(reply.status, 502, "{method} {target}: {}", reply.text());
            let taken = provider.requests(&format!("{method} {target}")).len();
            assert_eq!(taken, times, "{method} {target}");
        }
    }
}
