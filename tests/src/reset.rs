//! A connection's end that is a reset.

use std::net::TcpStream;
use std::os::fd::AsRawFd;

/// Has the socket reset when it is closed, instead of ended.
#[expect(unsafe_code, reason = "std cannot set SO_LINGER to zero on stable")]
pub fn reset_when_closed(stream: &TcpStream) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let size = u32::try_from(size_of_val(&linger)).unwrap_or(0);
    // SAFETY: pointer and size are of one live struct.
    unsafe {
        let value = (&raw const linger).cast();
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            value,
            size,
        );
    }
}
