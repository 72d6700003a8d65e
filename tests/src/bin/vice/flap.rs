//! A replica that comes and goes. The one that is asked `/flap?way=reset` resets every other
//! connection from then on, before it reads; after `way=refuse` it closes its listener for 20 ms
//! behind each connection. Every connection then serves one request.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::{Stream as _, vices};

static WAY: AtomicU8 = AtomicU8::new(STEADY);
const STEADY: u8 = 0;
const RESET: u8 = 1;
const REFUSE: u8 = 2;

/// Begins.
pub(crate) fn begin(way: Option<&str>) {
    let way = match way {
        Some("reset") => RESET,
        Some("refuse") => REFUSE,
        _ => STEADY,
    };
    WAY.store(way, Ordering::Relaxed);
}

/// Whether this replica flaps.
pub(crate) fn is_on() -> bool {
    WAY.load(Ordering::Relaxed) != STEADY
}

/// Serves the connections of this port of loopback.
pub(crate) fn listen(port: u16) {
    loop {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("bind PORT");
        for (turn, stream) in listener.incoming().flatten().enumerate() {
            let way = WAY.load(Ordering::Relaxed);
            if way == RESET && turn % 2 == 1 {
                stream.reset();
                continue;
            }
            serve(stream);
            if way == REFUSE {
                break;
            }
        }
        drop(listener);
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn serve(stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    std::thread::spawn(move || vices::serve(Box::new(stream)));
}
