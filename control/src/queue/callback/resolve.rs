//! Hosts of callbacks to addresses.

use std::net::IpAddr;

use crate::provider::remote::Names;

/// Where names are looked up.
#[derive(Clone)]
pub enum Resolver {
    /// As every program of this system does.
    System,
    /// By name servers of the settings.
    Servers(Box<Names>),
}

impl Resolver {
    /// The addresses of a host, in order.
    ///
    /// # Errors
    /// It has none; the text says so.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let failed = |error: std::io::Error| format!("the host {host} is not found: {error}");
        let found = match self {
            Self::System => {
                let found = tokio::net::lookup_host((host, 0)).await;
                found.map_err(failed)?.map(|address| address.ip()).collect()
            }
            Self::Servers(names) => names.find(host).await.map_err(failed)?.addresses,
        };
        if found.is_empty() {
            return Err(format!("the host {host} is not found"));
        }
        Ok(found)
    }
}
