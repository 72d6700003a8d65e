//! How many connections each client address has, over all shards; looked at when a connection
//! begins and ends, never per request.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// The count, where there is a limit.
#[derive(Debug)]
pub(crate) struct Clients {
    most: usize,
    /// No entry is 0.
    open: Mutex<HashMap<Client, usize>>,
}

/// An IPv4 address, or the /64 of an IPv6 address: whoever has one has all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    V4(u32),
    V6(u64),
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct ClientPlace {
    clients: Arc<Clients>,
    client: Client,
}

impl Clients {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        let open = Mutex::default();
        Arc::new(Self { most, open })
    }

    /// A place for a connection of `ip` (IPv4-mapped addresses as IPv4), or `None` at the limit.
    pub(crate) fn enter(self: &Arc<Self>, ip: IpAddr) -> Option<ClientPlace> {
        let client = match ip {
            IpAddr::V4(ip) => Client::V4(ip.to_bits()),
            IpAddr::V6(ip) => Client::V6((ip.to_bits() >> 64) as u64),
        };
        let mut open = self.open.lock();
        let count = open.entry(client).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(open);
        let clients = Arc::clone(self);
        Some(ClientPlace { clients, client })
    }
}

impl Drop for ClientPlace {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.clients.open.lock().entry(self.client) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_as_many_places_and_no_more() {
        let clients = Clients::new(2);
        let ip = |text: &str| text.parse().unwrap();
        let first = clients.enter(ip("10.0.0.1")).unwrap();
        let _second = clients.enter(ip("10.0.0.1")).unwrap();
        assert!(clients.enter(ip("10.0.0.1")).is_none());
        let _other = clients.enter(ip("10.0.0.2")).unwrap();
        drop(first);
        let _again = clients.enter(ip("10.0.0.1")).unwrap();
        assert!(clients.enter(ip("10.0.0.1")).is_none());
    }

    #[test]
    fn a_client_has_its_64_bits_of_ipv6() {
        let clients = Clients::new(1);
        let ip = |text: &str| text.parse().unwrap();
        let place = clients.enter(ip("2001:db8::1")).unwrap();
        assert!(clients.enter(ip("2001:db8::ffff")).is_none());
        assert!(clients.enter(ip("2001:db8:0:1::1")).is_some());
        drop(place);
        assert!(clients.open.lock().is_empty());
    }
}
