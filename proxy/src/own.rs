//! Connections of this process to itself: they are no client's, and count against no client's limit.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const WORDS: usize = 1 << 10;

/// The local ports they come from, a bit for each.
#[derive(Clone)]
pub struct OwnPorts(Arc<[AtomicU64; WORDS]>);

/// A port, until it is dropped.
#[derive(Debug)]
pub struct OwnPort {
    port: u16,
    ports: OwnPorts,
}

impl Default for OwnPorts {
    fn default() -> Self {
        Self(Arc::new([const { AtomicU64::new(0) }; WORDS]))
    }
}

impl fmt::Debug for OwnPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self
            .0
            .iter()
            .map(|w| w.load(Ordering::Relaxed).count_ones());
        write!(f, "OwnPorts({})", count.sum::<u32>())
    }
}

impl OwnPorts {
    /// A connection is about to be made from this port.
    #[must_use]
    pub fn enter(&self, port: u16) -> OwnPort {
        self.word(port).fetch_or(bit(port), Ordering::Release);
        OwnPort {
            port,
            ports: self.clone(),
        }
    }

    /// Whether a peer is this process, which listens on `listen`. Ports of other machines mean
    /// nothing.
    pub(crate) fn has(&self, peer: SocketAddr, listen: IpAddr) -> bool {
        let ip = peer.ip().to_canonical();
        (ip.is_loopback() || ip == listen.to_canonical())
            && self.word(peer.port()).load(Ordering::Acquire) & bit(peer.port()) != 0
    }

    fn word(&self, port: u16) -> &AtomicU64 {
        &self.0[usize::from(port) % WORDS]
    }
}

/// Ports next to each other lie in different words.
const fn bit(port: u16) -> u64 {
    1 << (port as usize / WORDS)
}

impl Drop for OwnPort {
    fn drop(&mut self) {
        let word = self.ports.word(self.port);
        word.fetch_and(!bit(self.port), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_ours_while_we_hold_it_and_only_on_this_machine() {
        let ports = OwnPorts::default();
        let listen: IpAddr = "10.0.0.5".parse().unwrap();
        let has = |peer: &str| ports.has(peer.parse().unwrap(), listen);
        let held: Vec<_> = [0, 1, 1_024, 40_001, u16::MAX]
            .map(|port| ports.enter(port))
            .into();
        for ours in [
            "127.0.0.1:1",
            "[::1]:1024",
            "10.0.0.5:40001",
            "[::ffff:127.0.0.1]:65535",
        ] {
            assert!(has(ours), "{ours}");
        }
        for foreign in [
            "127.0.0.1:2",
            "10.0.0.6:1",
            "[::1]:40002",
            "192.0.2.1:40001",
        ] {
            assert!(!has(foreign), "{foreign}");
        }
        drop(held);
        assert!(!has("127.0.0.1:1") && !has("[::1]:1024"));
    }
}
