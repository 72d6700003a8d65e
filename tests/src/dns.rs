//! A scripted DNS server over UDP: A records from a table that can be changed while it runs.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A running server; ends when dropped.
pub struct Dns {
    address: SocketAddr,
    table: Arc<Mutex<Table>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How the server treats every question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsVice {
    /// As the table says.
    None,
    /// No answer.
    Silent,
    /// SERVFAIL.
    Fails,
    /// Bytes that are no answer.
    Garbage,
}

struct Table {
    /// Lower case names without the final dot, to addresses and seconds to live.
    records: HashMap<String, (Vec<Ipv4Addr>, u32)>,
    /// Questions so far, by name, of type A.
    asked: HashMap<String, usize>,
    vice: DnsVice,
}

impl Dns {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn start() -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
        let address = socket.local_addr().expect("its address");
        let patience = Some(Duration::from_millis(20));
        socket.set_read_timeout(patience).expect("a read timeout");
        let table = Arc::new(Mutex::new(Table {
            records: HashMap::new(),
            asked: HashMap::new(),
            vice: DnsVice::None,
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (Arc::clone(&table), Arc::clone(&stop));
        let thread = std::thread::spawn(move || serve(&socket, &shared, &stopped));
        Self {
            address,
            table,
            stop,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets a name's addresses; none is an existing name without addresses.
    pub fn set(&self, name: &str, addresses: &[Ipv4Addr], ttl_seconds: u32) {
        let record = (addresses.to_vec(), ttl_seconds);
        self.table()
            .records
            .insert(name.to_ascii_lowercase(), record);
    }

    /// Makes a name unknown.
    pub fn remove(&self, name: &str) {
        self.table().records.remove(&name.to_ascii_lowercase());
    }

    /// How often a name's addresses were asked for.
    #[must_use]
    pub fn asked(&self, name: &str) -> usize {
        let asked = self.table().asked.get(&name.to_ascii_lowercase()).copied();
        asked.unwrap_or(0)
    }

    /// Treats every question so from now on.
    pub fn set_vice(&self, vice: DnsVice) {
        self.table().vice = vice;
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(socket: &UdpSocket, table: &Mutex<Table>, stop: &AtomicBool) {
    let mut packet = [0; 1500];
    while !stop.load(Ordering::Relaxed) {
        let Ok((n, from)) = socket.recv_from(&mut packet) else {
            continue;
        };
        if let Some(answer) = lock(table).answer(&packet[..n]) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

impl Table {
    fn answer(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let question = Question::read(packet)?;
        if question.kind == TYPE_A {
            *self.asked.entry(question.name.clone()).or_default() += 1;
        }
        let record = self.records.get(&question.name);
        let (code, addresses, ttl) = match (self.vice, record) {
            (DnsVice::Silent, _) => return None,
            (DnsVice::Garbage, _) => return Some(b"\x00garbage".to_vec()),
            (DnsVice::Fails, _) => (SERVFAIL, &[][..], 0),
            (DnsVice::None, None) => (NXDOMAIN, &[][..], 0),
            (DnsVice::None, Some((addresses, ttl))) if question.kind == TYPE_A => {
                (NOERROR, addresses.as_slice(), *ttl)
            }
            (DnsVice::None, Some(_)) => (NOERROR, &[][..], 0),
        };
        let count = u16::try_from(addresses.len()).unwrap_or(0);
        let mut answer = packet[..2].to_vec();
        // A response, recursion desired and available.
        answer.extend_from_slice(&[0x81, 0x80 | code]);
        for count in [1, count, 0, 0] {
            answer.extend_from_slice(&count.to_be_bytes());
        }
        answer.extend_from_slice(&question.bytes);
        for address in addresses {
            // The name is that of the question, at offset 12.
            answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1]);
            answer.extend_from_slice(&ttl.to_be_bytes());
            answer.extend_from_slice(&[0, 4]);
            answer.extend_from_slice(&address.octets());
        }
        Some(answer)
    }
}

/// The one question of a packet.
struct Question {
    name: String,
    kind: u16,
    /// As it came, to be repeated.
    bytes: Vec<u8>,
}

impl Question {
    fn read(packet: &[u8]) -> Option<Self> {
        let mut at = 12;
        let mut labels = Vec::new();
        loop {
            let length = usize::from(*packet.get(at)?);
            let label = packet.get(at + 1..at + 1 + length)?;
            at += 1 + length;
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        }
        let fields = packet.get(at..at + 4)?;
        Some(Self {
            name: labels.join("."),
            kind: u16::from_be_bytes([fields[0], fields[1]]),
            bytes: packet[12..at + 4].to_vec(),
        })
    }
}

const TYPE_A: u16 = 1;
const NOERROR: u8 = 0;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks as a stub resolver does; the code and the (time to live, address) pairs.
    fn ask(dns: &Dns, name: &str, kind: u16) -> Option<(u8, Vec<(u32, Ipv4Addr)>)> {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            packet.push(u8::try_from(label.len()).unwrap());
            packet.extend_from_slice(label.as_bytes());
        }
        packet.push(0);
        packet.extend_from_slice(&kind.to_be_bytes());
        packet.extend_from_slice(&[0, 1]);
        socket.send_to(&packet, dns.address()).unwrap();
        let mut answer = [0; 1500];
        let n = socket.recv(&mut answer).ok()?;
        let answer = &answer[..n];
        assert_eq!(&answer[..2], b"\x12\x34");
        assert_eq!(&answer[12..packet.len()], &packet[12..]);
        let rows = answer[packet.len()..].chunks(16);
        let rows = rows.map(|r| {
            let ttl = u32::from_be_bytes([r[6], r[7], r[8], r[9]]);
            (ttl, Ipv4Addr::new(r[12], r[13], r[14], r[15]))
        });
        Some((answer[3] & 0xf, rows.collect()))
    }

    #[test]
    fn records_are_answered_counted_and_changed() {
        let dns = Dns::start();
        let (one, two) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3));
        dns.set("fn.ns.suffix", &[one, two], 7);
        assert_eq!(
            ask(&dns, "FN.ns.suffix", TYPE_A),
            Some((NOERROR, vec![(7, one), (7, two)]))
        );
        assert_eq!(ask(&dns, "fn.ns.suffix", 28), Some((NOERROR, vec![])));
        dns.set("fn.ns.suffix", &[two], 1);
        assert_eq!(
            ask(&dns, "fn.ns.suffix", TYPE_A),
            Some((NOERROR, vec![(1, two)]))
        );
        assert_eq!(dns.asked("fn.ns.suffix"), 2);
        dns.remove("fn.ns.suffix");
        assert_eq!(ask(&dns, "fn.ns.suffix", TYPE_A), Some((NXDOMAIN, vec![])));
    }

    #[test]
    fn it_fails_as_told() {
        let dns = Dns::start();
        dns.set("a", &[Ipv4Addr::LOCALHOST], 1);
        dns.set_vice(DnsVice::Fails);
        assert_eq!(ask(&dns, "a", TYPE_A), Some((SERVFAIL, vec![])));
        dns.set_vice(DnsVice::Silent);
        assert_eq!(ask(&dns, "a", TYPE_A), None);
    }
}
