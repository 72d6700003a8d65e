//! A function that listens where it is told and echoes what it got.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::server::{Act, Answer, App, Seen, Server};

/// A server whose every answer is the request as it came, with status 200.
pub struct Echo;

impl Echo {
    /// Starts one on this address.
    ///
    /// # Panics
    /// When the address is in use.
    #[must_use]
    pub fn listen(address: SocketAddr) -> Server {
        Server::listen(address, Arc::new(Self))
    }
}

impl App for Echo {
    fn act(&self, request: &Seen) -> Act {
        Act::Answer(Answer::echo(request))
    }
}
