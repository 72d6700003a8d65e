//! Replies that end at any byte: `/reset-after/K`, `/end-after/K` and `/half-close-after/K` write
//! the first K bytes of a reply that the caller knows, `framing=chunked` or with a length, wait
//! `ms`, and then reset the connection, end it, or end its sending side and go on reading.

use std::time::Duration;

use ringway_tests::cut;

use crate::Stream;
use crate::request::Request;

/// How a reply ends.
#[derive(Clone, Copy)]
pub(crate) enum Cut {
    Reset,
    End,
    HalfClose,
}

/// The cut that a path asks for, and behind how many bytes.
pub(crate) fn asked(path: &str) -> Option<(Cut, usize)> {
    let (way, after) = path.strip_prefix('/')?.split_once("-after/")?;
    let way = match way {
        "reset" => Cut::Reset,
        "end" => Cut::End,
        "half-close" => Cut::HalfClose,
        _ => return None,
    };
    Some((way, after.parse().ok()?))
}

/// Reads the request and answers it that far; the connection is of no use afterwards.
pub(crate) fn serve(
    stream: &mut dyn Stream,
    request: &mut Request,
    (way, after): (Cut, usize),
) -> std::io::Result<bool> {
    request.body(stream, |_| Ok(()))?;
    let (_, reply) = cut::reply(request.word("framing") == Some("chunked"));
    stream.write_all(&reply[..after.min(reply.len())])?;
    std::thread::sleep(Duration::from_millis(request.number("ms", 0)));
    match way {
        Cut::Reset => stream.reset(),
        Cut::End => {}
        Cut::HalfClose => {
            stream.half_close();
            while stream.read(&mut [0; 1024])? > 0 {}
        }
    }
    Ok(false)
}
