//! `Buf`: pooled memory with a window of bytes that wait to be used.
//!
//! ```text
//! | headroom | consumed | unread: start..end | free: end..capacity | tailroom |
//! ```

use std::rc::Rc;

use monoio::buf::{IoBuf, IoBufMut};

use crate::buf::pool::{Class, Pool};
use crate::limits::{HEADROOM_BYTES, TAILROOM_BYTES};

/// Pooled memory and the window of bytes in it. `HEADROOM <= start <= end <= capacity` when
/// fresh; [`Buf::prepend`] may use the headroom.
pub(crate) struct Buf {
    memory: Box<[u8]>,
    /// Half the size of a `usize`: a buffer's own fields lie many times in each exchange.
    start: u32,
    end: u32,
    class: Class,
    pool: Rc<Pool>,
}

/// Why there is no room for more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// They fill the largest buffer.
    Buffer,
    /// A larger buffer is needed, and memory is short.
    Memory,
}

impl Buf {
    pub(crate) fn new(memory: Box<[u8]>, class: Class, pool: Rc<Pool>) -> Self {
        Self {
            memory,
            start: HEADROOM_BYTES as u32,
            end: HEADROOM_BYTES as u32,
            class,
            pool,
        }
    }

    pub(crate) const fn class(&self) -> Class {
        self.class
    }

    pub(crate) fn pool(&self) -> Rc<Pool> {
        Rc::clone(&self.pool)
    }

    /// The bytes in the window.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.memory[self.start()..self.end()]
    }

    pub(crate) const fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes that a read may add.
    pub(crate) fn free(&self) -> usize {
        self.memory.len() - TAILROOM_BYTES - self.end().min(self.memory.len() - TAILROOM_BYTES)
    }

    /// The room behind the window that a read may fill.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let (begin, free) = (self.end(), self.free());
        &mut self.memory[begin..begin + free]
    }

    /// Takes `n` bytes of the room into the window.
    pub(crate) fn fill(&mut self, n: usize) {
        self.set(self.start(), self.end() + n.min(self.free()));
    }

    /// Empties the window and gives the whole room back.
    pub(crate) fn clear(&mut self) {
        self.set(HEADROOM_BYTES, HEADROOM_BYTES);
    }

    /// Drops `n` bytes from the front.
    pub(crate) fn consume(&mut self, n: usize) {
        self.set(self.end().min(self.start() + n), self.end());
    }

    /// Keeps only the first `n` bytes.
    pub(crate) fn truncate(&mut self, n: usize) {
        self.set(self.start(), self.end().min(self.start() + n));
    }

    /// Puts `bytes` in front of the window; `false` (and nothing done) when they do not fit.
    pub(crate) fn prepend(&mut self, bytes: &[u8]) -> bool {
        let Some(start) = self.start().checked_sub(bytes.len()) else {
            return false;
        };
        let end = self.start();
        self.memory[start..end].copy_from_slice(bytes);
        self.set(start, self.end());
        true
    }

    /// Puts `bytes` behind the window, tailroom included; `false` when they do not fit.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> bool {
        let begin = self.end();
        let end = begin + bytes.len();
        let Some(room) = self.memory.get_mut(begin..end) else {
            return false;
        };
        room.copy_from_slice(bytes);
        self.set(self.start(), end);
        true
    }

    /// An empty buffer of `class` from the same pool.
    pub(crate) fn sibling(&self, class: Class) -> Self {
        self.pool.take(class)
    }

    /// The same bytes with room behind them to read more: moved to the front of a buffer that is
    /// as large as it must be, if there is no room.
    ///
    /// # Errors
    /// They fill the largest buffer, or memory is short.
    pub(crate) fn with_room(self) -> Result<Self, Full> {
        if self.free() > 0 {
            return Ok(self);
        }
        let class = Class::for_bytes(self.len() as u64 + 1);
        let mut roomy = self.pool.take(class);
        if roomy.class() < class {
            return Err(Full::Memory);
        }
        let fits = roomy.append(self.bytes()) && roomy.free() > 0;
        fits.then_some(roomy).ok_or(Full::Buffer)
    }

    /// Splits off the bytes behind the first `n` into a buffer of their own, if there are any.
    pub(crate) fn split_off(&mut self, n: usize) -> Option<Self> {
        let rest = self.bytes().get(n..).filter(|rest| !rest.is_empty())?;
        let mut class = Class::for_bytes(rest.len() as u64);
        let mut other = self.pool.take(class);
        while !other.append(rest) {
            class = class.larger()?;
            other = self.pool.take(class);
        }
        self.truncate(n);
        Some(other)
    }

    /// Rewinds the window's start by `n` bytes that were consumed and not overwritten.
    pub(crate) fn rewind_to(&mut self, start: usize, end: usize) {
        debug_assert!(start <= end && end <= self.memory.len());
        self.set(start, end);
    }

    /// Where the window lies, for [`Buf::rewind_to`].
    pub(crate) const fn position(&self) -> (usize, usize) {
        (self.start(), self.end())
    }

    const fn start(&self) -> usize {
        self.start as usize
    }

    const fn end(&self) -> usize {
        self.end as usize
    }

    /// Both are within the memory, which is far below 4 GiB.
    const fn set(&mut self, start: usize, end: usize) {
        self.start = start as u32;
        self.end = end as u32;
    }
}

