//! A function whose path chooses how it misbehaves. Listens on `$PORT` (loopback), or on the
//! Unix socket `$RINGWAY_SOCKET` when that is set; std only, one thread per connection.

mod cuts;
mod flap;
mod proof;
mod request;
mod vices;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

/// A connection, TCP or Unix.
pub(crate) trait Stream: Read + Write + Send {
    /// A second handle for reading while another thread writes.
    fn twin(&self) -> Box<dyn Stream>;
    /// Closes with a reset instead of an end.
    fn reset(&self);
    /// Ends the sending side.
    fn half_close(&self);
}

impl Stream for TcpStream {
    fn twin(&self) -> Box<dyn Stream> {
        Box::new(self.try_clone().expect("a descriptor for the twin"))
    }

    fn reset(&self) {
        ringway_tests::reset_when_closed(self);
    }

    fn half_close(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Stream for UnixStream {
    fn twin(&self) -> Box<dyn Stream> {
        Box::new(self.try_clone().expect("a descriptor for the twin"))
    }

    fn reset(&self) {}

    fn half_close(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

fn main() {
    if let Some(delay) = std::env::var("VICE_START_MS")
        .ok()
        .and_then(|ms| ms.parse().ok())
    {
        std::thread::sleep(Duration::from_millis(delay));
    }
    if std::env::var("VICE_EXIT").is_ok() {
        std::process::exit(3);
    }
    if let Ok(path) = std::env::var("RINGWAY_SOCKET") {
        let listener = UnixListener::bind(path).expect("bind RINGWAY_SOCKET");
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || vices::serve(Box::new(stream)));
        }
        return;
    }
    let port: u16 = std::env::var("PORT")
        .ok()
        .and_then(|p| p.parse().ok())
        .expect("PORT");
    flap::listen(port);
}
