//! The settings of NATS, for gateways and queue workers alike.

use std::path::PathBuf;
use std::time::Duration;

use super::error::SettingError;
use super::key::Key;
use super::reader::{Reader, above_zero, count, invalid, list, switch};
use super::shape::Given;
use crate::queue::{NatsLogin, NatsOptions, NatsTls};

/// Reads them; `None` when no server is named.
pub(super) fn resolve<F: Fn(Key) -> Option<Given>>(
    read: &Reader<F>,
) -> Result<Option<NatsOptions>, SettingError> {
    let port = read.or(Key::NatsPort, 4222, count(u16::MAX))?;
    let parse = |text: &str| server(text, port);
    let servers = read.maybe(Key::NatsAddress, |text| match list(SERVERS, parse)(text) {
        Ok(servers) if servers.is_empty() => Err(SERVERS.to_owned()),
        other => other,
    })?;
    let options = NatsOptions {
        servers: servers.clone().unwrap_or_default(),
        channel: read.or(Key::NatsChannel, "faas-request".to_owned(), channel)?,
        login: login(read)?,
        tls: tls(read)?,
        replicas: read.or(Key::NatsReplicas, 1, count(REPLICAS_MAX))?.into(),
        ack_wait: read.or(Key::NatsAckWait, ACK_WAIT, at_least_a_second)?,
    };
    Ok(servers.map(|_| options))
}

/// `host:port` of a server named with or without its port.
fn server(text: &str, port: u16) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let is_name = |host: &str| !host.is_empty() && host.bytes().all(plain);
    let in_brackets = |host: &str| {
        let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        inner.is_some_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok())
    };
    let is_host = |host: &str| is_name(host) || in_brackets(host);
    if is_host(text) {
        return Ok(format!("{text}:{port}"));
    }
    let named = text.rsplit_once(':').and_then(|(host, port)| {
        let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
        is_host(host).then(|| format!("{host}:{port}"))
    });
    named.ok_or_else(|| format!("{text:?} is none"))
}

fn channel(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    if text.bytes().all(plain) && (1..=64).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err("must be 1 to 64 letters, digits, '-' or '_'".to_owned())
}

/// How a gateway says who it is: in one way.
fn login<F: Fn(Key) -> Option<Given>>(read: &Reader<F>) -> Result<NatsLogin, SettingError> {
    let path = |key| read.get(key).map(|given| PathBuf::from(given.text));
    let user = read.get(Key::NatsUser);
    let password = read.get(Key::NatsPasswordFile);
    let both = "user and password must be given together: RINGWAY_NATS_USER and \
                RINGWAY_NATS_PASSWORD_FILE";
    let pair = match (user, password) {
        (Some(user), Some(password)) => Some(NatsLogin::Password {
            user: user.text,
            file: password.text.into(),
        }),
        (None, None) => None,
        (Some(given), None) => return Err(invalid(&given, both)),
        (None, Some(given)) => return Err(invalid(&given, both)),
    };
    let ways = [
        (Key::NatsUser, pair),
        (
            Key::NatsTokenFile,
            path(Key::NatsTokenFile).map(NatsLogin::Token),
        ),
        (
            Key::NatsCredsFile,
            path(Key::NatsCredsFile).map(NatsLogin::Creds),
        ),
        (
            Key::NatsNkeyFile,
            path(Key::NatsNkeyFile).map(NatsLogin::Nkey),
        ),
    ];
    let mut chosen = NatsLogin::Nobody;
    for (key, way) in ways {
        let Some(way) = way else { continue };
        if chosen != NatsLogin::Nobody
            && let Some(given) = read.get(key)
        {
            return Err(invalid(
                &given,
                "there must be one way only of saying who this is: a user, a token, a creds \
                 file or an nkey",
            ));
        }
        chosen = way;
    }
    Ok(chosen)
}

fn tls<F: Fn(Key) -> Option<Given>>(read: &Reader<F>) -> Result<NatsTls, SettingError> {
    let path = |key| read.get(key).map(|given| PathBuf::from(given.text));
    let pair = match (read.get(Key::NatsCertFile), read.get(Key::NatsKeyFile)) {
        (Some(certificate), Some(key)) => Some((certificate.text.into(), key.text.into())),
        (None, None) => None,
        (Some(given), None) | (None, Some(given)) => {
            return Err(invalid(
                &given,
                "a certificate and its key must be given together: RINGWAY_NATS_CERT_FILE and \
                 RINGWAY_NATS_KEY_FILE",
            ));
        }
    };
    let authorities = path(Key::NatsCaFile);
    let default = pair.is_some() || authorities.is_some();
    Ok(NatsTls {
        required: read.or(Key::NatsTls, default, switch)?,
        authorities,
        pair,
    })
}

fn at_least_a_second(text: &str) -> Result<Duration, String> {
    let wait = above_zero(text)?;
    if wait < Duration::from_secs(1) {
        return Err("must be at least 1s".to_owned());
    }
    Ok(wait)
}

const SERVERS: &str = "must be servers such as nats.openfaas or 10.0.0.1:4222";
/// More than JetStream has.
const REPLICAS_MAX: u8 = 5;
const ACK_WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::super::reader::{self, assert_named};
    use super::*;

    fn read(given: &[(Key, &str)]) -> Result<Option<NatsOptions>, String> {
        resolve(&Reader::new(reader::given(given))).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_enough() {
        assert_eq!(read(&[(Key::NatsPort, "4222")]), Ok(None));
        let options = read(&[(Key::NatsAddress, "nats, 10.0.0.1:99,[::1]")]);
        let options = options.unwrap().unwrap();
        assert_eq!(options.servers, ["nats:4222", "10.0.0.1:99", "[::1]:4222"]);
        assert_eq!(options.channel, "faas-request");
        assert_eq!(options.login, NatsLogin::Nobody);
        assert!(!options.tls.required);
        assert_eq!((options.replicas, options.ack_wait), (1, ACK_WAIT));
    }

    #[test]
    fn a_file_of_tls_requires_it_unless_told_otherwise() {
        let ca = [(Key::NatsAddress, "a"), (Key::NatsCaFile, "/ca")];
        assert!(read(&ca).unwrap().unwrap().tls.required);
        let off = [ca[0], ca[1], (Key::NatsTls, "false")];
        assert!(!read(&off).unwrap().unwrap().tls.required);
    }

    #[test]
    fn every_error_names_the_variable_the_value_and_the_rule() {
        for (given, rule) in [
            (&[(Key::NatsAddress, "nats://a")][..], "servers"),
            (&[(Key::NatsAddress, "a:0")], "servers"),
            (&[(Key::NatsAddress, ",")], "servers"),
            (&[(Key::NatsPort, "0")], "from 1"),
            (&[(Key::NatsChannel, "a.b")], "letters"),
            (&[(Key::NatsUser, "u")], "together"),
            (&[(Key::NatsPasswordFile, "/p")], "together"),
            (
                &[(Key::NatsCredsFile, "/c"), (Key::NatsTokenFile, "/t")],
                "one way",
            ),
            (
                &[(Key::NatsNkeyFile, "/n"), (Key::NatsTokenFile, "/t")],
                "one way",
            ),
            (&[(Key::NatsCertFile, "/c")], "together"),
            (&[(Key::NatsKeyFile, "/k")], "together"),
            (&[(Key::NatsTls, "yes")], "true or false"),
            (&[(Key::NatsReplicas, "6")], "from 1"),
            (&[(Key::NatsAckWait, "10ms")], "at least"),
        ] {
            let error = read(given).unwrap_err();
            let (key, value) = given[0];
            assert_named(&error, (key, value), rule);
        }
    }
}
