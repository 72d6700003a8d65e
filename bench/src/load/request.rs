//! Requests as bytes, and which comes next.

use std::rc::Rc;

/// A request's bytes: `first`, then `block` over and over.
pub(crate) struct Request {
    first: Vec<u8>,
    block: Rc<Vec<u8>>,
    blocks: usize,
}

/// Requests, and an order in which they are taken.
pub(crate) struct Mix {
    requests: Vec<Request>,
    order: Vec<u32>,
    next: usize,
}

impl Request {
    /// A request without a body.
    pub(crate) fn get(path: &str) -> Self {
        Self::of(head("GET", path, ""), Vec::new(), 0)
    }

    /// The same, on a connection that ends after it.
    pub(crate) fn get_once(path: &str) -> Self {
        Self::of(head("GET", path, "Connection: close\r\n"), Vec::new(), 0)
    }

    /// A body of `bytes` bytes with its length.
    pub(crate) fn post(path: &str, bytes: usize) -> Self {
        let head = head("POST", path, &format!("Content-Length: {bytes}\r\n"));
        if bytes <= BLOCK_BYTES {
            return Self::of([head, vec![b'x'; bytes]].concat(), Vec::new(), 0);
        }
        assert!(bytes.is_multiple_of(BLOCK_BYTES), "whole blocks");
        Self::of(head, vec![b'x'; BLOCK_BYTES], bytes / BLOCK_BYTES)
    }

    /// A body of so many chunks.
    pub(crate) fn post_chunked(path: &str, chunks: usize, chunk_bytes: usize) -> Self {
        let mut bytes = head("POST", path, "Transfer-Encoding: chunked\r\n");
        for _ in 0..chunks {
            bytes.extend_from_slice(format!("{chunk_bytes:x}\r\n").as_bytes());
            bytes.resize(bytes.len() + chunk_bytes, b'x');
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        Self::of(bytes, Vec::new(), 0)
    }

    fn of(first: Vec<u8>, block: Vec<u8>, blocks: usize) -> Self {
        Self {
            first,
            block: Rc::new(block),
            blocks,
        }
    }

    /// What is to be sent after the first `sent` bytes; empty at the end.
    pub(crate) fn after(&self, sent: usize) -> &[u8] {
        let Some(in_blocks) = sent.checked_sub(self.first.len()) else {
            return &self.first[sent..];
        };
        if self.blocks == 0 || in_blocks >= self.blocks * self.block.len() {
            return &[];
        }
        &self.block[in_blocks % self.block.len()..]
    }
}

impl Mix {
    /// The same request every time.
    pub(crate) fn one(request: Request) -> Self {
        Self {
            requests: vec![request],
            order: vec![0],
            next: 0,
        }
    }

    /// Requests by a zipfian distribution with exponent 1: the n-th is 1/n as frequent as the
    /// first. The draws are the same in every run.
    pub(crate) fn zipfian(requests: Vec<Request>) -> Self {
        let weights = (1..=requests.len()).map(|n| 1.0 / n as f64);
        let mut sums: Vec<f64> = weights
            .scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        let all = sums.last().copied().unwrap_or(1.0);
        sums.iter_mut().for_each(|sum| *sum /= all);
        let mut state = SEED;
        let order = (0..DRAWS)
            .map(|_| {
                // xorshift64*, of which the upper 53 bits make a number below 1.
                state ^= state >> 12;
                state ^= state << 25;
                state ^= state >> 27;
                let draw = state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
                let draw = draw as f64 / (1_u64 << 53) as f64;
                let last = requests.len() - 1;
                sums.partition_point(|sum| *sum < draw).min(last) as u32
            })
            .collect();
        Self {
            requests,
            order,
            next: 0,
        }
    }

    /// The index of the next request.
    pub(crate) fn draw(&mut self) -> u32 {
        self.next += 1;
        if self.next == self.order.len() {
            self.next = 0;
        }
        self.order[self.next]
    }

    pub(crate) fn request(&self, index: u32) -> &Request {
        &self.requests[index as usize]
    }
}

fn head(method: &str, path: &str, fields: &str) -> Vec<u8> {
    let fields =
        format!("Host: bench.local\r\nUser-Agent: ringway-bench\r\nAccept: */*\r\n{fields}");
    format!("{method} {path} HTTP/1.1\r\n{fields}\r\n").into_bytes()
}

/// Longer bodies are sent in blocks of this size, so that 100 MiB need not be held.
const BLOCK_BYTES: usize = 1024 * 1024;
const DRAWS: usize = 1 << 16;
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes a request has.
    fn bytes(request: &Request) -> usize {
        let mut sent = 0;
        while !request.after(sent).is_empty() {
            sent += request.after(sent).len();
        }
        sent
    }

    #[test]
    fn requests_have_the_bytes_they_say() {
        let empty = bytes(&Request::post("/", 0));
        // One digit of the length becomes four, then nine.
        assert_eq!(bytes(&Request::post("/", 1_024)), empty + 1_024 + 3);
        let large = 100 * BLOCK_BYTES;
        assert_eq!(bytes(&Request::post("/", large)), empty + large + 8);
        let get = bytes(&Request::get("/"));
        let chunked = Request::post_chunked("/", 2, 16);
        let added = "Transfer-Encoding: chunked\r\n".len() + 1 + 2 * (4 + 16 + 2) + 5;
        assert_eq!(bytes(&chunked), get + added);
    }

    #[test]
    fn the_first_of_a_thousand_is_drawn_most() {
        let mut mix = Mix::zipfian((0..1_000).map(|_| Request::get("/")).collect());
        let mut counts = vec![0; 1_000];
        (0..DRAWS).for_each(|_| counts[mix.draw() as usize] += 1);
        // Of a thousand, 1/n sums up to 7.485.
        let first = f64::from(counts[0]) / DRAWS as f64;
        assert!((first - 1.0 / 7.485).abs() < 0.01, "{first}");
        assert!(counts[0] > counts[9] && counts[9] > counts[99]);
        assert!(counts.iter().filter(|n| **n > 0).count() > 900);
    }
}
