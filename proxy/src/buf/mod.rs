//! I/O buffers: size classes per shard, one owned window type.

mod packed;
mod pool;
mod window;

pub(crate) use packed::Packed;
pub(crate) use pool::{Class, Pool};
pub(crate) use window::{Buf, Full};
#[cfg(not(any(test, fuzzing)))]
pub(crate) use window::{Fill, Flush};
