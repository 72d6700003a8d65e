//! Support for the black-box tests: the real binary on free ports, a client that sends exactly
//! these bytes in exactly these pieces, scripted providers and servers, and `eventually`.

mod client;
mod credentials;
pub mod cut;
mod deployment;
mod descriptors;
mod dns;
mod echo;
mod gateway;
mod halts;
mod load;
mod nats;
mod pace;
mod port;
mod prometheus;
pub mod proof;
pub mod provider;
mod queue_worker;
mod random;
mod reset;
pub mod server;
mod wait;

pub use client::{Client, Reply, read, request};
pub use credentials::{Credentials, SecretFolder};
pub use deployment::Deployment;
pub use descriptors::raise_descriptor_limit;
pub use dns::{Dns, DnsVice};
pub use echo::Echo;
pub use gateway::{Gateway, binary, sibling, terminate, vice};
pub use halts::{Halt, Watch};
pub use load::Load;
pub use nats::Nats;
pub use pace::{Pace, Paced};
pub use port::free_port;
pub use prometheus::Prometheus;
pub use queue_worker::QueueWorker;
pub use random::Random;
pub use reset::reset_when_closed;
pub use wait::eventually;
