//! Which endpoint slot belongs to which address: one per address, however many functions share
//! it, so that a provider in front of 10,000 functions is one endpoint with one pool.
//!
//! **Invariant:** a slot is free exactly when no function uses its address; a serial is never
//! used twice.

use std::collections::HashMap;
use std::sync::Arc;

use crate::table::snapshot::Endpoint;
use crate::table::spec::Address;

/// The publisher's endpoint slots.
#[derive(Default)]
pub(super) struct Slots {
    owners: HashMap<Arc<Address>, Owner>,
    /// Slots below `serials.len()` that nobody owns.
    free: Vec<u32>,
    /// By slot: its owner's serial, 0 when it is free. `free.len() + owners.len() == serials.len()`
    serials: Vec<u64>,
    last_serial: u64,
}

/// An address that at least one function uses.
struct Owner {
    endpoint: Endpoint,
    /// Rows that name it: `1 <= users`.
    users: usize,
}

impl Slots {
    /// Takes a share in each address; a doubled one counts once. Give all of them back with
    /// [`Slots::release`].
    pub(super) fn share(&mut self, addresses: &[Address]) -> Box<[Endpoint]> {
        let mut endpoints: Vec<Endpoint> = Vec::with_capacity(addresses.len());
        for address in addresses {
            if !endpoints.iter().any(|e| *e.address == *address) {
                endpoints.push(self.share_one(address));
            }
        }
        endpoints.into_boxed_slice()
    }

    /// Gives the shares of one row back. Shares taken before keep an address in its slot.
    pub(super) fn release(&mut self, endpoints: &[Endpoint]) {
        for endpoint in endpoints {
            let Some(owner) = self.owners.get_mut(&endpoint.address) else {
                debug_assert!(false, "a share is given back once");
                continue;
            };
            owner.users -= 1;
            if owner.users == 0 {
                self.owners.remove(&endpoint.address);
                self.serials[endpoint.slot as usize] = 0;
                self.free.push(endpoint.slot);
            }
        }
    }

    /// The present owner's serial of each slot, 0 for a free one.
    pub(super) fn serials(&self) -> Box<[u64]> {
        self.serials.as_slice().into()
    }

    fn share_one(&mut self, address: &Address) -> Endpoint {
        if let Some(owner) = self.owners.get_mut(address) {
            owner.users += 1;
            return owner.endpoint.clone();
        }
        self.last_serial += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.serials.push(0);
            // Four billion addresses at once do not fit into memory.
            (self.serials.len() - 1) as u32
        });
        self.serials[slot as usize] = self.last_serial;
        let endpoint = Endpoint {
            slot,
            serial: self.last_serial,
            address: Arc::new(address.clone()),
        };
        let owner = Owner {
            endpoint: endpoint.clone(),
            users: 1,
        };
        self.owners.insert(Arc::clone(&endpoint.address), owner);
        endpoint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(ports: &[u16]) -> Vec<Address> {
        let tcp = |port: &u16| Address::Tcp(([127, 0, 0, 1], *port).into());
        ports.iter().map(tcp).collect()
    }

    #[test]
    fn an_address_keeps_its_slot_until_its_last_user_leaves() {
        let mut slots = Slots::default();
        let first = slots.share(&addresses(&[1]));
        let second = slots.share(&addresses(&[1, 1]));
        assert_eq!(second.len(), 1, "a doubled address is one endpoint");
        assert_eq!(first[0].serial, second[0].serial);
        assert!(Arc::ptr_eq(&first[0].address, &second[0].address));
        slots.release(&first);
        assert_eq!(*slots.serials(), [second[0].serial]);
        slots.release(&second);
        assert_eq!(*slots.serials(), [0]);
        let third = slots.share(&addresses(&[1]));
        assert_eq!(third[0].slot, first[0].slot, "freed slots are used again");
        assert!(third[0].serial > first[0].serial, "serials are not");
    }

    #[test]
    fn any_order_of_shares_leaves_no_slot_behind() {
        let mut random = crate::http::tests::Random::new(71);
        let mut slots = Slots::default();
        let mut rows: Vec<Box<[Endpoint]>> = Vec::new();
        let mut seen = HashMap::new();
        for _ in 0..5_000 {
            if random.one_in(2) && !rows.is_empty() {
                let at = random.below(rows.len());
                slots.release(&rows.swap_remove(at));
            } else {
                let ports: Vec<u16> = (0..random.below(4))
                    .map(|_| u16::try_from(random.below(9)).unwrap())
                    .collect();
                rows.push(slots.share(&addresses(&ports)));
            }
            let serials = slots.serials();
            for endpoint in rows.iter().flatten() {
                assert_eq!(serials[endpoint.slot as usize], endpoint.serial);
                let address = seen.entry(endpoint.serial);
                let address = address.or_insert_with(|| (*endpoint.address).clone());
                assert_eq!(*address, *endpoint.address, "a serial has one address");
            }
            assert_eq!(slots.free.len() + slots.owners.len(), serials.len());
        }
        while let Some(row) = rows.pop() {
            slots.release(&row);
        }
        assert!(slots.owners.is_empty() && slots.serials.len() <= 9);
    }
}
