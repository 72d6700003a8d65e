//! `direct_functions=true`: functions called at their own addresses, found by DNS.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ringway_tests::provider::{Kind, Provider, Readiness};
use ringway_tests::server::Server;
use ringway_tests::{Client, Dns, DnsVice, Echo, Gateway, eventually, free_port};
use serde_json::json;

/// A provider with `one`, a name server, and functions listening on 127.0.0.2 and so on.
struct Direct {
    provider: Provider,
    dns: Dns,
    port: u16,
    gateway: Gateway,
}

const NAME: &str = "one.openfaas-fn.fn.test";

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, last)
}

impl Direct {
    fn start(addresses: &[Ipv4Addr], ttl: u32, more: &[(&str, &str)]) -> Self {
        let provider = Provider::start(Kind::Netes);
        provider.add("one", Readiness::AtOnce);
        let dns = Dns::start();
        if !addresses.is_empty() {
            dns.set(NAME, addresses, ttl);
        }
        let port = free_port();
        let (server, port_text) = (dns.address().to_string(), port.to_string());
        let mut settings = vec![
            ("direct_functions", "true"),
            ("direct_functions_suffix", "fn.test"),
            ("RINGWAY_DNS", server.as_str()),
            ("RINGWAY_DIRECT_PORT", port_text.as_str()),
        ];
        settings.extend_from_slice(more);
        let gateway = Gateway::behind(&provider, &settings);
        Self {
            provider,
            dns,
            port,
            gateway,
        }
    }

    fn listen(&self, last: u8) -> Server {
        Echo::listen(SocketAddr::from((address(last), self.port)))
    }
}

#[test]
fn the_prefix_is_trimmed_and_the_raw_path_kept() {
    let direct = Direct::start(&[address(2)], 60, &[]);
    let function = direct.listen(2);
    for (rest, seen) in [
        ("", "/"),
        ("/", "/"),
        ("?a=b", "/?a=b"),
        (
            "/a%2Fb%3Fc%23d%25e;f=+/%C3%A4//g?h=%20+&i;j",
            "/a%2Fb%3Fc%23d%25e;f=+/%C3%A4//g?h=%20+&i;j",
        ),
        ("/deep/slash/", "/deep/slash/"),
    ] {
        for name in ["one", "one.openfaas-fn"] {
            let reply = direct
                .gateway
                .call("POST", &format!("/function/{name}{rest}"), b"body");
            let wanted = format!("POST {seen} HTTP/1.1\r\n");
            assert!(reply.text().starts_with(&wanted), "{name}{rest}: {reply:?}");
            assert!(reply.text().ends_with("\r\n\r\nbody"), "{name}{rest}");
        }
    }
    assert_eq!(function.seen().len(), 10);
    assert_eq!(
        direct.provider.count("/function/"),
        0,
        "the provider is not in between"
    );
}

#[test]
fn every_address_is_used() {
    let direct = Direct::start(&[address(2), address(3), address(4)], 60, &[]);
    let functions = [2, 3, 4].map(|last| direct.listen(last));
    for _ in 0..60 {
        assert_eq!(direct.gateway.call("GET", "/function/one", b"").status, 200);
    }
    let calls = functions.each_ref().map(|f| f.seen().len());
    assert!(
        calls.iter().all(|n| *n > 0) && calls.iter().sum::<usize>() == 60,
        "{calls:?}"
    );
}

#[test]
fn a_changed_record_is_followed_after_its_time_to_live() {
    let direct = Direct::start(&[address(2)], 1, &[]);
    let functions = [2, 3].map(|last| direct.listen(last));
    assert_eq!(direct.gateway.call("GET", "/function/one", b"").status, 200);
    assert_eq!(functions[0].seen().len(), 1);
    direct.dns.set(NAME, &[address(3)], 1);
    eventually("the new address", Duration::from_secs(10), || {
        assert_eq!(direct.gateway.call("GET", "/function/one", b"").status, 200);
        (!functions[1].seen().is_empty()).then_some(())
    });
    functions[0].forget();
    for _ in 0..20 {
        assert_eq!(direct.gateway.call("GET", "/function/one", b"").status, 200);
    }
    assert_eq!(
        functions[0].seen().len(),
        0,
        "the old address is not called any more"
    );
}

