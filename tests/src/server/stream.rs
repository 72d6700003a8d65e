//! A reply that goes on until it is told to end, and knows whether its client has left.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{Receiver, Sender, channel};

/// One body for everybody who asks for it.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    listeners: Arc<Mutex<Vec<Sender<Vec<u8>>>>>,
}

impl Stream {
    /// Sends a piece; whether anybody was there to get it.
    #[must_use]
    pub fn send(&self, text: &str) -> bool {
        let mut sent = false;
        for listener in self.listeners().iter() {
            sent |= listener.try_send(text.into()).is_ok();
        }
        sent
    }

    /// Whether somebody came, and everybody left.
    #[must_use]
    pub fn is_left(&self) -> bool {
        let listeners = self.listeners();
        !listeners.is_empty() && listeners.iter().all(Sender::is_closed)
    }

    /// Ends the body cleanly for everybody, once all pieces are out.
    pub fn end(&self) {
        self.listeners().clear();
    }

    /// Somebody who asks for it.
    pub(crate) fn listener(&self) -> Receiver<Vec<u8>> {
        let (sender, receiver) = channel(PIECES_MAX);
        self.listeners().push(sender);
        receiver
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Sender<Vec<u8>>>> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// More than any test sends ahead.
const PIECES_MAX: usize = 10_000;
