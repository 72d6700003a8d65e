//! A connection's end that is a reset.

use std::os::fd::AsFd;
use std::time::Duration;

/// Has the socket reset when it is closed, instead of ended.
///
/// # Panics
/// It is no stream socket.
pub fn reset_when_closed(stream: &impl AsFd) {
    let set = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
    set.expect("a stream socket's option");
}