#[test]
fn a_long_time_to_live_spares_the_name_server() {
    let direct = Direct::start(&[address(2)], 300, &[]);
    let _function = direct.listen(2);
    for _ in 0..100 {
        assert_eq!(direct.gateway.call("GET", "/function/one", b"").status, 200);
    }
    let polls = direct.provider.count("GET /system/functions");
    eventually("two more polls", Duration::from_secs(20), || {
        (direct.provider.count("GET /system/functions") >= polls + 2).then_some(())
    });
    let asked = direct.dns.asked(NAME);
    assert!((1..=3).contains(&asked), "asked {asked} times");
}

#[test]
fn the_last_known_address_serves_while_dns_is_broken() {
    let direct = Direct::start(&[address(2)], 1, &[]);
    let _function = direct.listen(2);
    assert_eq!(direct.gateway.call("GET", "/function/one", b"").status, 200);
    for vice in [DnsVice::Fails, DnsVice::Silent, DnsVice::Garbage] {
        direct.dns.set_vice(vice);
        let asked = direct.dns.asked(NAME);
        eventually("another question", Duration::from_secs(20), || {
            let reply = direct.gateway.call("GET", "/function/one", b"");
            assert_eq!(reply.status, 200, "{vice:?}: {}", reply.text());
            (direct.dns.asked(NAME) > asked).then_some(())
        });
        assert_eq!(
            direct.gateway.call("GET", "/function/one", b"").status,
            200,
            "{vice:?}"
        );
        direct.dns.set_vice(DnsVice::None);
    }
}

#[test]
fn a_name_without_address_is_no_404() {
    let direct = Direct::start(&[], 60, &[("upstream_timeout", "2")]);
    let reply = direct.gateway.call("GET", "/function/one/x", b"");
    assert!(matches!(reply.status, 502..=504), "{reply:?}");
    direct.dns.set(NAME, &[address(2)], 60);
    let _function = direct.listen(2);
    eventually("the address", Duration::from_secs(15), || {
        (direct.gateway.call("GET", "/function/one/x", b"").status == 200).then_some(())
    });
}

#[test]
fn one_address_that_refuses_costs_no_get() {
    let direct = Direct::start(&[address(2), address(3)], 60, &[]);
    let _function = direct.listen(3);
    for _ in 0..40 {
        assert_eq!(direct.gateway.call("GET", "/function/one", b"").status, 200);
    }
}

#[test]
fn functions_of_every_namespace_are_found() {
    let provider = Provider::start(Kind::Faasd);
    let document = json!({"service": "two", "namespace": "dev", "image": "i"});
    provider.add_document(&document, Readiness::AtOnce, 1);
    let dns = Dns::start();
    dns.set("two.dev.fn.test", &[address(2)], 60);
    let port = free_port();
    let gateway = Gateway::behind(
        &provider,
        &[
            ("direct_functions", "true"),
            ("direct_functions_suffix", "fn.test"),
            ("RINGWAY_DNS", &dns.address().to_string()),
            ("RINGWAY_DIRECT_PORT", &port.to_string()),
        ],
    );
    let _function = Echo::listen(SocketAddr::from((address(2), port)));
    eventually("the function", Duration::from_secs(15), || {
        let reply = gateway.call("GET", "/function/two.dev/x", b"");
        reply.text().starts_with("GET /x ").then_some(())
    });
}

#[test]
fn a_function_at_zero_is_woken_and_then_called_directly() {
    let direct = Direct::start(&[address(2)], 60, &[]);
    let function = direct.listen(2);
    let document = json!({"service": "one", "image": "i"});
    let readiness = Readiness::After(Duration::from_millis(200));
    direct.provider.add_document(&document, readiness, 0);
    let gateway = &direct.gateway;
    // The change is made behind the gateway's back: wait until it has been seen.
    let series = r#"gateway_service_count{function_name="one.openfaas-fn"}"#;
    eventually("the change", Duration::from_secs(12), || {
        (gateway.metric(series) == Some(0.0)).then_some(())
    });
    let mut clients: Vec<Client> = (0..50)
        .map(|_| Client::connect(gateway.address).unwrap())
        .collect();
    for client in &mut clients {
        client
            .send(b"GET /function/one/x HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
    }
    for client in &mut clients {
        assert_eq!(client.reply("GET").unwrap().status, 200);
    }
    assert_eq!(direct.provider.count("POST /system/scale-function/one"), 1);
    assert_eq!(function.seen().len(), 50);
}

#[test]
fn direct_functions_see_their_own_credentials_only() {
    let direct = Direct::start(&[address(2)], 60, &[]);
    let function = direct.listen(2);
    assert_eq!(
        direct.gateway.call("GET", "/function/one/none", b"").status,
        200
    );
    let seen = &function.seen()[0];
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.values("host").len(), 1);
    assert!(seen.header("x-call-id").is_some());
}