impl Drop for Buf {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        if !memory.is_empty() {
            self.pool.put_back(memory, self.class);
        }
    }
}

/// A buffer to be read into, behind its window.
#[cfg_attr(
    test,
    expect(dead_code, reason = "the simulated sockets have no need of it")
)]
pub(crate) struct Fill(pub(crate) Buf);

/// A buffer whose window is to be sent.
#[cfg_attr(
    test,
    expect(dead_code, reason = "the simulated sockets have no need of it")
)]
pub(crate) struct Flush(pub(crate) Buf);

#[expect(unsafe_code, reason = "monoio's buffer traits are unsafe")]
// SAFETY: the pointer is into a heap block that neither moves nor is freed while the operation
// owns the `Buf`; all of it was initialised when allocated; `set_init` adds what was written.
unsafe impl IoBufMut for Fill {
    fn write_ptr(&mut self) -> *mut u8 {
        let end = self.0.end();
        self.0.memory[end..].as_mut_ptr()
    }

    fn bytes_total(&mut self) -> usize {
        self.0.free()
    }

    unsafe fn set_init(&mut self, n: usize) {
        let end = (self.0.end() + n).min(self.0.memory.len());
        self.0.set(self.0.start(), end);
    }
}

#[expect(unsafe_code, reason = "monoio's buffer traits are unsafe")]
// SAFETY: as above; the window is inside the block and initialised.
unsafe impl IoBuf for Flush {
    fn read_ptr(&self) -> *const u8 {
        self.0.bytes().as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buf(class: Class) -> Buf {
        Pool::new(u64::MAX, Box::leak(Box::default())).take(class)
    }

    #[test]
    fn head_goes_in_front_of_the_body() {
        let mut b = buf(Class::Head);
        assert!(b.append(b"OLD HEAD body"));
        b.consume(9);
        assert!(b.prepend(b"A LONGER NEW HEAD "));
        assert_eq!(b.bytes(), b"A LONGER NEW HEAD body");
        assert!(!b.prepend(&[0; 4096]));
    }

    #[test]
    fn tailroom_holds_a_line_end_after_a_full_read() {
        let mut b = buf(Class::Head);
        let free = b.free();
        assert!(b.append(&vec![b'x'; free]));
        assert_eq!(b.free(), 0);
        assert!(b.append(b"\r\n"));
        assert!(!b.append(&[0; 64]));
        assert_eq!(b.free(), 0);
    }

    #[test]
    fn what_is_read_into_the_room_lies_behind_the_window() {
        let mut b = buf(Class::Head);
        assert!(b.append(b"one "));
        assert_eq!(b.room().len(), b.free());
        b.room()[..3].copy_from_slice(b"two");
        b.fill(3);
        assert_eq!(b.bytes(), b"one two");
        b.fill(usize::MAX);
        assert_eq!((b.free(), b.room().len()), (0, 0));
    }

    #[test]
    fn what_lies_behind_a_message_is_split_off() {
        let mut b = buf(Class::Head);
        assert!(b.append(b"firstsecond"));
        let rest = b.split_off(5).unwrap();
        assert_eq!((b.bytes(), rest.bytes()), (&b"first"[..], &b"second"[..]));
        assert!(b.split_off(5).is_none());
    }

    #[test]
    fn bytes_that_fill_a_buffer_move_to_where_there_is_room() {
        let mut b = buf(Class::Head);
        let free = b.free();
        assert!(b.append(&vec![7; free]));
        let b = b.with_room().ok().unwrap();
        assert_eq!((b.len(), b.class()), (free, Class::Small));
        assert!(b.free() > 4096);
        let free = b.free();
        assert_eq!(b.with_room().ok().unwrap().free(), free, "nothing to do");
    }

    #[test]
    fn a_rest_at_the_end_of_a_buffer_moves_to_the_front_of_one_of_its_size() {
        let mut b = buf(Class::Head);
        let free = b.free();
        assert!(b.append(&vec![7; free]));
        b.consume(free - 20);
        let b = b.with_room().ok().unwrap();
        assert_eq!((b.len(), b.class()), (20, Class::Head));
        assert_eq!(b.free(), free - 20);
    }

    #[test]
    fn there_is_no_room_in_the_largest_buffer_nor_when_memory_is_short() {
        let mut b = buf(Class::Bulk);
        let free = b.free();
        assert!(b.append(&vec![7; free]));
        assert_eq!(b.with_room().err(), Some(Full::Buffer));
        let pool = Pool::new(1, Box::leak(Box::default()));
        let mut b = pool.take(Class::Small);
        let free = b.free();
        assert!(b.append(&vec![7; free]));
        assert_eq!(b.with_room().err(), Some(Full::Memory));
    }
}
