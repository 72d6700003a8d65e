//! The smallest thing that relays with a given library: what the library itself costs.

pub(crate) mod hyper;
pub(crate) mod monoio_http;
pub(crate) mod relay;
