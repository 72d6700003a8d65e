//! Who may deliver next: a receiver that is slow keeps its share of the places, and so does a
//! function whose receivers are; the others have the rest. Pure.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::url::CallbackUrl;
use crate::queue::letter::Letter;

/// The places, and who has them.
#[derive(Clone, Debug, Default)]
pub(in crate::queue) struct Turns {
    /// Calls whose replies are on their way.
    under_way: HashSet<i64>,
    /// Places by receiver: its host and port.
    receivers: HashMap<String, usize>,
    /// Places by function.
    functions: HashMap<String, usize>,
}

impl Turns {
    /// Takes a place for a call's reply, if there is one for it and it is not on its way.
    pub(in crate::queue) fn take(&mut self, seq: i64, url: &str, function: &str) -> bool {
        let receiver = receiver(url);
        let of = |places: Option<&usize>| places.copied().unwrap_or_default();
        if self.is_full()
            || of(self.receivers.get(&receiver)) >= PLACES_OF_RECEIVER
            || of(self.functions.get(function)) >= PLACES_OF_FUNCTION
            || !self.under_way.insert(seq)
        {
            return false;
        }
        *self.receivers.entry(receiver).or_default() += 1;
        *self.functions.entry(function.to_owned()).or_default() += 1;
        true
    }

    /// Gives the place of a letter back.
    pub(in crate::queue) fn leave(&mut self, letter: &Letter) {
        if self.under_way.remove(&letter.seq) {
            less(&mut self.receivers, receiver(&letter.url));
            less(&mut self.functions, letter.function.clone());
        }
    }

    /// Whether nobody may deliver.
    pub(in crate::queue) fn is_full(&self) -> bool {
        self.under_way.len() >= PLACES
    }
}

fn less<K: Eq + Hash>(places: &mut HashMap<K, usize>, key: K) {
    if let Some(count) = places.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            places.remove(&key);
        }
    }
}

/// Who is connected to, however the URL is written.
fn receiver(url: &str) -> String {
    match CallbackUrl::parse(url) {
        Ok(url) => format!("{}:{}", url.host, url.port),
        Err(_) => url.to_owned(),
    }
}

/// Deliveries at once.
const PLACES: usize = 128;
/// Those of one function.
const PLACES_OF_FUNCTION: usize = PLACES / 4;
/// Those of one receiver: fewer, so that a function with one that is slow has some for its others.
const PLACES_OF_RECEIVER: usize = PLACES / 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::job::{JobId, Millis};

    fn letter(seq: i64, url: &str, function: &str) -> Letter {
        Letter {
            seq,
            id: JobId::from_bytes([0; 16]),
            call_id: String::new(),
            function: function.into(),
            name: String::new(),
            url: url.into(),
            tried: 0,
            since: Millis(0),
            attempts: 1,
            status: None,
            took_micros: 0,
            headers: Vec::new(),
            bytes: 0,
            cut: false,
        }
    }

    #[test]
    fn nobody_has_more_than_a_quarter() {
        let mut turns = Turns::default();
        let mut seq = 0;
        let mut takes = |turns: &mut Turns, url: &str, function: &str| {
            seq += 1;
            turns.take(seq, url, function)
        };
        // However the receiver is written, and whatever function it is of.
        for n in 0..PLACES_OF_RECEIVER {
            let url = ["http://A/x", "http://u:p@a:80/", "http://a/?y"][n % 3];
            assert!(takes(&mut turns, url, &format!("f{n}.ns")));
        }
        assert!(!takes(&mut turns, "http://a/", "other.ns"));
        assert!(takes(&mut turns, "http://a:81/", "other.ns"));
        // A function with many receivers.
        for n in 0..PLACES_OF_FUNCTION {
            assert!(takes(&mut turns, &format!("http://b{n}/"), "many.ns"));
        }
        assert!(!takes(&mut turns, "http://c/", "many.ns"));
        assert!(takes(&mut turns, "http://c/", "other.ns"));
        let free =
            (0..200).filter(|n| takes(&mut turns, &format!("http://d{n}/"), &format!("g{n}.ns")));
        assert_eq!(
            free.count(),
            PLACES - PLACES_OF_RECEIVER - PLACES_OF_FUNCTION - 2
        );
        assert!(turns.is_full());
    }

    #[test]
    fn a_place_comes_back_once() {
        let mut turns = Turns::default();
        for seq in 0..16 {
            assert!(turns.take(seq, "http://a/", "f.ns"));
        }
        assert!(!turns.take(16, "http://a/", "f.ns"));
        turns.leave(&letter(3, "http://a/", "f.ns"));
        turns.leave(&letter(3, "http://a/", "f.ns"));
        assert!(!turns.take(4, "http://a/", "f.ns"), "on its way");
        assert!(turns.take(16, "http://a/", "f.ns"));
        assert!(!turns.take(17, "http://a/", "f.ns"));
    }
}
