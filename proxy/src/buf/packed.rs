//! The bytes of a buffer while nobody needs the buffer.

use std::rc::Rc;

use crate::buf::pool::{Class, Pool};
use crate::buf::window::Buf;

/// What a buffer held, for a long wait: a small buffer's bytes in memory of just their length, a
/// larger buffer as it is. The pool counts both.
pub(crate) enum Packed {
    Bytes(Bytes),
    Buffer(Box<Buf>),
}

/// Bytes that the pool counts as in use.
pub(crate) struct Bytes {
    bytes: Box<[u8]>,
    pool: Rc<Pool>,
}

impl Packed {
    pub(crate) fn new(buf: Buf) -> Self {
        if buf.class() > Class::Head {
            return Self::Buffer(Box::new(buf));
        }
        let bytes = Box::from(buf.bytes());
        let pool = buf.pool();
        pool.keep(&bytes);
        Self::Bytes(Bytes { bytes, pool })
    }

    /// A buffer again, with the same bytes.
    pub(crate) fn into_buf(self) -> Buf {
        let packed = match self {
            Self::Buffer(buf) => return *buf,
            Self::Bytes(packed) => packed,
        };
        let mut buf = packed.pool.take(Class::Head);
        if !buf.append(&packed.bytes) {
            // They filled the headroom, too. A buffer of this class can always be had.
            buf = packed.pool.take(Class::Small);
            let fits = buf.append(&packed.bytes);
            debug_assert!(fits, "Small holds all that Head does");
        }
        buf
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        self.pool.forget(&self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back_and_is_counted_meanwhile() {
        let pool = Pool::new(u64::MAX, Box::leak(Box::default()));
        // Empty, with room left, full behind the headroom, and full to its beginning.
        for (len, in_front) in [(0, 0), (300, 0), (3_064, 0), (3_064, 1_024)] {
            let mut buf = pool.take(Class::Head);
            let bytes: Vec<u8> = (0..len + in_front).map(|i| (i % 251) as u8).collect();
            assert!(buf.append(&bytes[in_front..]) && buf.prepend(&bytes[..in_front]));
            let packed = Packed::new(buf);
            assert_eq!(pool.used(), bytes.len() as u64);
            let buf = packed.into_buf();
            assert_eq!(buf.bytes(), bytes);
            drop(buf);
            assert_eq!(pool.used(), 0);
        }
    }

    #[test]
    fn a_large_buffer_stays_what_it_is() {
        let pool = Pool::new(u64::MAX, Box::leak(Box::default()));
        let mut buf = pool.take(Class::Small);
        buf.append(b"abc");
        let buf = Packed::new(buf).into_buf();
        assert_eq!((buf.bytes(), buf.class()), (&b"abc"[..], Class::Small));
    }
}
