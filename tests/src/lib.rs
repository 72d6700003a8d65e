//! Support for the black-box tests: the real binary on free ports, a client that sends exactly
//! these bytes in exactly these pieces, and `eventually`.

mod client;
mod gateway;
mod wait;

pub use client::{Client, Reply, request};
pub use gateway::{Deployment, Gateway, binary, free_port, vice};
pub use wait::eventually;
