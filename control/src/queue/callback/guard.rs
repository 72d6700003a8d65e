//! Which addresses replies may be delivered to. Pure.
//!
//! A callback URL is chosen by whoever may call a function, and the gateway stands where that
//! caller may not reach: without this, callers could speak to the gateway's own machine and to
//! the metadata service of its cloud.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringway_proxy::Cidr;

/// The rules.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Addresses that are always allowed.
    pub allowed: Vec<Cidr>,
    /// Hosts that are always allowed, wherever their names lead; in lower case.
    pub allowed_hosts: Vec<String>,
    /// Whether nothing else is allowed.
    pub only_allowed: bool,
    /// Whether addresses of private networks are refused.
    pub refuse_private: bool,
}

impl Guard {
    /// Whether a host may be connected to at this address.
    ///
    /// # Errors
    /// The reason why not.
    pub fn check(&self, host: &str, address: IpAddr) -> Result<(), String> {
        let bare = embedded(address);
        if self.allows_host(host) || self.allowed.iter().any(|block| block.contains(bare)) {
            return Ok(());
        }
        let kind = match kind(bare) {
            Some(kind) => kind,
            None if self.only_allowed => "not on the list of allowed receivers",
            None if self.refuse_private && is_private(bare) => "an address of a private network",
            None => return Ok(()),
        };
        Err(format!(
            "callbacks to {host} are refused: {address} is {kind}"
        ))
    }

    fn allows_host(&self, host: &str) -> bool {
        self.allowed_hosts
            .iter()
            .any(|h| h.eq_ignore_ascii_case(host))
    }
}

/// The IPv4 address inside an IPv6 one, where there is one: the packets may end there.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        // The unspecified and the loopback address are none.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        // IPv4-compatible, IPv4-mapped, and IPv4-translated (RFC 4291 §2.5.5, RFC 2765 §2.1).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => {
            of(high, low)
        }
        // NAT64 (RFC 6052 §2.1, RFC 8215).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 1, .., high, low] => of(high, low),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => of(high, low),
        // Teredo has the client's address inverted (RFC 4380 §4).
        [0x2001, 0, .., high, low] => of(!high, !low),
        _ => address,
    }
}

/// What an address is that nobody outside may reach through this gateway.
fn kind(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => kind_v4(v4),
        IpAddr::V6(v6) => kind_v6(v6),
    }
}

fn kind_v4(address: Ipv4Addr) -> Option<&'static str> {
    let kind = match address.octets() {
        [0, ..] => "an unspecified address",
        [127, ..] => "a loopback address",
        // Of AWS, Azure and Google; of Alibaba; of Oracle.
        [169, 254, 169, 254] | [100, 100, 100, 200] | [192, 0, 0, 192] => {
            "the metadata service of a cloud"
        }
        [169, 254, ..] => "a link-local address",
        [224..=239, ..] => "a multicast address",
        [240..=255, ..] => "a reserved address",
        _ => return None,
    };
    Some(kind)
}

fn kind_v6(address: Ipv6Addr) -> Option<&'static str> {
    let kind = match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => "an unspecified address",
        [0, 0, 0, 0, 0, 0, 0, 1] => "a loopback address",
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] => "the metadata service of a cloud",
        [0xfe80..=0xfebf, ..] => "a link-local address",
        [0xff00..=0xffff, ..] => "a multicast address",
        _ => return None,
    };
    Some(kind)
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => matches!(
            v4.octets(),
            [10, ..]
                | [172, 16..=31, ..]
                | [192, 168, ..]
                | [192, 0, 0, _]
                // Shared with providers (RFC 6598), and for benchmarks (RFC 2544).
                | [100, 64..=127, ..]
                | [198, 18..=19, ..]
        ),
        // Unique local, and site-local of old.
        IpAddr::V6(v6) => matches!(v6.segments()[0], 0xfc00..=0xfdff | 0xfec0..=0xfeff),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(guard: &Guard, address: &str) -> Option<String> {
        guard.check("host", address.parse().unwrap()).err()
    }

    #[test]
    fn what_only_this_machine_or_its_cloud_reaches_is_refused() {
        for (address, word) in [
            ("127.0.0.1", "loopback"),
            ("127.9.9.9", "loopback"),
            ("::1", "loopback"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::127.0.0.1", "loopback"),
            ("64:ff9b::7f00:1", "loopback"),
            ("64:ff9b:1::7f00:1", "loopback"),
            ("2002:7f00:1::", "loopback"),
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "unspecified"),
            ("::", "unspecified"),
            ("::ffff:0.0.0.0", "unspecified"),
            ("169.254.169.254", "metadata"),
            ("::ffff:169.254.169.254", "metadata"),
            ("2001:0:1:2:3:4:5601:5601", "metadata"),
            ("fd00:ec2::254", "metadata"),
            ("100.100.100.200", "metadata"),
            ("169.254.1.1", "link-local"),
            ("fe80::1", "link-local"),
            ("febf::1", "link-local"),
            ("224.0.0.1", "multicast"),
            ("ff02::1", "multicast"),
            ("255.255.255.255", "reserved"),
        ] {
            let why = refused(&Guard::default(), address).unwrap_or_default();
            assert!(
                why.contains(word) && why.contains("host"),
                "{address}: {why}"
            );
        }
    }

    #[test]
    fn private_networks_are_refused_by_option() {
        let private = Guard {
            refuse_private: true,
            ..Guard::default()
        };
        for address in [
            "10.0.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "fd12::1",
            "fec0::1",
            "::ffff:10.0.0.1",
        ] {
            assert_eq!(refused(&Guard::default(), address), None, "{address}");
            assert!(refused(&private, address).is_some(), "{address}");
        }
        for address in ["93.184.216.34", "2606:4700::1111", "172.32.0.1", "11.0.0.1"] {
            assert_eq!(refused(&private, address), None, "{address}");
        }
    }

    #[test]
    fn the_list_allows_and_may_be_all_there_is() {
        let mut guard = Guard {
            allowed: vec![Cidr::parse("127.0.0.0/8").unwrap()],
            allowed_hosts: vec!["hooks.example.com".to_owned()],
            ..Guard::default()
        };
        assert_eq!(refused(&guard, "127.0.0.1"), None);
        assert_eq!(refused(&guard, "::ffff:127.0.0.1"), None);
        assert!(refused(&guard, "::1").is_some());
        let loopback = "127.0.0.1".parse().unwrap();
        guard.allowed.clear();
        assert!(guard.check("Hooks.Example.com", loopback).is_ok());
        guard.only_allowed = true;
        assert!(guard.check("hooks.example.com", loopback).is_ok());
        let why = refused(&guard, "93.184.216.34").unwrap();
        assert!(why.contains("list"), "{why}");
    }
}
