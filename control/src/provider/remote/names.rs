//! Host names to addresses, by the system's resolver configuration or by name servers of one's
//! own, with the time the answer is good for.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{Resolver, TokioResolver};

/// Resolves names.
#[derive(Clone)]
pub struct Names {
    resolver: TokioResolver,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// In order, without doubles; empty when the name does not exist.
    pub(crate) addresses: Vec<IpAddr>,
    /// When to ask again.
    pub(crate) until: Instant,
}

impl Names {
    /// A resolver over these name servers; over those of the system when there are none.
    ///
    /// # Errors
    /// The system's configuration cannot be read.
    pub fn new(servers: &[SocketAddr]) -> io::Result<Self> {
        let mut builder = if servers.is_empty() {
            Resolver::builder_tokio().map_err(io::Error::other)?
        } else {
            let servers = servers.iter().map(name_server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = QUERY_TIMEOUT;
        // What this module keeps, it keeps for as long as the answer says.
        options.cache_size = 0;
        let resolver = builder.build().map_err(io::Error::other)?;
        Ok(Self { resolver })
    }

    /// The addresses of a host.
    ///
    /// # Errors
    /// No name server answered.
    pub(crate) async fn find(&self, host: &str) -> io::Result<Found> {
        let now = Instant::now();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
        if let Ok(address) = literal {
            return Ok(Found {
                addresses: vec![address],
                until: now + LITERAL_TTL,
            });
        }
        match self.resolver.lookup_ip(host).await {
            Ok(found) => {
                let mut addresses: Vec<IpAddr> = found.iter().collect();
                // Name servers rotate their answers; the order must not look like news.
                addresses.sort_unstable();
                addresses.dedup();
                let until = found.valid_until();
                Ok(Found {
                    addresses,
                    until: until.clamp(now + TTL_MIN, now + TTL_MAX),
                })
            }
            Err(error) if error.is_no_records_found() || error.is_nx_domain() => Ok(Found {
                addresses: Vec::new(),
                until: now + TTL_MIN,
            }),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    let connections = connections.map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.to_vec())
}

const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// Bounds of how long an answer is used, whatever it says.
const TTL_MIN: Duration = Duration::from_secs(1);
const TTL_MAX: Duration = Duration::from_secs(30);
const LITERAL_TTL: Duration = Duration::from_secs(24 * 60 * 60);
