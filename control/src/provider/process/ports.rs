//! Loopback ports for functions that listen on TCP.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use parking_lot::Mutex;

/// Hands out ports nobody listens on, each to one replica at a time.
#[derive(Debug)]
pub(super) struct Ports {
    taken: Mutex<Taken>,
}

#[derive(Debug)]
struct Taken {
    ports: HashSet<u16>,
    /// Where the next search begins, so that a port that was just freed rests a while.
    next: u16,
}

/// A port, until it is dropped.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) number: u16,
    ports: Arc<Ports>,
}

impl Ports {
    pub(super) fn new() -> Self {
        // Two gateways on one machine should not try the same ports.
        let offset = RandomState::new().hash_one(0) % u64::from(LAST - FIRST);
        let next = FIRST + u16::try_from(offset).unwrap_or(0);
        Self {
            taken: Mutex::new(Taken {
                ports: HashSet::new(),
                next,
            }),
        }
    }

    /// A port that could be bound a moment ago. Whoever takes it meanwhile makes the function
    /// fail to listen, and its next start gets another one.
    pub(super) fn claim(self: &Arc<Self>) -> Option<Port> {
        let mut taken = self.taken.lock();
        for _ in FIRST..=LAST {
            let number = taken.next;
            taken.next = if number == LAST { FIRST } else { number + 1 };
            let free = !taken.ports.contains(&number)
                && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok();
            if free {
                taken.ports.insert(number);
                return Some(Port {
                    number,
                    ports: Arc::clone(self),
                });
            }
        }
        None
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.ports.taken.lock().ports.remove(&self.number);
    }
}

/// Below the ports the kernel gives to outgoing connections, which start at 32768.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice_nor_while_somebody_listens() {
        let ports = Arc::new(Ports::new());
        let first = ports.claim().unwrap();
        let second = ports.claim().unwrap();
        assert_ne!(first.number, second.number);
        let number = second.number;
        let next = if number == LAST { FIRST } else { number + 1 };
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, next));
        assert_ne!(ports.claim().unwrap().number, next);
        drop(second);
        assert!(!ports.taken.lock().ports.contains(&number));
    }
}
