//! What the kernel knows of a proxy's processes: time, memory, system calls; and where they run.

mod calls;
mod cost;
mod memory;
mod place;
mod tree;

pub(crate) use calls::calls;
pub(crate) use cost::Cost;
pub(crate) use memory::{forget_peak, memory};
pub(crate) use place::{pin, pin_self};
pub(crate) use tree::{resume, stop, tree};
