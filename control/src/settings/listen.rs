//! Which addresses the gateway may listen on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::error::SettingError;
use super::shape::Given;

/// Whether callers are asked who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// Credentials are demanded: any address will do.
    Authenticated,
    /// Nobody is asked: the operator said that this is meant, or calls start no process here.
    Open,
    /// Nobody is asked: only this machine may call, since `/system` starts processes.
    LoopbackOnly,
}

impl Guard {
    /// The host when none was given.
    pub(super) const fn default_host(self) -> IpAddr {
        match self {
            Self::Authenticated | Self::Open => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            Self::LoopbackOnly => IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }
}

/// The address of a listener: what was given, checked, or `host:port`.
pub(super) fn address(
    given: Option<&Given>,
    guard: Guard,
    host: IpAddr,
    port: u16,
) -> Result<SocketAddr, SettingError> {
    let Some(given) = given else {
        return Ok(SocketAddr::new(host, port));
    };
    let invalid = |rule: &str| SettingError::Invalid {
        name: given.name.clone(),
        value: given.text.clone(),
        rule: rule.to_owned(),
    };
    let address = parse(&given.text, host).ok_or_else(|| {
        invalid("must be ADDRESS:PORT, such as 127.0.0.1:8080, [::]:8080 or :8080")
    })?;
    if guard == Guard::LoopbackOnly && !address.ip().to_canonical().is_loopback() {
        return Err(invalid(
            "without basic_auth the built-in provider listens on loopback only, because whoever \
             reaches it may start processes; set basic_auth=true, or --insecure to allow it",
        ));
    }
    Ok(address)
}

/// `ADDRESS:PORT`, or `:PORT` on `host`.
fn parse(text: &str, host: IpAddr) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let port = text.strip_prefix(':')?;
    // FromStr for u16 allows a sign.
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    Some(SocketAddr::new(host, digits.then(|| port.parse().ok())??))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str, guard: Guard) -> Result<String, String> {
        let given = Given {
            name: "RINGWAY_LISTEN".into(),
            text: text.into(),
        };
        address(Some(&given), guard, guard.default_host(), 8080)
            .map(|a| a.to_string())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn loopback_is_the_rule_without_credentials() {
        for ok in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"] {
            assert_eq!(listen(ok, Guard::LoopbackOnly).unwrap(), ok);
        }
        assert_eq!(listen(":99", Guard::LoopbackOnly).unwrap(), "127.0.0.1:99");
        for bad in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            let error = listen(bad, Guard::LoopbackOnly).unwrap_err();
            assert!(
                error.contains("RINGWAY_LISTEN") && error.contains("--insecure"),
                "{error}"
            );
            assert!(listen(bad, Guard::Open).is_ok());
            assert!(listen(bad, Guard::Authenticated).is_ok());
        }
    }

    #[test]
    fn malformed_addresses_are_refused() {
        for bad in [
            "",
            "8080",
            "localhost:1",
            "127.0.0.1",
            ":",
            ":+1",
            ":65536",
            "1.2.3:1",
        ] {
            assert!(
                listen(bad, Guard::Open)
                    .unwrap_err()
                    .contains("ADDRESS:PORT"),
                "{bad}"
            );
        }
    }
}
